"""The explanation of a result that lies beside its log, with its images as data in the page."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DIRECTORY, FILE = "explanation", "explanation.json"
#: The format of the file; a newer one is not read.
FORMAT = 1
MOST_SAMPLES = 20
#: What the images of a page may have in all: with their encoding, two thirds of 10 MB.
MOST_BYTES = 5_000_000
_PNG = b"\x89PNG\r\n\x1a\n"


class Cause(msgspec.Struct, frozen=True):
    """A cause that was found, and what speaks for it."""

    name: str
    evidence: str = ""


class ClassChange(msgspec.Struct, frozen=True):
    """The metric of a class, before and now."""

    name: str
    now: float
    before: float | None = None


class Image(msgspec.Struct, frozen=True):
    """A PNG file in the directory."""

    file: str
    caption: str = ""


class Sample(msgspec.Struct, frozen=True):
    """A sample that changed, with texts by their labels, and images."""

    id: str
    index: int
    now: float
    before: float | None = None
    text: tuple[tuple[str, str], ...] = ()
    images: tuple[Image, ...] = ()


class Explanation(msgspec.Struct, frozen=True):
    """What explains a result."""

    format: int
    causes: tuple[Cause, ...] = ()
    classes: tuple[ClassChange, ...] = ()
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True)
class Picture:
    """An image as data; ``data`` is empty where it cannot be shown, and ``fault`` says why."""

    caption: str
    data: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Explained:
    """An explanation with its images, sample by sample; ``fault`` says why there is none although its file is there."""

    explanation: Explanation | None = None
    samples: Sequence[tuple[Sample, Sequence[Picture]]] = ()
    left_out: int = 0
    fault: str = ""


class Explanations:
    """Reads explanations; the images of all of them together are bounded."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._left = most_bytes

    def of(self, output: str) -> Explained | None:
        """Return the explanation in a run's directory; None if it has none."""
        directory = Path(output) / DIRECTORY
        if not output or not (directory / FILE).is_file():
            return None
        try:
            explanation = msgspec.json.decode((directory / FILE).read_bytes(), type=Explanation)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return Explained(fault=f"{directory / FILE} cannot be read: {error}")
        if explanation.format > FORMAT:
            return Explained(fault=f"{directory / FILE} was written by a newer version of pytest-mlperf")
        first = explanation.samples[:MOST_SAMPLES]
        samples = [(sample, list(self._pictures(directory, sample))) for sample in first]
        return Explained(explanation, samples, len(explanation.samples) - len(first))

    def _pictures(self, directory: Path, sample: Sample) -> Iterator[Picture]:
        for image in sample.images:
            path = directory / image.file
            try:
                # A name leads nowhere else, and a device has no end.
                if Path(image.file).name != image.file or path.is_symlink() or not path.is_file():
                    yield Picture(image.caption, fault=f"{image.file} is not a file beside the explanation")
                    continue
                if path.stat().st_size > self._left:
                    yield Picture(image.caption, fault=f"left out, the page would be too large: {path}")
                    continue
                content = path.read_bytes()
            except (OSError, ValueError) as error:
                yield Picture(image.caption, fault=str(error))
                continue
            if not content.startswith(_PNG):
                yield Picture(image.caption, fault=f"{image.file} is not a PNG image")
                continue
            self._left -= len(content)
            yield Picture(image.caption, b64encode(content).decode("ascii"))

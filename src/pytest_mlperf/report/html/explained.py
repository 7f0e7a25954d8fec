"""The explanation of a result that lies beside its log, with its images as data in the page."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.errors import OutputError
from pytest_mlperf.explain.explanation import DIRECTORY, FILE, read_explanation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_mlperf.explain.explanation import Explanation, SampleChange

MOST_SAMPLES = 20
#: What the images of a page may have in all: with their encoding, two thirds of 10 MB.
MOST_BYTES = 5_000_000
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Inlined:
    """An image as data; ``data`` is empty where it cannot be shown, and ``fault`` says why."""

    caption: str
    data: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Explained:
    """An explanation with its images, sample by sample; ``fault`` says why there is none although its file is there."""

    explanation: Explanation | None = None
    samples: Sequence[tuple[SampleChange, Sequence[Inlined]]] = ()
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
            explanation = read_explanation(directory / FILE)
        except OutputError as error:
            return Explained(fault=f"{error.what}: {error.found}")
        first = explanation.samples[:MOST_SAMPLES]
        samples = [(sample, list(self._pictures(directory, sample))) for sample in first]
        return Explained(explanation, samples, len(explanation.samples) - len(first))

    def _pictures(self, directory: Path, sample: SampleChange) -> Iterator[Inlined]:
        for image in sample.images:
            path = directory / image.file
            try:
                # A name leads nowhere else, and a device has no end.
                if Path(image.file).name != image.file or path.is_symlink() or not path.is_file():
                    yield Inlined(image.caption, fault=f"{image.file} is not a file beside the explanation")
                    continue
                if path.stat().st_size > self._left:
                    yield Inlined(image.caption, fault=f"left out, the page would be too large: {path}")
                    continue
                content = path.read_bytes()
            except (OSError, ValueError) as error:
                yield Inlined(image.caption, fault=str(error))
                continue
            if not content.startswith(_PNG):
                yield Inlined(image.caption, fault=f"{image.file} is not a PNG image")
                continue
            self._left -= len(content)
            yield Inlined(image.caption, b64encode(content).decode("ascii"))

"""An explanation as it stands in explanation.json, and the lines of it that a message has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.artifacts.disk import write_atomic
from pytest_mlperf.errors import OutputError
from pytest_mlperf.versioned import read_versioned

if TYPE_CHECKING:
    from pathlib import Path

#: The format of the file.
FORMAT = 1
#: The directory of an explanation, beside a run's log, and its file; the pictures are beside that.
DIRECTORY, FILE = "explanation", "explanation.json"


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """A usual cause, and the figures that speak for it."""

    name: str
    evidence: str


class ClassChange(msgspec.Struct, frozen=True, kw_only=True):
    """The metric of one class, in the baseline (None if unknown) and in this run."""

    name: str
    before: float | None
    now: float


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A PNG file beside explanation.json, and what it shows."""

    file: str
    caption: str


class SampleChange(msgspec.Struct, frozen=True, kw_only=True):
    """A sample that changed much.

    Attributes
    ----------
    id, index
        What names it in the data set, and its sample index.
    before, now
        Its own score in the baseline (None if unknown), and in this run; more is better.
    text
        Labelled texts, such as a question and its answers.
    images
        Its pictures.
    """

    id: str
    index: int
    before: float | None
    now: float
    text: tuple[tuple[str, str], ...] = ()
    images: tuple[Picture, ...] = ()


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why an accuracy run is worse than its baseline, or than its target.

    Attributes
    ----------
    causes
        Those that explain at least half of what was lost, the best first; none if it is no usual one.
    classes
        Those that lost most, the worst first.
    samples
        Those that lost most, the worst first; without a baseline those with the lowest score.
    notes
        What was not tried or could not be explained, and why.
    """

    format: int = FORMAT
    causes: tuple[Cause, ...] = ()
    classes: tuple[ClassChange, ...] = ()
    samples: tuple[SampleChange, ...] = ()
    notes: tuple[str, ...] = ()


def write_explanation(directory: Path, explanation: Explanation) -> Path:
    """Write explanation.json into a directory, and return its path; raises OSError."""
    path = directory / FILE
    write_atomic(path, msgspec.json.format(msgspec.json.encode(explanation), indent=1) + b"\n")
    return path


def read_explanation(path: Path) -> Explanation:
    """Return the explanation in a file.

    Raises
    ------
    OutputError
        It cannot be read, or is of another format.
    """
    return read_versioned(
        path, Explanation, FORMAT, OutputError, what="an explanation", expected=FILE, fix="run the case again"
    )


def cause_text(explanation: Explanation) -> str:
    """Return the causes for a message, a line for each; that there is none is said as well."""
    if not explanation.causes:
        return "cause: none of the usual ones explains it"
    return "\n".join(f"cause: {cause.name}: {cause.evidence}" for cause in explanation.causes)

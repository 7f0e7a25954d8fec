"""Spoken numbers on disk, laid out as LibriSpeech: one chapter by many voices; changes when that layout changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_mlperf.artifacts.disk import write_atomic
from pytest_mlperf.datasets.digit_speech import RATE, speak
from pytest_mlperf.datasets.flac import flac
from pytest_mlperf.datasets.utterances import CHAPTERS

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.datasets.digit_speech import Split

CHAPTER: Final = "0-0"
LISTS: Final = (CHAPTERS, f"0/0/{CHAPTER}.trans.txt")
"""The files that every utterance needs."""


def file_name(index: int) -> str:
    """Return where the utterance with this index lies in the data set's directory."""
    return f"0/0/{CHAPTER}-{index:04d}.flac"


def generate(directory: Path, split: Split, count: int) -> None:
    """Write the first utterances of a split.

    Parameters
    ----------
    directory
        Where to write; made if it does not exist.
    split
        ``"train"``, ``"validation"`` or ``"calibration"``.
    count
        Number of utterances.
    """
    (directory / "0" / "0").mkdir(parents=True, exist_ok=True)
    lines = []
    for index in range(count):
        spoken = speak(split, index)
        write_atomic(directory / file_name(index), flac(spoken.samples, RATE))
        lines.append(f"{CHAPTER}-{index:04d} {spoken.words.upper()}\n")
    for name, content in zip(LISTS, (f"{CHAPTER}\n", "".join(lines)), strict=True):
        write_atomic(directory / name, content.encode())

"""The utterances of a directory in sample order, by LibriSpeech's layout or MLPerf's manifest.

LibriSpeech has its files at ``<speaker>/<chapter>/<speaker>-<chapter>-<number>.flac``, with a list of transcripts in
each chapter. MLPerf's manifest ``dev-clean-wav.json`` names WAV files made of them; its order of chapters is neither
sorted nor the archive's, and ships with this package.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

RATE: Final = 16_000
LONGEST: Final = 15 * RATE
"""The most samples of an utterance, 15 s; the reference leaves out the longer ones."""

MANIFEST: Final = "dev-clean-wav.json"
CHAPTERS: Final = "chapters.txt"
"""In LibriSpeech's layout: the order of the chapters of other data, ``speaker-chapter`` in each line."""

ALPHABET: Final = frozenset(" abcdefghijklmnopqrstuvwxyz'")

_PLACES: Final = (".", "dev-clean", "LibriSpeech/dev-clean")
_OFFICIAL_COUNT: Final = 2_513
#: Of the identifiers in MLPerf's order, one a line.
_OFFICIAL_SHA256: Final = "6fa5eb0368b10e251ae67978e93a380d8aba93863ded3bc68fc01599ba2da160"
_FETCH_AGAIN: Final = "fetch or copy the data set again, or give another with --dataset-path"


@dataclass(frozen=True)
class Utterance:
    """A file, its number of samples as its header states it, and what is said in it, in small letters."""

    path: Path
    samples: int
    words: str


def utterances(directory: Path, count: int) -> list[Utterance]:
    """Return the first `count` utterances of at most 15 s.

    Raises
    ------
    DatasetError
        The directory has neither layout, or fewer utterances; or before the last of them one is missing, cannot be
        read, or is not 16 kHz mono.
    """
    manifest, own_order = directory / MANIFEST, directory / CHAPTERS
    # Of LibriSpeech only the chapters that are needed are read.
    found = list(islice(_of_manifest(manifest) if manifest.exists() else _of_chapters(directory), count))
    if len(found) == _OFFICIAL_COUNT and not manifest.exists() and not own_order.exists():
        _require_official(directory, [utterance.path.stem for utterance in found])
    if len(found) < count:
        raise DatasetError(
            f"{directory} has too few utterances",
            expected=f"{count:,}",
            found=f"{len(found):,} of at most 15 s",
            fix=f"use at most {len(found)} with --dataset-size",
        )
    return found


def transcripts(directory: Path, count: int) -> list[str]:
    """Return what is said in the first `count` utterances; see `utterances` for errors."""
    return [utterance.words for utterance in utterances(directory, count)]


def used_files(directory: Path, count: int) -> list[str]:
    """Return the names of the lists that the first `count` utterances are in, and then of their files."""
    found = [utterance.path for utterance in utterances(directory, count)]
    if (directory / MANIFEST).exists():
        lists = [directory / MANIFEST]
    else:
        own = directory / CHAPTERS
        chapters = dict.fromkeys(path.parent for path in found)
        lists = [*([own] if own.exists() else []), *(_transcripts_of(chapter) for chapter in chapters)]
    return [path.relative_to(directory).as_posix() for path in (*lists, *found)]


def _of_chapters(directory: Path) -> Iterator[Utterance]:
    """Yield the utterances of LibriSpeech's layout."""
    own = directory / CHAPTERS
    order = _lines(own) if own.exists() else official_chapters()
    root = _root(directory, order)
    for chapter in order:
        for name, words in _transcribed(root, chapter):
            path = root.joinpath(*chapter.split("-")) / f"{name}.flac"
            samples = _samples(path)
            if samples <= LONGEST:
                yield Utterance(path, samples, _checked(words, path))


def _root(directory: Path, order: Sequence[str]) -> Path:
    """Return the directory of the speakers."""
    first = order[0].split("-") if order else ["0"]
    for place in _PLACES:
        if directory.joinpath(place, *first).is_dir():
            return directory / place
    raise DatasetError(
        f"{directory} does not have the layout of this data set",
        expected=f"{MANIFEST}, or LibriSpeech's dev-clean/<speaker>/<chapter>/",
        found=f"no {MANIFEST}, and no directory {'/'.join(first)} of the first chapter",
        fix="give the directory that contains dev-clean/ with --dataset-path",
    )


def _transcripts_of(chapter: Path) -> Path:
    return chapter / f"{chapter.parent.name}-{chapter.name}.trans.txt"


def _transcribed(root: Path, chapter: str) -> list[tuple[str, str]]:
    """Return the names and the words of a chapter's utterances, by number."""
    path = _transcripts_of(root.joinpath(*chapter.split("-")))
    entries: dict[int, tuple[str, str]] = {}
    for line in _lines(path):
        name, _, words = line.partition(" ")
        head, _, number = name.rpartition("-")
        if head != chapter or not number.isdecimal() or int(number) in entries:
            raise DatasetError(
                f"{path} is not a list of transcripts of chapter {chapter}",
                expected=f"each line with a number of its own, like: {chapter}-0000 HE SAID",
                found=line[:80],
                fix=_FETCH_AGAIN,
            )
        entries[int(number)] = (name, words.strip().lower())
    if list(range(len(entries))) != sorted(entries):
        missing = next(number for number in range(len(entries) + 1) if number not in entries)
        raise DatasetError(
            f"{path} is incomplete: every later sample index would be wrong",
            expected=f"utterances from {chapter}-0000 on",
            found=f"{len(entries):,} lines without {chapter}-{missing:04d}",
            fix=_FETCH_AGAIN,
        )
    return [entries[number] for number in sorted(entries)]


def _require_official(directory: Path, names: Sequence[str]) -> None:
    digest = hashlib.sha256("".join(f"{name}\n" for name in names).encode()).hexdigest()
    if digest != _OFFICIAL_SHA256:
        raise DatasetError(
            f"{directory} is not the whole of LibriSpeech's dev-clean",
            expected=f"the {_OFFICIAL_COUNT:,} utterances of at most 15 s in MLPerf's order",
            found="others",
            fix=f"{_FETCH_AGAIN}; for other data, list the order of its chapters in {CHAPTERS}",
        )


@cache
def official_chapters() -> tuple[str, ...]:
    """Return the chapters of dev-clean in the order of MLPerf's manifest, as ``speaker-chapter``."""
    text = files("pytest_mlperf").joinpath("data", "librispeech-chapters.txt").read_text("utf-8")
    return tuple(text.split())


def _lines(path: Path) -> list[str]:
    return [line for line in _text(path).splitlines() if line.strip()]


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"cannot read {path}",
            expected="a list of the utterances, in UTF-8",
            found=(error.strerror if isinstance(error, OSError) else None) or str(error),
            fix=_FETCH_AGAIN,
        ) from error


def _of_manifest(manifest: Path) -> Iterator[Utterance]:
    """Yield the utterances of MLPerf's manifest whose stated duration is at most 15 s, at normal speed."""
    try:
        entries = json.loads(_text(manifest))
        kept = [entry for entry in entries if not entry["original_duration"] > LONGEST / RATE]
        named = [(_at_normal_speed(entry), str(entry["transcript"])) for entry in kept]
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise DatasetError(
            f"{manifest} is not MLPerf's manifest",
            expected="a list of entries with files, original_duration and transcript",
            found=f"{type(error).__name__}: {error}"[:200],
            fix=_FETCH_AGAIN,
        ) from error
    for name, words in named:
        path = manifest.parent / name
        if name.startswith("/") or ".." in name.split("/"):
            raise DatasetError(
                f"{manifest} names a file outside of its directory",
                expected="a path below it",
                found=name[:200],
                fix=_FETCH_AGAIN,
            )
        samples = _samples(path)
        if samples > LONGEST:
            raise DatasetError(
                f"{path} is longer than its manifest says",
                expected="at most 15 s",
                found=f"{samples / RATE:.2f} s",
                fix=_FETCH_AGAIN,
            )
        yield Utterance(path, samples, _checked(words.strip().lower(), path))


def _at_normal_speed(entry: Any) -> str:
    return str(next(file["fname"] for file in entry["files"] if file["speed"] == 1))


def _checked(words: str, path: Path) -> str:
    """Return a transcript; raise if it has what no label stands for, which the reference would spell out or drop."""
    if strange := sorted(set(words) - ALPHABET):
        raise DatasetError(
            f"the transcript of {path} has other characters than letters",
            expected="letters, spaces and apostrophes, with numbers spelled out",
            found=f"{''.join(strange)!r} in {words[:80]!r}",
            fix="write the transcript as it is spoken",
        )
    return words


def _samples(path: Path) -> int:
    """Return the number of samples that a file's header states; raise if it is not 16 kHz mono."""
    import soundfile

    try:
        header = soundfile.info(str(path))
    except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
        raise DatasetError(
            f"cannot read {path}" if path.exists() else f"{path} is missing: every later sample index would be wrong",
            expected="an audio file, FLAC or WAV",
            found=f"{error}"[:200] if path.exists() else "nothing",
            fix=_FETCH_AGAIN,
        ) from error
    if (header.samplerate, header.channels) != (RATE, 1) or not 0 < header.frames < 1 << 40:
        raise DatasetError(
            f"{path} is not an utterance of this data set",
            expected=f"{RATE:,} Hz, 1 channel, at least 1 sample",
            found=f"{header.samplerate:,} Hz, {header.channels} channel(s), {header.frames:,} samples",
            fix="convert it to 16 kHz mono, or fetch the data set again",
        )
    return int(header.frames)

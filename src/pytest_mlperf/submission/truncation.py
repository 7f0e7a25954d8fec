"""Truncates an accuracy log as MLCommons' truncate_accuracy_log.py does, and records the hash of the full log."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlperf.artifacts.disk import file_sha256, replacing, write_atomic
from pytest_mlperf.errors import SubmissionError
from pytest_mlperf.rules.checks.accuracy import LARGEST_ACCURACY_LOG
from pytest_mlperf.rules.log_files import ACCURACY_LOG
from pytest_mlperf.submission.names import ACCURACY_TXT

if TYPE_CHECKING:
    from pathlib import Path

#: MAX_ACCURACY_LOG_SIZE and VIEWABLE_SIZE of tools/submission/truncate_accuracy_log.py, in bytes.
VIEWABLE = 4096
GAP = b"\n\n...\n\n"
TRUNCATED_SIZE = 2 * VIEWABLE + len(GAP)
_HASH_LINE = re.compile(rb"^hash=(\w+)\n?", re.MULTILINE)
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Truncated:
    """The SHA-256 of the full accuracy log, and whether anything was changed."""

    sha256: str
    changed: bool


def truncate(directory: Path, kept: Path) -> Truncated:
    """Keep the full accuracy log in `kept`, truncate the one in `directory`, and record the full log's hash.

    It may be repeated, also after it was interrupted: the hash is always that of the full log.

    Parameters
    ----------
    directory
        Holds accuracy.txt and mlperf_log_accuracy.json.
    kept
        The file for the full log: a hard link if possible, else a copy.

    Raises
    ------
    SubmissionError
        accuracy.txt is missing, or the log is truncated and the full one is missing.
    """
    log, text = directory / ACCURACY_LOG, directory / ACCURACY_TXT
    try:
        words = text.read_bytes()
        size = log.stat().st_size
    except OSError as error:
        raise _unreadable(directory, error) from error
    noted = _HASH_LINE.search(words)
    if noted and size < LARGEST_ACCURACY_LOG:
        return Truncated(noted[1].decode(), changed=False)
    if is_truncated(log):
        sha256 = _hash_of_kept(log, kept)
    else:
        sha256 = file_sha256(log)
        keep(log, kept)
    # The hash first: if the process is killed in between, it can start again with the full log.
    write_atomic(text, with_hash(words, sha256))
    if size >= VIEWABLE and not is_truncated(log):
        write_atomic(log, ends_of(log))
    return Truncated(sha256, changed=True)


def with_hash(text: bytes, sha256: str) -> bytes:
    """Return accuracy.txt with exactly one hash line, at its end."""
    words = _HASH_LINE.sub(b"", text).rstrip(b"\n")
    return words + b"\n\nhash=" + sha256.encode() + b"\n"


def ends_of(log: Path) -> bytes:
    """Return the first and the last 4,096 bytes of a log with dots between them."""
    with log.open("rb") as file:
        start = file.read(VIEWABLE)
        file.seek(-VIEWABLE, os.SEEK_END)
        return start + GAP + file.read(VIEWABLE)


def is_truncated(log: Path) -> bool:
    """Return whether a log was truncated by `ends_of`; no full log has that gap there."""
    if log.stat().st_size != TRUNCATED_SIZE:
        return False
    with log.open("rb") as file:
        file.seek(VIEWABLE)
        return file.read(len(GAP)) == GAP


def keep(source: Path, target: Path) -> None:
    """Make a hard link to `source`, or a copy if it is on another disk; replace `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as beside:
        try:
            os.link(source, beside)
        except OSError:
            shutil.copyfile(source, beside)


def _hash_of_kept(log: Path, kept: Path) -> str:
    if kept.is_file() and kept.stat().st_size >= VIEWABLE and ends_of(kept) == log.read_bytes():
        return file_sha256(kept)
    raise SubmissionError(
        f"{log} is already truncated, and its hash is not in {ACCURACY_TXT}",
        expected=f"the full log, here or as {kept}",
        found="neither",
        fix="put the full log back, or run accuracy again",
    )


def _unreadable(directory: Path, error: OSError) -> SubmissionError:
    return SubmissionError(
        f"the accuracy log in {directory} cannot be truncated",
        expected=f"{ACCURACY_TXT} and {ACCURACY_LOG}",
        found=f"{error.strerror or error} ({error.filename})",
        fix="run accuracy again, or put the missing file there",
    )

"""Files of a submission, read within bounds: what cannot be read says why, and nothing is raised."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_mlperf.rules.log_files import ACCURACY_LOG

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_mlperf.rules.reading.tree import Directory

#: Between the ends of a truncated log; tools on other systems write other line ends.
_GAP = re.compile(rb"\r?\n\r?\n\.\.\.\r?\n\r?\n")
_LARGEST = 4 << 20
_LARGEST_LOG = 64 << 20


@dataclass(frozen=True)
class Text:
    """A text file: its content, or why there is none."""

    file: str
    content: str = ""
    fault: str | None = None

    @property
    def missing(self) -> bool:
        """Whether the file is not there."""
        return self.fault == MISSING

    @property
    def lines(self) -> list[str]:
        """The lines as Python's text files have them: CR, LF and both end one, nothing else does."""
        return self.content.replace("\r\n", "\n").replace("\r", "\n").split("\n")


@dataclass(frozen=True)
class Document:
    """A JSON object: its values, or why there are none; of a key that occurs twice the last counts, as in Python.

    ``twice`` are the keys that occur twice with different values.
    """

    file: str
    values: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None
    twice: tuple[str, ...] = ()

    @property
    def missing(self) -> bool:
        """Whether the file is not there."""
        return self.fault == MISSING

    def text(self, key: str) -> str:
        """Return a value as text that can be written anywhere; empty where there is none."""
        value = self.values.get(key)
        # JSON may have halves of characters, which no encoding has.
        return "" if value is None else str(value).encode("utf-8", "replace").decode()


@dataclass(frozen=True)
class AccuracyLog:
    """The state of mlperf_log_accuracy.json.

    Attributes
    ----------
    file
        Where it is.
    size
        In bytes; None when it is not there.
    form
        ``whole`` or ``truncated``, by its ends; empty for neither.
    sha256
        Of a whole log up to 64 MiB.
    answers
        How many a whole log has; None for any other.
    """

    file: str
    size: int | None = None
    form: str = ""
    sha256: str = ""
    answers: int | None = None

    @property
    def fault(self) -> str:
        """What is wrong with a log that is there; empty for LoadGen's, whole or truncated."""
        if not self.form:
            return f"{self.size:,} bytes of something else"
        return "no answer" if self.answers == 0 else ""


class _Answer(msgspec.Struct):
    seq_id: int
    qsl_idx: int
    data: msgspec.Raw


#: The fault of what is not there.
MISSING = "is not there"


def state(fault: str) -> str:
    """Return in words what was found instead of a file that can be read."""
    return "no such file" if fault == MISSING else f"a file that {fault}"


def read_text(root: Path, directory: Directory | None, name: str, path: str) -> Text:
    """Return the text file `name` of a directory that would be at `path`; empty for that which is read."""
    file = f"{path}/{name}" if path else name
    data = _data(root, directory, name)
    if isinstance(data, str):
        return Text(file, fault=data)
    try:
        return Text(file, data.decode())
    except UnicodeDecodeError as error:
        return Text(file, fault=f"is not UTF-8 text: byte {error.start:,} is 0x{data[error.start]:02x}")


def read_document(root: Path, directory: Directory | None, name: str, path: str) -> Document:
    """Return the JSON object in a file; see `read_text`."""
    text = read_text(root, directory, name, path)
    if text.fault is not None:
        return Document(text.file, fault=text.fault)
    twice: dict[str, None] = {}

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in pairs:
            if key in values and values[key] != value:
                twice[key] = None
            values[key] = value
        return values

    try:
        value = json.loads(text.content, object_pairs_hook=collect)
    except (ValueError, RecursionError) as error:
        return Document(text.file, fault=f"is not JSON: {error}")
    if not isinstance(value, dict):
        return Document(text.file, fault=f"is a JSON {type(value).__name__}, no object")
    return Document(text.file, value, twice=tuple(twice))


def read_accuracy_log(root: Path, directory: Directory | None, path: str) -> AccuracyLog:
    """Return the state of a directory's accuracy log, reading no more of it than its hash needs."""
    name = ACCURACY_LOG
    file = f"{path}/{name}"
    if directory is None or name not in directory.files:
        return AccuracyLog(file)
    size = directory.files[name]
    try:
        data = _bytes(root, directory.place(name), _LARGEST_LOG) if size <= _LARGEST_LOG else b""
    except OSError:
        return AccuracyLog(file, size)
    if not data.isascii() or data.lstrip()[:1] != b"[" or data.rstrip()[-1:] != b"]":
        return AccuracyLog(file, size)
    if _GAP.search(data):
        return AccuracyLog(file, size, "truncated")
    try:
        answers = len(msgspec.json.decode(data, type=list[_Answer]))
    except (msgspec.MsgspecError, RecursionError):
        return AccuracyLog(file, size)
    return AccuracyLog(file, size, "whole", hashlib.sha256(data).hexdigest(), answers)


def _data(root: Path, directory: Directory | None, name: str) -> bytes | str:
    if directory is None or name not in directory.files:
        return MISSING
    if directory.files[name] > _LARGEST:
        return f"is larger than {_LARGEST >> 20} MiB"
    try:
        return _bytes(root, directory.place(name), _LARGEST)
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _bytes(root: Path, place: str, most: int) -> bytes:
    with open(f"{root}/{place}", "rb", buffering=0) as file:  # noqa: PTH123 - thousands of Paths cost more than the calls
        return file.read(min(os.fstat(file.fileno()).st_size, most))

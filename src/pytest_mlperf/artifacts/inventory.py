"""What is in a cache, listed and searched; changes when something else is kept there."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from pytest_mlperf.artifacts.layout import CONTENT, EVIDENCE, IMPORTS, LOCKS, MANIFEST, PARTIAL, PINS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_NOTE = "note.json"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing in the cache.

    Attributes
    ----------
    state
        ``ready``: an artifact. ``damaged``: one without a manifest that can be read. ``partial``: what was fetched
        of one that is not finished. ``evidence``: a file that had a wrong checksum. ``unfinished``: an artifact in
        the making, or what a killed process left of it.
    kind, name, source
        As in its manifest; else as far as is known.
    size
        Bytes of its files.
    created, used
        When it was made, and when a run last used it: UTC, ISO 8601.
    directory
        What a removal takes away.
    path
        The directory with its content.
    """

    state: Literal["ready", "damaged", "partial", "evidence", "unfinished"]
    kind: str
    name: str
    source: str
    size: int
    created: str
    used: str
    directory: str
    path: str

    @property
    def is_artifact(self) -> bool:
        """Whether it is, or was, one that runs can use."""
        return self.state in ("ready", "damaged")


class _Head(msgspec.Struct, frozen=True):
    """The part of a manifest that a listing needs; its thousands of files are skipped."""

    kind: str
    name: str
    source: str
    size: int
    created: str


class _Evidence(msgspec.Struct, frozen=True):
    """The part of the note beside a wrong file that a listing needs."""

    wanted: str
    address: str


_head = msgspec.json.Decoder(_Head)
_evidence = msgspec.json.Decoder(_Evidence)
_UNREADABLE = (OSError, msgspec.MsgspecError, ValueError, RecursionError)


def listing(root: Path) -> list[Entry]:
    """Return everything that is in the cache `root`, by kind and name; contents are not compared with manifests.

    Takes no lock and writes nothing; what is removed meanwhile is left out.
    """
    found = [*_artifacts(root), *_partial(root), *_evidences(root), *_imports(root)]
    there = [entry for entry in found if entry is not None]
    return sorted(there, key=lambda entry: (not entry.is_artifact, entry.kind, entry.name, entry.directory))


def find(entries: Iterable[Entry], words: Sequence[str]) -> list[Entry]:
    """Return the entries that have every word somewhere in their kind, name, source, or directory's name.

    Upper and lower case are the same.
    """
    wanted = [word.casefold() for word in words]
    return [entry for entry in entries if all(word in _text(entry) for word in wanted)]


def _text(entry: Entry) -> str:
    parts = (entry.kind, entry.name, entry.source, Path(entry.directory).name)
    return "\n".join(parts).casefold()


def _artifacts(root: Path) -> Iterator[Entry | None]:
    for kind in _folders(root):
        if kind.name.startswith("."):
            continue
        for entry in _folders(kind.path):
            yield _unfinished(entry) if entry.name.startswith(".") else _artifact(kind.name, entry)


def _artifact(kind: str, entry: os.DirEntry[str]) -> Entry | None:
    try:
        used = os.stat(entry.path).st_mtime  # noqa: PTH116 - as below
        with open(f"{entry.path}/{MANIFEST}", "rb") as file:  # noqa: PTH123 - a thousand Paths take their time
            head = _head.decode(file.read())
    except _UNREADABLE:
        return _without_record("damaged", kind, entry.name, "", entry)
    return Entry(
        state="ready",
        kind=head.kind,
        name=head.name,
        source=head.source,
        size=head.size,
        created=head.created,
        used=_time(used),
        directory=entry.path,
        path=f"{entry.path}/{CONTENT}",
    )


def _unfinished(entry: os.DirEntry[str]) -> Entry | None:
    # mkdtemp's and a removal's names: .<entry>.<random>
    return _without_record("unfinished", "unfinished", entry.name[1:].rpartition(".")[0] or entry.name, "", entry)


def _partial(root: Path) -> Iterator[Entry | None]:
    for entry in _folders(root / PARTIAL):
        yield _without_record("partial", "partial", entry.name, "", entry)


def _evidences(root: Path) -> Iterator[Entry | None]:
    for entry in _folders(root / EVIDENCE):
        note = _read_note(Path(entry.path, _NOTE)) or _Evidence(entry.name, "")
        yield _without_record("evidence", "evidence", note.wanted, note.address, entry)


def _read_note(path: Path) -> _Evidence | None:
    try:
        return _evidence.decode(path.read_bytes())
    except _UNREADABLE:
        return None


def _imports(root: Path) -> Iterator[Entry | None]:
    for entry in _folders(root):
        if entry.name == IMPORTS:
            yield _without_record("unfinished", "unfinished", "import of a bundle", "", entry)


def _without_record(
    state: Literal["damaged", "partial", "evidence", "unfinished"],
    kind: str,
    name: str,
    source: str,
    entry: os.DirEntry[str],
) -> Entry | None:
    """Return what is known of something without a manifest, from its files; None where it is gone."""
    try:
        size, newest = _measure(entry.path, entry.stat(follow_symlinks=False).st_mtime)
    except FileNotFoundError:
        return None
    return Entry(
        state=state,
        kind=kind,
        name=name,
        source=source,
        size=size,
        created=_time(newest),
        used=_time(newest),
        directory=entry.path,
        path=entry.path,
    )


def _measure(directory: str, newest: float) -> tuple[int, float]:
    """Return the bytes of all files below `directory`, and the time of the newest change there."""
    size = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                status = os.lstat(f"{folder}/{name}")
            except OSError:
                continue
            size += status.st_size
            newest = max(newest, status.st_mtime)
    return size, newest


def _folders(directory: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as found:
            return [entry for entry in found if entry.is_dir(follow_symlinks=False) and entry.name not in (LOCKS, PINS)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")

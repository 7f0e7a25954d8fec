"""What is in a cache, listed and searched; changes when something else is kept there."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from pytest_mlperf.artifacts.layout import CONTENT, EVIDENCE, IMPORTS, LOCKS, MANIFEST, PARTIAL, PINS, user_directory
from pytest_mlperf.artifacts.sharing import is_own, plain_opener

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

State = Literal["ready", "damaged", "partial", "evidence", "unfinished"]
_UNREADABLE = (OSError, msgspec.MsgspecError, ValueError, TypeError, RecursionError)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing in the cache.

    Attributes
    ----------
    state
        ``ready``: an artifact. ``damaged``: one without a manifest that can be read. ``partial``: what was fetched
        of one that is not finished. ``evidence``: a file that had a wrong checksum. ``unfinished``: an artifact in
        the making, or what a killed process left of it.
    kind, name, source, size
        As in its manifest; else as far as is known. Bytes of its files.
    created, used
        When it was made, and when a run last used it: UTC, ISO 8601.
    directory, path
        What a removal takes away, and the directory with its content.
    """

    state: State
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


_head = msgspec.json.Decoder(_Head)


def listing(root: Path) -> list[Entry]:
    """Return everything that is in the cache `root`, by kind and name; take no lock, write nothing, hash nothing."""
    own = user_directory(root)
    places = (root, own) if is_own(own) else (root,)
    found = [entry for place in places for entry in _all(place) if entry is not None]
    return sorted(found, key=lambda entry: (not entry.is_artifact, entry.kind, entry.name, entry.directory))


def find(entries: Iterable[Entry], words: Sequence[str]) -> list[Entry]:
    """Return the entries with every word, in any case, somewhere in their kind, name, source, or directory's name."""

    def text(entry: Entry) -> str:
        return "\n".join((entry.kind, entry.name, entry.source, Path(entry.directory).name)).casefold()

    return [entry for entry in entries if all(word.casefold() in text(entry) for word in words)]


def _all(root: Path) -> Iterator[Entry | None]:
    for kind in _folders(root):
        if kind.name == IMPORTS:
            yield _other("unfinished", "import of a bundle", kind)
        elif not kind.name.startswith("."):
            yield from (_entry(kind.name, entry) for entry in _folders(kind.path))
    for entry in _folders(root / PARTIAL):
        yield _other("partial", entry.name, entry)
    for entry in _folders(root / EVIDENCE):
        try:
            with open(f"{entry.path}/note.json", "rb", opener=plain_opener) as file:
                note = msgspec.json.decode(file.read(), type=dict[str, str | int])
        except _UNREADABLE:
            note = {}
        yield _other("evidence", str(note.get("wanted", entry.name)), entry, source=str(note.get("address", "")))


def _entry(kind: str, entry: os.DirEntry[str]) -> Entry | None:
    if entry.name.startswith("."):
        # mkdtemp's and a removal's names: .<entry>.<random>
        return _other("unfinished", entry.name[1:].rpartition(".")[0] or entry.name, entry)
    try:
        used = _time(os.stat(entry.path).st_mtime)  # noqa: PTH116 - as below
        with open(f"{entry.path}/{MANIFEST}", "rb", opener=plain_opener) as file:
            head = _head.decode(file.read())
    except _UNREADABLE:
        return _other("damaged", entry.name, entry, kind=kind)
    path = f"{entry.path}/{CONTENT}"
    return Entry(state="ready", used=used, directory=entry.path, path=path, **msgspec.structs.asdict(head))


def _other(state: State, name: str, entry: os.DirEntry[str], kind: str = "", source: str = "") -> Entry | None:
    """Return what is known of something without a manifest, from its files; None where it is gone."""
    size = 0
    try:
        newest = entry.stat(follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return None
    for folder, _, names in os.walk(entry.path):
        for file in names:
            try:
                status = os.lstat(f"{folder}/{file}")
            except OSError:
                continue
            size, newest = size + status.st_size, max(newest, status.st_mtime)
    return Entry(
        state=state,
        kind=kind or state,
        name=name,
        source=source,
        size=size,
        created=_time(newest),
        used=_time(newest),
        directory=entry.path,
        path=entry.path,
    )


def _folders(directory: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as found:
            return [entry for entry in found if entry.is_dir(follow_symlinks=False) and entry.name not in (LOCKS, PINS)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")

"""Brings one file from one address to this disk, and goes on where it was cut off."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_mlperf.artifacts.connections import AddressFault, RangeFault
from pytest_mlperf.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_mlperf.artifacts.connections import Body, Client
    from pytest_mlperf.artifacts.sources import RemoteFile

_CHUNK = 1 << 20
#: Below this size a file is fetched again rather than continued: a note beside it would cost as much.
_WORTH_CONTINUING = 1 << 20


class Note(msgspec.Struct, frozen=True):
    """What a partial file is a part of; lies beside it.

    Attributes
    ----------
    address
        That it comes from.
    validator
        The version there, see `pytest_mlperf.artifacts.connections.Body`.
    total
        Size of the whole in bytes, where known.
    """

    address: str
    validator: str
    total: int | None


@dataclass(frozen=True)
class Received:
    """What has come: size in bytes, and hexadecimal digests; MD5 only where asked for."""

    size: int
    sha256: str
    md5: str | None


@dataclass(frozen=True)
class Partial:
    """A file that grows, and the note beside it.

    Parameters
    ----------
    path
        Of the file.
    always_noted
        Keep the note for small files, too, and until `discard`.
    """

    path: Path
    always_noted: bool = False

    @property
    def size(self) -> int:
        """Bytes that are here."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def note(self) -> Note | None:
        """Return what the file is a part of; None where there is nothing to go on with."""
        try:
            # In a shared cache: what another user began cannot be sealed by this one.
            mine = self.path.stat().st_uid == os.geteuid()
        except OSError:
            return None
        return self._read_note() if mine else None

    def origin(self) -> str:
        """Return the address in the note, also once the file has been published; "" where there is none."""
        note = self._read_note()
        return note.address if note else ""

    def begin(self, note: Note) -> None:
        """Empty the file, and write down what it will be a part of."""
        self.discard()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.always_noted or note.total is None or note.total >= _WORTH_CONTINUING:
            # Before the first byte, so that no byte is ever taken for another version's.
            beside = self._note.with_name(f"{self._note.name}.new")
            beside.write_bytes(msgspec.json.encode(note))
            beside.rename(self._note)
        self.path.touch()

    def discard(self) -> None:
        """Delete the file, then its note."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def publish(self, target: Path) -> None:
        """Rename the whole file to `target`."""
        self.path.replace(target)
        if not self.always_noted:
            self._note.unlink(missing_ok=True)

    def _read_note(self) -> Note | None:
        try:
            return msgspec.json.decode(self._note.read_bytes(), type=Note)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None

    @property
    def _note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")


def receive(
    file: RemoteFile, address: str, partial: Partial, client: Client, on_size: Callable[[int, int | None], None]
) -> Received:
    """Bring `partial` to the whole content that `address` has, and hash it in the same pass.

    Parameters
    ----------
    file
        What is known of it.
    address
        One of its addresses.
    partial
        Where it grows. What is there of the same version at the same address is kept and hashed.
    client
        Opens the address.
    on_size
        Told the bytes that are here and the whole's size, where known, at each piece.

    Raises
    ------
    AddressFault
        The address does not give the file, or another than `file` says; what has come stays for another attempt.
    CacheError
        The disk has no room for it.
    Stopped
        The client was stopped.
    """
    note, here = partial.note(), partial.size
    if note is None or note.address != address or here > (note.total if note.total is not None else here):
        note, here = None, 0
    # Without a validator only a checksum could tell a mixture.
    if note and not note.validator and file.checksum is None and here != note.total:
        note, here = None, 0
    if note and here == note.total:
        return _rehash(file, partial, client, on_size)
    try:
        body = client.open(address, here, note.validator if note else "")
    except RangeFault:
        partial.discard()
        raise
    try:
        if body.offset:
            _check_same(note, body, partial)
        _check_size(file, body.total)
        total = file.size if body.total is None else body.total
        if total is not None:
            check_room(file.name, total - body.offset, partial.path.parent)
        if not body.offset:
            partial.begin(Note(address, body.validator, total))
        return _append(file, body, total, partial, client, on_size)
    finally:
        body.close()


def check_room(name: str, needed: int, directory: Path) -> None:
    """Refuse to begin what the disk has no room for.

    Raises
    ------
    CacheError
        Fewer than `needed` bytes are free in `directory`, which is made where missing.
    """
    directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise CacheError(
            f"no room for {name}",
            expected=f"{needed:,} bytes free",
            found=f"{free:,} bytes free in {directory}",
            fix="Free some space there, or choose another cache directory.",
        )


def _append(
    file: RemoteFile,
    body: Body,
    total: int | None,
    partial: Partial,
    client: Client,
    on_size: Callable[[int, int | None], None],
) -> Received:
    hashes = _Hashes(file)
    with partial.path.open("r+b", buffering=0) as target:
        _hash_start(target, body.offset, hashes, client)
        target.truncate(body.offset)
        for chunk in body:
            client.check()
            if total is not None and hashes.size + len(chunk) > total:
                raise AddressFault(f"sends more than the {total:,} bytes that it should have")
            _write(target, chunk)
            hashes.update(chunk)
            on_size(hashes.size, total)
    client.check()
    if total is not None and hashes.size < total:
        raise AddressFault(f"ended after {hashes.size:,} of {total:,} bytes", passing=True)
    return hashes.received()


def _rehash(file: RemoteFile, partial: Partial, client: Client, on_size: Callable[[int, int | None], None]) -> Received:
    hashes = _Hashes(file)
    with partial.path.open("rb", buffering=0) as source:
        _hash_start(source, partial.size, hashes, client)
    on_size(hashes.size, hashes.size)
    return hashes.received()


def measure(path: Path, file: RemoteFile) -> Received:
    """Return size and digests of a file that is here."""
    hashes = _Hashes(file)
    with path.open("rb", buffering=0) as source:
        while chunk := source.read(_CHUNK):
            hashes.update(chunk)
    return hashes.received()


class _Hashes:
    """Size and digests of what has come so far."""

    def __init__(self, file: RemoteFile) -> None:
        self.size = 0
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False) if file.md5 and not file.sha256 else None

    def update(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._sha256.update(chunk)
        if self._md5 is not None:
            self._md5.update(chunk)

    def received(self) -> Received:
        return Received(self.size, self._sha256.hexdigest(), self._md5.hexdigest() if self._md5 else None)


def _hash_start(source: Any, size: int, hashes: _Hashes, client: Client) -> None:
    """Hash the first `size` bytes and stop behind them."""
    while hashes.size < size:
        client.check()
        chunk = source.read(min(_CHUNK, size - hashes.size))
        if not chunk:
            raise AddressFault("the partial file became shorter while it was read", passing=True)
        hashes.update(chunk)


def _write(target: Any, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[target.write(view) :]


def _check_same(note: Note | None, body: Body, partial: Partial) -> None:
    """Refuse to go on with a part of another version, also where the server did not heed If-Range."""
    assert note is not None  # noqa: S101 - no range is asked for without one
    if body.validator != note.validator or (body.total is not None and body.total != note.total):
        partial.discard()
        raise RangeFault("the file changed there between two parts of it")


def _check_size(file: RemoteFile, total: int | None) -> None:
    if file.size is not None and total is not None and total != file.size:
        raise AddressFault(f"has {total:,} bytes, not {file.size:,}")

"""Brings one file from one address to this disk, and goes on where it was cut off."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_mlperf.artifacts.connections import AddressFault
from pytest_mlperf.artifacts.disk import check_room, write_atomic
from pytest_mlperf.artifacts.sharing import open_plain, read_plain
from pytest_mlperf.errors import CacheError
from pytest_mlperf.secrecy import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_mlperf.artifacts.connections import Body, Client
    from pytest_mlperf.artifacts.sources import RemoteFile

    #: Told the bytes that are here and the whole's size, where known, at each piece.
    OnSize = Callable[[int, int | None], None]

_CHUNK = 1 << 20
#: Below this size a file is fetched again rather than continued: a note beside it would cost as much.
_WORTH_CONTINUING = 1 << 20


class Note(msgspec.Struct, frozen=True):
    """What a partial file is a part of: its address, the version there (see `Body`), the whole's size where known."""

    address: str
    validator: str
    total: int | None


class Digests:
    """Size and hexadecimal digests of what has come so far; MD5 only where nothing better is known of the file."""

    def __init__(self, file: RemoteFile) -> None:
        self.size = 0
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False) if file.md5 and not file.sha256 else None

    def update(self, chunk: bytes) -> None:
        """Add the next bytes."""
        self.size += len(chunk)
        self._sha256.update(chunk)
        if self._md5 is not None:
            self._md5.update(chunk)

    def read(self, source: Any, size: int, client: Client) -> None:
        """Add bytes of a file until there are `size`."""
        while self.size < size:
            client.check()
            chunk = source.read(min(_CHUNK, size - self.size))
            if not chunk:
                raise AddressFault("the file became shorter while it was read", passing=True)
            self.update(chunk)

    @property
    def sha256(self) -> str:
        """Always computed."""
        return self._sha256.hexdigest()

    @property
    def md5(self) -> str | None:
        """None where it was not computed."""
        return self._md5.hexdigest() if self._md5 else None


@dataclass(frozen=True)
class Partial:
    """A file that grows, and the note beside it; `always_noted` has that for small files, too, and until `discard`."""

    path: Path
    always_noted: bool = False

    @property
    def size(self) -> int:
        """Bytes that are here; none of another user of the cache, whose permission bits this one could not change."""
        with suppress(OSError):
            status = self.path.lstat()
            return status.st_size if status.st_uid == os.geteuid() and stat.S_ISREG(status.st_mode) else 0
        return 0

    def note(self) -> Note | None:
        """Return what the file is, or once it has been published was, a part of; None where nobody knows."""
        try:
            return msgspec.json.decode(read_plain(self._note), type=Note)
        except (OSError, CacheError, msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def begin(self, note: Note) -> None:
        """Empty the file, and write down what it will be a part of."""
        self.discard()
        if self.always_noted or note.total is None or note.total >= _WORTH_CONTINUING:
            # Before the first byte, so that no byte is ever taken for another version's.
            write_atomic(self._note, msgspec.json.encode(note))
        os.close(open_plain(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))

    def discard(self) -> None:
        """Delete the file, then its note."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def publish(self, target: Path) -> None:
        """Rename the whole file to `target`."""
        self.path.replace(target)
        if not self.always_noted:
            self._note.unlink(missing_ok=True)

    @property
    def _note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")


def receive(file: RemoteFile, address: str, partial: Partial, client: Client, on_size: OnSize) -> Digests:
    """Bring `partial` to the whole content that `address` has, and hash it in the same pass.

    What is there of the same version at the same address is kept and hashed. Raises AddressFault where the address does
    not give the file, or another than `file` says: what has come stays for another attempt; CacheError where the disk
    has no room for it; Stopped.
    """
    here = partial.size
    note = partial.note() if here else None
    # Without a validator only a checksum could tell a mixture of two versions.
    telling = note and (note.validator or file.sha256 or file.md5 or here == note.total)
    if (
        note is None
        or not telling
        or note.address != without_secrets(address)
        or (note.total is not None and here > note.total)
    ):
        note, here = None, 0
    elif here == note.total:
        digests = measure(partial.path, file, client)
        on_size(digests.size, digests.size)
        return digests
    try:
        with closing(client.open(address, here, note.validator if note else "")) as body:
            return _append(file, address, note, body, partial, client, on_size)
    except AddressFault as fault:
        if fault.stale:
            partial.discard()
        raise


def measure(path: Path, file: RemoteFile, client: Client) -> Digests:
    """Return size and digests of a file that is here."""
    digests = Digests(file)
    with path.open("rb", buffering=0) as source:
        digests.read(source, os.fstat(source.fileno()).st_size, client)
    return digests


def _append(
    file: RemoteFile, address: str, note: Note | None, body: Body, partial: Partial, client: Client, on_size: OnSize
) -> Digests:
    # Compared here, too: a server need not heed If-Range.
    if body.offset and note and (body.validator != note.validator or body.total not in (None, note.total)):
        raise AddressFault("the file changed there between two parts of it", stale=True)
    total = file.size if body.total is None else body.total
    if total is not None:
        if file.size not in (None, total):
            raise AddressFault(f"has {total:,} bytes, not {file.size:,}")
        partial.path.parent.mkdir(parents=True, exist_ok=True)
        check_room(f"for {file.name}", total - body.offset, partial.path.parent)
    if not body.offset:
        partial.begin(Note(without_secrets(address), body.validator, total))
    digests = Digests(file)
    with open(open_plain(partial.path, os.O_RDWR), "r+b", buffering=0) as target:  # noqa: PTH123 - a descriptor
        digests.read(target, body.offset, client)
        target.truncate(body.offset)
        for chunk in body.chunks:
            client.check()
            if total is not None and digests.size + len(chunk) > total:
                raise AddressFault(f"sends more than the {total:,} bytes that it should have")
            view = memoryview(chunk)
            while view:
                view = view[target.write(view) :]
            digests.update(chunk)
            on_size(digests.size, total)
    client.check()
    if total is not None and digests.size < total:
        raise AddressFault(f"ended after {digests.size:,} of {total:,} bytes", passing=True)
    return digests

"""Unpacks archives that may be damaged or hostile; changes when a format is added or a trick becomes known."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from pytest_mlperf.errors import ArchiveError, CacheError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 20
_BLOCK = 512
_TAR_BUFFER = 128 * _BLOCK
#: Nothing is a bomb that unpacks to less than this, however well it is compressed.
_HARMLESS = 64 << 20
_LONGEST_LINK = 4096
_ENCRYPTED = 0x1
_DECOMPRESSORS: dict[bytes, Any] = {
    b"\x1f\x8b": gzip.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"BZh": bz2.open,
}
_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile, struct.error)


@dataclass(frozen=True)
class Limits:
    """How much an archive may become.

    Attributes
    ----------
    size
        Of all its files, in bytes.
    ratio
        Of that to the archive's own size, beyond 64 MiB.
    members
        Files, directories and links.
    """

    size: int = 256 << 30
    ratio: float = 250
    members: int = 2_000_000


def unpack(archive: Path, directory: Path, limits: Limits | None = None) -> None:
    """Unpack a zip, a tar (also gzip, xz, bzip2), or a single compressed file; all of it or nothing.

    The format is read from the content, not from the name. A single file ``a.json.gz`` becomes ``a.json``.

    Parameters
    ----------
    archive
        The file.
    directory
        Empty or not there.
    limits
        How much it may become.

    Raises
    ------
    ArchiveError
        It is damaged, encrypted or in no known format, would write outside `directory`, or become too much.
    CacheError
        The disk has no room.
    """
    with archive.open("rb") as file:
        if zipfile.is_zipfile(file):
            file.seek(0)
            with _whole_or_nothing(directory, archive.name) as into:
                _unpack_zip(file, _Target(into, archive.name, limits or Limits(), archive.stat().st_size))
            return
        file.seek(0)
        unpack_stream(file, directory, archive.name, limits)


def unpack_stream(source: IO[bytes], directory: Path, name: str, limits: Limits | None = None) -> None:
    """Unpack a tar or a single compressed file in one pass, without seeking; see `unpack`.

    Parameters
    ----------
    source
        The archive; read to its end.
    directory
        Empty or not there.
    name
        The archive's file name, for messages and for a single compressed file.
    limits
        How much it may become.
    """
    with _whole_or_nothing(directory, name) as into:
        target = _Target(into, name, limits or Limits(), None)
        target.packed = packed = _Packed(source)
        stream, compressed = _decompressed(packed)
        plain = _Plain(stream, target)
        head = plain.peek(_BLOCK)
        if _is_tar(head):
            _unpack_tar(plain, target)
        elif compressed:
            _unpack_single(plain, target, name)
        else:
            raise ArchiveError(
                f"cannot unpack {name}",
                expected="a zip, tar, gzip, xz or bzip2 file",
                found=f"one that starts with {head[:8]!r}",
                fix="Check that the address still gives the archive and no web page.",
            )


@dataclass
class _Target:
    """The directory that is filled, with the bounds of what may get there."""

    directory: Path
    name: str
    limits: Limits
    packed_size: int | None
    packed: _Packed | None = None
    members: int = 0
    size: int = 0
    links: dict[PurePosixPath, str] = field(default_factory=dict)

    def place(self, member: str) -> Path:
        """Return where a member belongs; its directory exists then.

        Raises
        ------
        ArchiveError
            That is outside, or there are too many members.
        """
        self.members += 1
        if self.members > self.limits.members:
            raise self.refusal(f"more than {self.limits.members:,} members")
        path = self.directory / self.inside(member)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise self.refusal(f"{member!r} below something that is no directory") from None
        return path

    def inside(self, member: str) -> PurePosixPath:
        """Return a member's path; refuse one that is absolute, goes up, or is no name of a file."""
        path = PurePosixPath(member)
        if path.is_absolute() or ".." in path.parts or "\0" in member:
            raise self.refusal(f"the member {member!r}, which lies outside")
        return path

    def add_directory(self, member: str) -> None:
        """Make a directory."""
        place = self.place(member)
        try:
            place.mkdir(exist_ok=True)
        except FileExistsError:
            raise self.refusal(f"{member!r} twice") from None

    def add_file(self, member: str, content: IO[bytes], size: int, *, executable: bool) -> None:
        """Write a file of exactly `size` bytes; links are made at the end, so nothing is written through one."""
        place = self.place(member)
        self.grow(size)
        try:
            file = place.open("xb")
        except (FileExistsError, IsADirectoryError):
            raise self.refusal(f"{member!r} twice") from None
        with file:
            shutil.copyfileobj(content, file, _CHUNK)
            if file.tell() != size:
                raise EOFError(f"{member} ends after {file.tell():,} of {size:,} bytes")
            os.fchmod(file.fileno(), 0o755 if executable else 0o644)

    def add_hard_link(self, member: str, target: str) -> None:
        """Make another name for a file that is there already."""
        place, first = self.place(member), self.directory / self.inside(target)
        if not first.is_file():
            raise self.refusal(f"{member!r}, a link to {target!r}, which is not in it")
        try:
            os.link(first, place)
        except FileExistsError:
            raise self.refusal(f"{member!r} twice") from None

    def add_symbolic_link(self, member: str, target: str) -> None:
        """Remember a link."""
        place = self.place(member)
        path = PurePosixPath(place.relative_to(self.directory))
        up = 0
        for part in (*path.parent.parts, *PurePosixPath(target).parts):
            up += -1 if part == ".." else 1
            if up < 0:
                break
        if PurePosixPath(target).is_absolute() or up < 0 or not target or "\0" in target:
            raise self.refusal(f"{member!r}, a link to {target!r}, which lies outside")
        if path in self.links or os.path.lexists(place):
            raise self.refusal(f"{member!r} twice")
        self.links[path] = target

    def make_links(self) -> None:
        """Make the links, now that all else is there; refuse those that lead out by way of others."""
        for path, target in self.links.items():
            place = self.directory / path
            if os.path.lexists(place):
                raise self.refusal(f"{str(path)!r} twice")
            place.symlink_to(target)
        root = os.path.realpath(self.directory)
        for path, target in self.links.items():
            end = os.path.realpath(self.directory / path)
            if not Path(end).is_relative_to(root):
                raise self.refusal(f"{str(path)!r}, a link to {target!r}, which leads outside")

    def grow(self, size: int) -> None:
        """Refuse what would become too much, before it is written."""
        self.size += size
        if self.size > self.limits.size:
            raise self.refusal(f"more than {self.limits.size:,} bytes")
        free = shutil.disk_usage(self.directory).free if size > _CHUNK else size
        if size > free:
            raise CacheError(
                f"no room to unpack {self.name}",
                expected=f"room for the next file of {size:,} bytes",
                found=f"{free:,} bytes free in {self.directory.parent}",
                fix="Free some space there, or choose another cache directory.",
            )

    def check_ratio(self, size: int) -> None:
        """Refuse what has become `size` bytes from too few."""
        packed = self.packed_size if self.packed is None else self.packed.position
        if packed is not None and size > _HARMLESS and size > self.limits.ratio * packed:
            raise self.refusal(f"{size:,} bytes packed into {packed:,}: a bomb")

    def refusal(self, found: str) -> ArchiveError:
        """Return the error for an archive that must not be unpacked."""
        return ArchiveError(
            f"refused to unpack {self.name}",
            expected="files and links that stay in their directory and have a sane size",
            found=found,
            fix="Do not use this file; get it from the publisher's own address.",
        )


class _Packed:
    """The archive's own bytes, counted."""

    def __init__(self, source: IO[bytes]) -> None:
        self.position = 0
        self._source, self._ahead = source, b""

    def peek(self, size: int) -> bytes:
        """Return the next bytes, at most `size`, without taking them."""
        while len(self._ahead) < size and (more := self._source.read(size - len(self._ahead))):
            self._ahead += more
        return self._ahead[:size]

    def read(self, size: int = _CHUNK) -> bytes:
        """Return the next bytes; none at the end."""
        if size < 0:
            size = _CHUNK
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
        else:
            data = self._source.read(size)
        self.position += len(data)
        return data


class _Plain:
    """What the archive unpacks to, never too much of it, with a look back at the last piece."""

    def __init__(self, source: IO[bytes] | _Packed, target: _Target) -> None:
        self._source, self._target = source, target
        self._start, self._piece, self._ahead = 0, b"", b""

    def peek(self, size: int) -> bytes:
        """Return the next bytes, fewer than `size` only at the end, without taking them."""
        if not self._ahead:
            self._ahead = self._fill(size)
        return self._ahead

    def read(self, size: int = _CHUNK) -> bytes:
        """Return the next bytes, fewer than `size` only at the end."""
        self._start += len(self._piece)
        self._piece = self._ahead + self._fill(size - len(self._ahead))
        self._ahead = b""
        self._target.check_ratio(self._start + len(self._piece))
        return self._piece

    def block_at(self, position: int) -> bytes:
        """Return the block at a position that is in the last piece or behind it."""
        while position >= self._start + len(self._piece) and self.read():
            pass
        at = position - self._start
        return self._piece[at : at + _BLOCK] if at >= 0 else b""

    def _fill(self, size: int) -> bytes:
        pieces, missing = [], size
        while missing > 0 and (piece := self._source.read(missing)):
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)


def _decompressed(packed: _Packed) -> tuple[IO[bytes] | _Packed, bool]:
    for magic, opener in _DECOMPRESSORS.items():
        if packed.peek(len(magic)) == magic:
            return opener(packed, "rb"), True
    return packed, False


def _is_tar(head: bytes) -> bool:
    if head == bytes(_BLOCK):
        return True
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _unpack_tar(plain: _Plain, target: _Target) -> None:
    with tarfile.open(fileobj=plain, mode="r|", bufsize=_TAR_BUFFER) as archive:  # type: ignore[call-overload]
        for member in archive:
            _add_tar_member(archive, member, target)
            archive.members.clear()  # it would keep them all
        # tarfile takes damage between two members, and an early end there, for the end of the archive.
        if plain.block_at(archive.offset) != bytes(_BLOCK):
            raise EOFError("the mark at the end is missing")
    while plain.read():  # as far as the checksum at the end
        pass
    target.make_links()


def _add_tar_member(archive: tarfile.TarFile, member: tarfile.TarInfo, target: _Target) -> None:
    if member.isdir():
        target.add_directory(member.name)
    elif member.issym():
        target.add_symbolic_link(member.name, member.linkname)
    elif member.islnk():
        target.add_hard_link(member.name, member.linkname)
    elif member.isreg():
        content = archive.extractfile(member)
        assert content is not None  # noqa: S101 - it has content, being a regular file
        target.add_file(member.name, content, member.size, executable=bool(member.mode & stat.S_IXUSR))
    else:
        raise target.refusal(f"{member.name!r}, which is a device or a pipe")


def _unpack_single(plain: _Plain, target: _Target, name: str) -> None:
    place = target.place(PurePosixPath(name).stem)
    with place.open("xb") as file:
        while data := plain.read():
            target.grow(len(data))
            file.write(data)


def _unpack_zip(file: IO[bytes], target: _Target) -> None:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        target.check_ratio(sum(member.file_size for member in members))
        for member in members:
            _add_zip_member(archive, member, target)
    target.make_links()


def _add_zip_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: _Target) -> None:
    mode = member.external_attr >> 16
    if member.flag_bits & _ENCRYPTED:
        raise target.refusal(f"{member.filename!r}, which is encrypted")
    if member.is_dir():
        target.add_directory(member.filename)
        return
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFLNK):
        raise target.refusal(f"{member.filename!r}, which is a device or a pipe")
    with archive.open(member) as content:
        if stat.S_ISLNK(mode):
            target.add_symbolic_link(member.filename, os.fsdecode(content.read(_LONGEST_LINK)))
        else:
            target.add_file(member.filename, content, member.file_size, executable=bool(mode & stat.S_IXUSR))


@contextmanager
def _whole_or_nothing(directory: Path, name: str) -> Iterator[Path]:
    """Yield a directory beside `directory` that becomes it at the end."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    into = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        with _damage_of(name):
            yield into
        into.chmod(0o777 & ~_umask_of(directory))
        into.rename(directory)  # also onto an empty one
    except BaseException:
        shutil.rmtree(into, ignore_errors=True)
        raise


def _umask_of(directory: Path) -> int:
    """Return the bits that a directory made here must not have: those of the one it replaces, or of its parent."""
    like = directory if directory.is_dir() else directory.parent
    return ~stat.S_IMODE(like.stat().st_mode)


@contextmanager
def _damage_of(name: str) -> Iterator[None]:
    try:
        yield
    except (*_DAMAGE, NotImplementedError, ValueError, OverflowError) as error:
        raise _damaged(name, error) from error
    except OSError as error:
        # bz2 knows no other error; zipfile seeks wherever a damaged table says.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> ArchiveError:
    return ArchiveError(
        f"cannot unpack {name}",
        expected="a whole archive",
        found=f"{error or type(error).__name__}",
        fix="It is cut off or damaged: fetch it again.",
    )

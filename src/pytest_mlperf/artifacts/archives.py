"""Unpacks archives that may be damaged or hostile; changes when a format is added or a trick becomes known."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
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

from pytest_mlperf.artifacts.disk import check_room
from pytest_mlperf.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHUNK = 1 << 20
_BLOCK = 512
_TAR_BUFFER = 128 * _BLOCK
#: Nothing is a bomb that unpacks to less than this, however well it is compressed.
_HARMLESS = 64 << 20
#: In bytes: a name, a member's path and a link's target; beyond them file systems end, or the code that walks them.
_LONGEST_NAME, _LONGEST_PATH, _DEEPEST = 255, 2048, 100
#: In bytes: what tar writes before a member for names and times that its header has no room for; it is read in one go.
_LONGEST_HEADER = 1 << 20
_HEADERS = {
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
}
_ZIP_HEADER = 30
_ENCRYPTED = 0x1
_ZIP_KINDS = {0: tarfile.REGTYPE, stat.S_IFREG: tarfile.REGTYPE, stat.S_IFLNK: tarfile.SYMTYPE}
_DECOMPRESSORS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ\x00": lzma.open, b"BZh": bz2.open}
#: RecursionError: tarfile calls itself for each of several headers before one member.
_BROKEN = (RecursionError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, struct.error)
#: What the libraries raise for damage, beside their own errors.
_DAMAGE = (*_BROKEN, NotImplementedError, ValueError, OverflowError, OSError)


@dataclass(frozen=True)
class Limits:
    """How much an archive may become.

    `size` bytes in all its files; `ratio` times the archive's own size, beyond 64 MiB; so many `members`.
    """

    size: int = 256 << 30
    ratio: float = 250
    members: int = 2_000_000


def unpack(archive: Path, directory: Path, limits: Limits | None = None) -> None:
    """Unpack a zip, a tar (also gzip, xz, bzip2), or a single compressed file; all of it or nothing.

    The format is read from the content, not from the name. A single file ``a.json.gz`` becomes ``a.json``. The
    `directory` is empty or not there.

    Raises
    ------
    ArchiveError
        It is damaged, encrypted or in no known format, would write outside `directory`, or become too much.
    CacheError
        The disk has no room.
    """
    with archive.open("rb") as file:
        head = file.read(_BLOCK)
        # A zip may begin with anything; but the last member of a tar may be one.
        is_zip = not _is_tar(head) and not head.startswith(tuple(_DECOMPRESSORS)) and zipfile.is_zipfile(file)
        file.seek(0)
        if not is_zip:
            unpack_stream(file, directory, archive.name, limits)
            return
        size = archive.stat().st_size
        with _whole_or_nothing(directory, archive.name) as into:
            _unpack_zip(file, _Target(into, archive.name, limits or Limits(), lambda: size))


def unpack_stream(source: io.BufferedReader[Any], directory: Path, name: str, limits: Limits | None = None) -> None:
    """Unpack a tar or a single compressed file in one pass, without seeking, and read it to its end; see `unpack`.

    `name` is the archive's file name, for messages and for a single compressed file.
    """
    with _whole_or_nothing(directory, name) as into:
        target = _Target(into, name, limits or Limits(), source.tell)
        start = source.peek(_BLOCK)
        opener = next((opener for magic, opener in _DECOMPRESSORS.items() if start.startswith(magic)), None)
        plain = io.BufferedReader(_Bounded(opener(source) if opener else source, target), _TAR_BUFFER)
        head = plain.peek(_BLOCK)[:_BLOCK]
        if _is_tar(head):
            _unpack_tar(plain, target)
        elif opener:
            _unpack_single(plain, target)
        else:
            expected, found = "a zip, tar, gzip, xz or bzip2 file", f"one that starts with {head[:8]!r}"
            fix = "check that the address still gives the archive and no web page"
            raise ArchiveError(f"cannot unpack {name}", expected=expected, found=found, fix=fix)


@dataclass
class _Target:
    """The directory that is filled, with the bounds of what may get there.

    It serves zip and tar alike. tarfile's own filter "data" would strip a leading slash rather than refuse it, writes
    through links that point inside, and is not in each Python 3.10; here links are made when all else is written.
    """

    directory: Path
    name: str
    limits: Limits
    packed_size: Callable[[], int]
    members: int = 0
    size: int = 0
    links: dict[Path, str] = field(default_factory=dict)

    def add(self, member: tarfile.TarInfo, content: IO[bytes] | None) -> None:
        """Make a member, a link only in `make_links`; refuse what is outside, taken, or one too many."""
        place = self.inside(member.name)
        try:
            # The directories that it brings along are files on the disk as well.
            self.members += 1 if place.parent.is_dir() else len(PurePosixPath(member.name).parts)
            if self.members > self.limits.members:
                raise self.refusal(f"more than {self.limits.members:,} members")
            place.parent.mkdir(parents=True, exist_ok=True)
            if member.isdir():
                place.mkdir(exist_ok=True)
            elif member.issym() or member.islnk():
                self.add_link(place, member)
            elif content is not None:
                self.add_file(place, member, content)
            else:
                raise self.refusal(f"{member.name!r}, which is a device or a pipe")
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            raise self.refusal(f"{member.name!r} twice, or below a file") from None
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise self.refusal(f"{member.name!r}, whose path becomes too long") from None

    def inside(self, member: str) -> Path:
        """Return a member's path; refuse one that is absolute, goes up, or is no name of a file."""
        path = PurePosixPath(member)
        if path.is_absolute() or ".." in path.parts or "\0" in member:
            raise self.refusal(f"the member {member!r}, which lies outside")
        depth, length, longest = len(path.parts), _bytes(member), max(map(_bytes, path.parts), default=0)
        if depth > _DEEPEST or length > _LONGEST_PATH or longest > _LONGEST_NAME:
            raise self.refusal(f"a path of {length:,} bytes with {depth:,} parts, one of {longest:,} bytes")
        return self.directory / path

    def add_file(self, place: Path, member: tarfile.TarInfo, content: IO[bytes]) -> None:
        """Write a file of exactly its size."""
        self.grow(member.size)
        with place.open("xb") as file:
            shutil.copyfileobj(content, file, _CHUNK)
            if file.tell() != member.size:
                raise EOFError(f"{member.name} ends after {file.tell():,} of {member.size:,} bytes")
            os.fchmod(file.fileno(), 0o755 if member.mode & stat.S_IXUSR else 0o644)

    def add_link(self, place: Path, member: tarfile.TarInfo) -> None:
        """Make another name for a file that is there, or remember a symbolic link."""
        target = member.linkname
        if member.islnk():
            if not self.inside(target).is_file():
                raise self.refusal(f"{member.name!r}, a link to {target!r}, which is not in it")
            os.link(self.inside(target), place)
        elif not target or target.startswith("/") or "\0" in target or _bytes(target) > _LONGEST_PATH:
            raise self.refusal(f"{member.name!r}, a link to {target[:_LONGEST_NAME]!r}, which lies outside")
        elif place in self.links or os.path.lexists(place):
            raise FileExistsError
        else:
            self.links[place] = target

    def make_links(self) -> None:
        """Make the links, now that nothing is written through them; refuse those that lead outside, also together."""
        for place, target in self.links.items():
            if os.path.lexists(place):
                raise self.refusal(f"{place.name!r} twice")
            place.symlink_to(target)
        root = os.path.realpath(self.directory)
        for place, target in self.links.items():
            if not Path(os.path.realpath(place)).is_relative_to(root):
                raise self.refusal(f"{place.name!r}, a link to {target!r}, which lies outside")

    def grow(self, size: int) -> None:
        """Refuse what would become too much, before it is written."""
        if size < 0:
            raise self.refusal(f"a member of {size:,} bytes")
        self.size += size
        if self.size > self.limits.size:
            raise self.refusal(f"more than {self.limits.size:,} bytes")
        if size > _CHUNK:
            check_room(f"to unpack {self.name}", size, self.directory.parent)

    def check_ratio(self, size: int) -> None:
        """Refuse what has become `size` bytes from too few."""
        if size > _HARMLESS and size > self.limits.ratio * (packed := self.packed_size()):
            raise self.refusal(f"{size:,} bytes packed into {packed:,}: a bomb")

    def refusal(self, found: str) -> ArchiveError:
        """Return the error for an archive that must not be unpacked."""
        return ArchiveError(
            f"refused to unpack {self.name}",
            expected="files and links that stay in their directory and have a sane size",
            found=found,
            fix="do not use this file; get it from the publisher's own address",
        )


class _Bounded(io.RawIOBase):
    """What an archive unpacks to, counted, and never too much of it."""

    def __init__(self, source: IO[bytes], target: _Target) -> None:
        self._source, self._target, self._size = source, target, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count: int = self._source.readinto(buffer)  # type: ignore[attr-defined]
        self._size += count
        self._target.check_ratio(self._size)
        return count


class _UnwantedError(Exception):
    """Something that no archive of files has, found while it is parsed."""


class _Member(tarfile.TarInfo):
    """A member whose header must be sound: tarfile takes a damaged or a missing one for the archive's end."""

    def _proc_member(self, tarfile_: tarfile.TarFile) -> tarfile.TarInfo:  # tarfile's own hook for subclasses
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise _UnwantedError(f"{self.name!r}, which is sparse: it has fewer bytes than it would become")
        if self.size < 0 or (self.type in _HEADERS and self.size > _LONGEST_HEADER):
            raise _UnwantedError(f"{self.name[:60]!r}, a header or a member of {self.size:,} bytes")
        return super()._proc_member(tarfile_)  # type: ignore[misc,no-any-return]

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> _Member:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise EOFError(f"the mark at the end is missing: {error}") from error


def _is_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return head == bytes(_BLOCK)
    return True


def _unpack_tar(plain: io.BufferedReader[Any], target: _Target) -> None:
    try:
        with tarfile.open(fileobj=plain, mode="r|", bufsize=_TAR_BUFFER, tarinfo=_Member) as archive:
            is_empty = archive.firstmember is None  # type: ignore[attr-defined] # 3.10 would go back to the start
            while not is_empty and (member := archive.next()):
                # The other sparse forms are known by their extended headers.
                if member.issparse() or any(key.startswith("GNU.sparse.") for key in member.pax_headers):
                    raise _UnwantedError(f"{member.name!r}, which is sparse: it has fewer bytes than it would become")
                target.add(member, archive.extractfile(member) if member.isreg() else None)
                archive.members.clear()  # type: ignore[attr-defined] # it would keep them all
    except _UnwantedError as error:
        raise target.refusal(str(error)) from None
    while plain.read(_CHUNK):  # as far as the checksum at the end
        pass
    target.make_links()


def _unpack_single(plain: io.BufferedReader[Any], target: _Target) -> None:
    with target.inside(PurePosixPath(target.name).stem).open("xb") as file:
        while data := plain.read(_CHUNK):
            target.grow(len(data))
            file.write(data)


def _unpack_zip(file: IO[bytes], target: _Target) -> None:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        _check_sizes(members, target)
        for member in members:
            if member.flag_bits & _ENCRYPTED:
                raise target.refusal(f"{member.filename!r}, which is encrypted")
            info = tarfile.TarInfo(member.filename)
            info.mode, info.size = member.external_attr >> 16, member.file_size
            info.type = tarfile.DIRTYPE if member.is_dir() else _ZIP_KINDS.get(stat.S_IFMT(info.mode), tarfile.FIFOTYPE)
            with archive.open(member) as content:
                if info.issym():
                    info.linkname = os.fsdecode(content.read(_LONGEST_PATH + 1))
                target.add(info, content if info.isreg() else None)
    target.make_links()


def _check_sizes(members: list[zipfile.ZipInfo], target: _Target) -> None:
    """Refuse, before the first byte is written, what would become too much, or has one part for several members."""
    size = sum(member.file_size for member in members)
    target.check_ratio(size)
    if size > _CHUNK:
        check_room(f"to unpack {target.name}", size, target.directory.parent)
    end = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < end:
            raise target.refusal(f"{member.filename!r}, which overlaps another member")
        end = member.header_offset + _ZIP_HEADER + member.compress_size


def _bytes(text: str) -> int:
    return len(text.encode(errors="surrogateescape"))


@contextmanager
def _whole_or_nothing(directory: Path, name: str) -> Iterator[Path]:
    """Yield a directory beside `directory` that becomes it at the end, with the permission bits that it would have."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    into = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        yield into
        into.chmod(stat.S_IMODE((directory if directory.is_dir() else directory.parent).stat().st_mode) & 0o777)
        into.rename(directory)  # also onto an empty one
    except _DAMAGE as error:
        # gzip and bz2 raise an OSError without a number; zipfile seeks wherever a damaged table says.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        found, fix = str(error) or type(error).__name__, "it is cut off or damaged: fetch it again"
        raise ArchiveError(f"cannot unpack {name}", expected="a whole archive", found=found, fix=fix) from error
    finally:
        shutil.rmtree(into, ignore_errors=True)

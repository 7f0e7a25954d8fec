"""An artifact's directory in the cache: its content and the record of that, compared, published, and removed."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_mlperf.artifacts.disk import file_sha256, fsync, remedy, too_many_files
from pytest_mlperf.artifacts.layout import CONTENT, MANIFEST
from pytest_mlperf.artifacts.recipe import FORMAT, entry_name
from pytest_mlperf.artifacts.sharing import read_plain
from pytest_mlperf.errors import CacheError
from pytest_mlperf.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger(__name__)
_TAKEN = {errno.ENOTEMPTY, errno.EEXIST}
UNREADABLE = (OSError, CacheError, msgspec.MsgspecError, ValueError, TypeError, RecursionError)
#: Up to so many files each is synchronised by itself; for more, the kernel writes everything in one go.
#: A fsync a file costs a journal commit each: minutes for a data set of 25,000 images.
_FSYNC_LIMIT = 64


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One file: path relative to the content, with ``/``; size in bytes; SHA-256 in hexadecimal."""

    path: str
    size: int
    sha256: str


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One symbolic link: path relative to the content; target relative to the link."""

    path: str
    target: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The record of one artifact: what its recipe says of it, and its content, sorted by path.

    `format` is `pytest_mlperf.artifacts.recipe.FORMAT` of the version that wrote it, `size` in bytes, `created` in UTC,
    ISO 8601, by which versions of the package and of Python, within so many `seconds`.
    """

    format: int
    kind: str
    name: str
    key: dict[str, str | int | float | bool | list[Any] | None]
    source: str
    files: tuple[File, ...]
    links: tuple[Link, ...]
    size: int
    created: str
    made_by: str
    seconds: float


_decoder = msgspec.json.Decoder(Manifest)


@dataclass(frozen=True)
class Artifact:
    """Something in the cache: the directory with its content, not to be changed, and the manifest of that."""

    path: Path
    manifest: Manifest

    def fault(self) -> str | None:
        """Hash every file again; say what differs from the manifest, None where nothing does."""
        try:
            if (fault := difference(self.path, self.manifest)) is not None:
                return fault
            for file in self.manifest.files:
                if (found := file_sha256(self.path / file.path)) != file.sha256:
                    return f"{file.path} has SHA-256 {found}, not {file.sha256}"
        except OSError as error:
            if too_many_files(error):
                raise unreadable(self.path.parent, error) from error
            return str(error)
        return None

    def damaged(self, found: str) -> CacheError:
        """Return the error for content that is not what the manifest lists."""
        what, expected = f"the artifact {self.manifest.name} is damaged", "the content that its manifest lists"
        fix = f"delete {self.path.parent}; it is made again when it is next needed"
        return CacheError(what, expected=expected, found=found, fix=fix)


def unreadable(entry: Path, error: OSError) -> CacheError:
    """Return the error for an entry of which nobody knows whether it is whole."""
    what, expected = f"cannot read the entry {entry} of the cache", "a directory that can be read"
    return CacheError(what, expected=expected, found=str(error), fix=remedy(error, "make it readable"))


def find_artifact(entry: Path) -> Artifact | None:
    """Return the artifact of an entry's directory; what is damaged does not exist, and a warning is logged."""
    try:
        manifest = read_manifest(entry)
        fault = difference(entry / CONTENT, manifest)
    except UNREADABLE as error:
        if not os.path.lexists(entry):
            return None
        if isinstance(error, OSError) and too_many_files(error):  # what is whole must not be made again
            raise unreadable(entry, error) from error
        fault = str(error)
    if fault is not None:
        _log.warning("the entry %s of the cache is not used: %s", one_line(str(entry)), one_line(fault))
        return None
    return Artifact(entry / CONTENT, manifest)


def read_manifest(entry: Path) -> Manifest:
    """Return the manifest of the artifact that belongs in `entry`; raise one of `UNREADABLE` where it has none."""
    manifest = _decoder.decode(read_plain(entry / MANIFEST))
    if manifest.format != FORMAT:
        raise ValueError(f"its manifest has format {manifest.format}, not {FORMAT}")
    kind, name = manifest.kind, entry_name(manifest.kind, manifest.name, manifest.key)
    if (kind, name) != (entry.parent.name, entry.name):
        raise ValueError(f"its manifest is of {kind}/{name}")
    return manifest


def close(entry: Path, mode: int) -> None:
    """Give an entry the permission bits of the cache, and bring its manifest to the disk."""
    (entry / MANIFEST).chmod(0o400 | mode & 0o444)
    entry.chmod(0o700 | mode & 0o2777)
    fsync(entry / MANIFEST)
    fsync(entry)


def walk(directory: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield everything below `directory` with its relative path; symbolic links are not followed."""
    pending = [("", str(directory))]
    while pending:
        prefix, folder = pending.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                yield f"{prefix}{entry.name}", entry
                if entry.is_dir(follow_symlinks=False):
                    pending.append((f"{prefix}{entry.name}/", entry.path))


def seal(directory: Path, mode: int) -> tuple[tuple[File, ...], tuple[Link, ...]]:
    """Hash all content, bring it to the disk, and take away the right to write to its files.

    Directories stay writable: without that their owner could not delete them. Who may read and enter the cache, by its
    permission bits `mode`, may read and enter the content. Raises CacheError for a symbolic link that leaves the
    content, a device, a socket, or a name that is not valid Unicode.
    """
    files: list[File] = []
    links: list[Link] = []
    folders, found = [directory], list(walk(directory))
    each = len(found) <= _FSYNC_LIMIT
    for path, entry in found:
        _check_name(path)
        if entry.is_symlink():
            links.append(Link(path, _link_target(directory, path, entry)))
        elif entry.is_dir(follow_symlinks=False):
            folders.append(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            files.append(_seal_file(path, Path(entry.path), mode, sync=each))
        else:
            raise _refusal(path, "a device, a pipe or a socket")
    for folder in folders:
        folder.chmod(0o700 | mode & 0o2777)
        if each:
            fsync(folder)
    if not each:
        os.sync()
    by_path = attrgetter("path")
    return tuple(sorted(files, key=by_path)), tuple(sorted(links, key=by_path))


def difference(directory: Path, manifest: Manifest) -> str | None:
    """Say how the names, sizes or link targets in `directory` differ from `manifest`; None where they agree.

    One scan, no content is read. Raises OSError where the directory cannot be read.
    """
    sizes = {file.path: file.size for file in manifest.files}
    targets = {link.path: link.target for link in manifest.links}
    for path, entry in walk(directory):
        if entry.is_symlink():
            if targets.pop(path, None) != os.readlink(entry.path):  # noqa: PTH115 - a string
                return f"{path} is another link"
        elif entry.is_file(follow_symlinks=False):
            expected, found = sizes.pop(path, None), entry.stat(follow_symlinks=False).st_size
            if expected is None:
                return f"{path} is not in the manifest"
            if found != expected:
                return f"{path} has {found} bytes, not {expected}"
        elif not entry.is_dir(follow_symlinks=False):
            return f"{path} is not a file"
    missing = [*sizes, *targets]
    return f"{missing[0]} is missing" if missing else None


def _seal_file(path: str, place: Path, mode: int, *, sync: bool) -> File:
    sha256, status = file_sha256(place), place.stat()
    readable = 0o400 | mode & 0o444
    place.chmod(readable | (readable >> 2 if status.st_mode & stat.S_IXUSR else 0))
    if sync:
        fsync(place)
    return File(path, status.st_size, sha256)


def _link_target(directory: Path, path: str, entry: os.DirEntry[str]) -> str:
    target = os.readlink(entry.path)  # noqa: PTH115 - a string
    # Not Path.resolve(), which up to Python 3.12 raises RuntimeError for a link to itself.
    end, root = Path(os.path.realpath(entry.path)), os.path.realpath(directory)
    if Path(target).is_absolute() or not end.is_relative_to(root) or end.is_symlink() or not end.exists():
        raise _refusal(path, f"a link to {target}")
    _check_name(target)
    return target


def _check_name(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise _refusal(ascii(path), "a name that is not valid Unicode") from None


def _refusal(path: str, found: str) -> CacheError:
    expected = "files, directories and relative links between them"
    fix = "copy what the link or the name stands for into the artifact, or leave it out"
    return CacheError(f"cannot keep {path} in the cache", expected=expected, found=found, fix=fix)


def clear(entry: Path) -> None:
    """Remove a damaged `entry` and what killed builds of it left; only for the holder of its lock."""
    if os.path.lexists(entry):
        hide(entry)
    for left in entry.parent.iterdir():
        if left.name.startswith(f".{entry.name}."):
            remove_tree(left)


def hide(entry: Path) -> Path:
    """Take an entry out of sight at once, for its files go one by one; return where it is."""
    return entry.rename(entry.with_name(f".{entry.name}.{secrets.token_hex(8)}"))


def publish(temporary: Path, entry: Path) -> Artifact | None:
    """Rename the finished `temporary` to `entry`; return what is there already, if something whole is."""
    try:
        temporary.rename(entry)
    except OSError as error:
        # Only where locks do not hold, as between two hosts that mount a disk with local locks.
        if error.errno not in _TAKEN or (other := find_artifact(entry)) is None:
            raise
        remove_tree(temporary)
        return other
    fsync(entry.parent)
    return None


def visible(directory: Path) -> list[Path]:
    """Return the directories in a directory, by name, except hidden ones; none where it cannot be read."""
    try:
        with os.scandir(directory) as found:
            return sorted(Path(entry) for entry in found if not entry.name.startswith(".") and entry.is_dir())
    except OSError:
        return []


def remove_tree(path: Path) -> None:
    """Delete a file or a tree as far as this user may; another user's leftover is theirs to delete."""
    if path.is_symlink() or not path.is_dir():
        with suppress(OSError):
            path.unlink(missing_ok=True)
        return
    # A build may have made directories read-only, as some archives do. Another user's could become a link meanwhile.
    with suppress(OSError):
        for folder, names, _ in os.walk(path):
            for inner in (Path(folder, name) for name in names):
                if not inner.is_symlink() and inner.lstat().st_uid == os.geteuid():
                    inner.chmod(0o700)
    shutil.rmtree(path, ignore_errors=True)

"""What is recorded of an artifact's content, and how content is compared with its record."""

from __future__ import annotations

import os
import stat
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_mlperf.artifacts.atomic import fsync
from pytest_mlperf.artifacts.digest import file_sha256
from pytest_mlperf.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """The record of one artifact.

    Attributes
    ----------
    format
        `pytest_mlperf.artifacts.recipe.FORMAT` of the version that wrote it.
    kind, name, key, source
        The recipe's.
    files, links, size
        The content, sorted by path, and the sum of its sizes in bytes.
    created, made_by, seconds
        When it was finished, UTC, ISO 8601; by which versions of the package and of Python; how long that took.
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
    permission bits `mode`, may read and enter the content.

    Raises
    ------
    CacheError
        A symbolic link that leaves the content, a device, a socket, or a name that is not valid Unicode.
    """
    files: list[File] = []
    links: list[Link] = []
    folders = [str(directory)]
    found = list(walk(directory))
    each = len(found) <= _FSYNC_LIMIT
    for path, entry in found:
        _check_name(path)
        if entry.is_symlink():
            links.append(Link(path, _link_target(directory, path, entry)))
        elif entry.is_dir(follow_symlinks=False):
            folders.append(entry.path)
        elif entry.is_file(follow_symlinks=False):
            files.append(_seal_file(path, Path(entry.path), mode, sync=each))
        else:
            raise _refusal(path, "a device, a pipe or a socket")
    for folder in folders:
        Path(folder).chmod(0o700 | mode & 0o2777)
        if each:
            fsync(Path(folder))
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
    end = Path(os.path.realpath(entry.path))
    inside = end.is_relative_to(os.path.realpath(directory))
    if Path(target).is_absolute() or not inside or end.is_symlink() or not end.exists():
        raise _refusal(path, f"a link to {target}")
    _check_name(target)
    return target


def _check_name(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise _refusal(ascii(path), "a name that is not valid Unicode") from None


def _refusal(path: str, found: str) -> CacheError:
    return CacheError(
        f"cannot keep {path} in the cache",
        expected="files, directories and relative links between them",
        found=found,
        fix="copy what the link or the name stands for into the artifact, or leave it out",
    )

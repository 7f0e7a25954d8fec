"""What lies in a directory tree: names, sizes and links; changes when the checks look at more than these."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DEEPEST = 64
_MOST_BELOW_LINKS = 2_000


class Link(NamedTuple):
    """A symbolic link: where it points, and what is wrong with that.

    `from_root` says whether the target is there if it is read from the submission's root, `to_directory` what it is.
    """

    name: str
    target: str
    broken: bool
    outside: bool
    from_root: bool = False
    to_directory: bool = False


@dataclass(frozen=True)
class Directory:
    """A directory of the tree.

    Attributes
    ----------
    path
        Relative to the tree, with slashes; empty for the tree itself.
    files
        The sizes of the files by name, of those behind links too.
    directories
        What it holds, by name; a link to a directory that stays in the tree is one.
    links
        Every link.
    odd
        Names of devices, pipes and sockets, which nobody opens.
    fault
        Why it could not be listed.
    """

    path: str
    files: Mapping[str, int]
    directories: Mapping[str, Directory]
    links: tuple[Link, ...] = ()
    odd: tuple[str, ...] = ()
    fault: str | None = None

    def find(self, path: str) -> Directory | None:
        """Return the directory at a relative path, or None."""
        found: Directory | None = self
        for part in path.split("/") if path else ():
            found = found.directories.get(part) if found is not None else None
        return found

    def walk(self) -> Iterator[Directory]:
        """Yield this directory and all below, in the order of their names."""
        yield self
        for directory in self.directories.values():
            yield from directory.walk()

    def place(self, name: str) -> str:
        """Return the relative path of a name in here."""
        return f"{self.path}/{name}" if self.path else name

    @property
    def names(self) -> set[str]:
        """The names of its files and links, whatever these lead to."""
        return {*self.files, *self.odd, *(link.name for link in self.links if link.name not in self.directories)}


def read_tree(root: Path) -> Directory:
    """List the tree at `root` without opening a file; the order on the disk does not matter."""
    return _read(str(root), "", (), _Walk(os.path.realpath(root)))


@dataclass
class _Walk:
    """A walk through a tree: its root, and how many more directories are listed below links.

    Directories that link to each other have paths without number.
    """

    root: str
    left: int = _MOST_BELOW_LINKS

    def refusal(self, depth: int, *, linked: bool) -> str:
        """Return why a directory is not listed; empty for one that is."""
        self.left -= linked
        if linked and self.left < 0:
            return "is below links that lead to too many directories"
        return "is nested too deep" if depth > _DEEPEST else ""


def _read(place: str, path: str, above: tuple[tuple[int, int], ...], walk: _Walk, *, linked: bool = False) -> Directory:
    if fault := walk.refusal(len(above), linked=linked):
        return Directory(path, {}, {}, fault=fault)
    try:
        with os.scandir(place) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        status = os.stat(place)  # noqa: PTH116 - a Path for each of thousands of directories costs more than the call
    except OSError as error:
        return Directory(path, {}, {}, fault=f"cannot be listed: {error.strerror}")
    here = (status.st_dev, status.st_ino)
    if here in above:
        return Directory(path, {}, {}, fault="is a link to a directory that it stands in")
    above = (*above, here)
    files: dict[str, int] = {}
    directories: dict[str, Directory] = {}
    links: list[Link] = []
    odd: list[str] = []
    for entry in entries:
        name = entry.name
        if entry.is_symlink():
            link = _link(entry, walk.root)
            links.append(link)
            if link.broken or link.outside:
                continue
        try:
            status = entry.stat()
        except OSError:
            odd.append(name)
            continue
        if stat.S_ISREG(status.st_mode):
            files[name] = status.st_size
        elif stat.S_ISDIR(status.st_mode):
            below = linked or entry.is_symlink()
            directories[name] = _read(entry.path, f"{path}/{name}" if path else name, above, walk, linked=below)
        else:
            odd.append(name)
    return Directory(path, files, directories, tuple(links), tuple(odd))


def _link(entry: os.DirEntry[str], root: str) -> Link:
    try:
        target = str(Path(entry.path).readlink())
        end = Path(entry.path).resolve(strict=True)
    except (OSError, RuntimeError):
        return Link(entry.name, "", broken=True, outside=False)
    outside, from_root = not end.is_relative_to(root), os.path.exists(f"{root}/{target}")  # noqa: PTH110
    from_root = from_root or Path(target).is_absolute()
    return Link(entry.name, target, broken=False, outside=outside, from_root=from_root, to_directory=end.is_dir())

"""A tree as a .tar.xz: the same files, the same bytes."""

from __future__ import annotations

import lzma
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def pack(root: Path, archive: Path) -> None:
    """Write the files below `root` to `archive`, in order and without owners and times."""
    beside = archive.with_suffix(".part")
    with (
        lzma.open(beside, "wb", preset=9 | lzma.PRESET_EXTREME) as stream,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for path in sorted(root.rglob("*")):
            if path.is_file():
                _add(tar, path, path.relative_to(root).as_posix())
    beside.replace(archive)


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = path.stat().st_size
    entry.mode = 0o644
    with path.open("rb") as file:
        tar.addfile(entry, file)

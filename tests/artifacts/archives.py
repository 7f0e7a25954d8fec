"""Archives of the tests' own making, and what they come to."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.artifacts.archives import Limits, unpack
from pytest_mlperf.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = {"a.txt": b"alpha", "deep/er/b.bin": bytes(range(256)) * 40, "empty": b""}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "tar": lambda data: data,
    "tar.gz": gzip.compress,
    "tar.xz": lzma.compress,
    "tar.bz2": bz2.compress,
}
BEYOND = 1 << 40


def entry(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, len(content)
    return info


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def tar_of(files: dict[str, bytes]) -> bytes:
    return tar(*((entry(name, content), content) for name, content in files.items()))


def zip_of(files: dict[str, bytes], modes: dict[str, int] | None = None) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (modes or {}).get(name, stat.S_IFREG | 0o644) << 16
            archive.writestr(info, content)
    return made.getvalue()


def packed(form: str, files: dict[str, bytes]) -> bytes:
    return zip_of(files) if form == "zip" else PACKERS[form](tar_of(files))


def content_of(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def refused(data: bytes, tmp_path: Path, match: str, limits: Limits | None = None, name: str = "archive") -> None:
    """Unpack into an empty directory in vain; nothing is left of it, and nothing got beside it."""
    (tmp_path / "in").mkdir(exist_ok=True)
    (tmp_path / "in" / name).write_bytes(data)
    (tmp_path / "out").mkdir(exist_ok=True)
    with pytest.raises(ArchiveError, match=match) as caught:
        unpack(tmp_path / "in" / name, tmp_path / "out" / "content", limits)
    assert caught.value.fix
    assert list((tmp_path / "out").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]

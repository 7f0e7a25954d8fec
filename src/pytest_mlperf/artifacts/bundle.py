"""Artifacts in one file, for a machine without internet; changes when the bundle's format does."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tarfile
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from pytest_mlperf.artifacts.archives import unpack
from pytest_mlperf.artifacts.layout import CONTENT, MANIFEST
from pytest_mlperf.artifacts.manifest import sync
from pytest_mlperf.errors import ArchiveError, CacheError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_mlperf.artifacts.locks import Holder
    from pytest_mlperf.artifacts.store import Artifact, Store

_UNPACKED = "bundle"


@dataclass(frozen=True)
class Imported:
    """What came with a bundle: artifacts that are `new` in the cache, and those that were `there` already."""

    new: tuple[Artifact, ...]
    there: tuple[Artifact, ...]


def export_bundle(store: Store, artifacts: Sequence[Artifact], file: Path) -> None:
    """Write artifacts to a tar file, each as ``<kind>/<entry>/manifest.json`` and ``…/content/``.

    The same artifacts give the same bytes. They are hashed as they are written, and held against removal.

    Parameters
    ----------
    store
        The cache that they are in.
    artifacts
        At least one.
    file
        The bundle; replaced at once when all is written, and left as it is when that fails.

    Raises
    ------
    CacheError
        An artifact is damaged, or was removed meanwhile.
    OutputError
        The file cannot be written.
    """
    beside = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        if file.is_dir():
            raise IsADirectoryError(f"{file} is a directory")
        with beside.open("xb") as target, tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for artifact in artifacts:
                with store.use(artifact):
                    _add(archive, artifact)
        sync(beside)
        beside.replace(file)
    except OSError as error:
        raise OutputError(
            f"cannot write the bundle {file}",
            expected="a file that can be written",
            found=error.strerror or str(error),
            fix="free some space there, or name another file",
        ) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def import_bundle(store: Store, file: Path, on_wait: Callable[[Holder | None], None] | None = None) -> Imported:
    """Take the artifacts of a bundle into a cache; all are verified before the first of them can be seen.

    What is there already is left as it is. A bundle may have been compressed with gzip, xz or bzip2.

    Raises
    ------
    ArchiveError
        It is damaged or cut off, or has members that an archive must not have.
    CacheError
        It cannot be read, is no bundle, has content that its manifests do not describe, or the cache cannot be
        written or has no room.
    """
    _check_readable(file)
    with store.staging(on_wait) as staging:
        try:
            unpack(file, staging / _UNPACKED)
        except ArchiveError as error:
            fix = "Copy the bundle again from where it was made, or export it again."
            raise ArchiveError(error.what, expected=error.expected, found=error.found, fix=fix) from error
        except OSError as error:
            raise _no_room(store, file, error) from error
        # All of them first: a bundle with one bad artifact leaves nothing.
        staged = [store.examine(entry) for entry in _entries(staging / _UNPACKED, file)]
        adopted = [store.adopt(artifact, on_wait) for artifact in staged]
    new = tuple(artifact for artifact, is_new in adopted if is_new)
    return Imported(new, tuple(artifact for artifact, is_new in adopted if not is_new))


class _Hashed:
    """A file that is hashed as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._sha256 = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._sha256.update(data)
        return data

    def hexdigest(self) -> str:
        return self._sha256.hexdigest()


def _add(archive: tarfile.TarFile, artifact: Artifact) -> None:
    entry = artifact.path.parent
    prefix = f"{entry.parent.name}/{entry.name}"
    try:
        record = (entry / MANIFEST).read_bytes()
        archive.addfile(_member(f"{prefix}/{MANIFEST}", len(record)), io.BytesIO(record))
        # Also where it is empty.
        archive.addfile(_member(f"{prefix}/{CONTENT}", kind=tarfile.DIRTYPE, mode=0o755))
        for link in artifact.manifest.links:
            archive.addfile(_member(f"{prefix}/{CONTENT}/{link.path}", kind=tarfile.SYMTYPE, target=link.target))
        for listed in artifact.manifest.files:
            with (artifact.path / listed.path).open("rb") as file:
                executable = os.fstat(file.fileno()).st_mode & stat.S_IXUSR
                member = _member(f"{prefix}/{CONTENT}/{listed.path}", listed.size, mode=0o755 if executable else 0o644)
                hashed = _Hashed(file)
                archive.addfile(member, hashed)
            if hashed.hexdigest() != listed.sha256:
                raise _damaged(artifact, f"{listed.path} has SHA-256 {hashed.hexdigest()}, not {listed.sha256}")
    except OSError as error:
        # tarfile has no other error for a file that has become shorter; the bundle's own disk has a number.
        if error.filename is None and error.errno is not None:
            raise
        raise _damaged(artifact, str(error)) from error


def _member(
    name: str, size: int = 0, *, kind: bytes = tarfile.REGTYPE, mode: int = 0o644, target: str = ""
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.mode, info.linkname = size, kind, mode, target
    return info


def _entries(unpacked: Path, file: Path) -> list[Path]:
    """Return the entries' directories; refuse what is beside them."""
    kinds = list(unpacked.iterdir())
    entries = [entry for kind in kinds if kind.is_dir() and not kind.is_symlink() for entry in kind.iterdir()]
    strangers = [path for path in (*kinds, *entries) if path.is_symlink() or not path.is_dir()]
    if strangers or not entries:
        found = str(min(strangers).relative_to(unpacked)) if strangers else "nothing in it"
        raise CacheError(
            f"{file} is no bundle of artifacts",
            expected="a file that `pytest-mlperf cache export` wrote",
            found=found,
            fix="Name a file that was made so.",
        )
    return sorted(entries)


def _check_readable(file: Path) -> None:
    try:
        with file.open("rb") as opened:
            opened.read(1)
    except OSError as error:
        raise CacheError(
            f"cannot read the bundle {file}",
            expected="a file that `pytest-mlperf cache export` wrote",
            found=error.strerror or str(error),
            fix="Check its path and its permission bits.",
        ) from error


def _no_room(store: Store, file: Path, error: OSError) -> CacheError:
    free = shutil.disk_usage(store.root).free
    return CacheError(
        f"cannot unpack the bundle {file} into the cache",
        found=f"{error.strerror or error}, {free:,} bytes free in {store.root}",
        fix="Free some space there, or choose another cache directory.",
    )


def _damaged(artifact: Artifact, found: str) -> CacheError:
    return CacheError(
        f"the artifact {artifact.manifest.name} is damaged",
        expected="the content that its manifest lists",
        found=found,
        fix=f"Delete {artifact.path.parent}; it is made again when it is next needed.",
    )

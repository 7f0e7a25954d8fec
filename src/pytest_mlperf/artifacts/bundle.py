"""Artifacts in one file, for a machine without internet; changes when the bundle's format does."""

from __future__ import annotations

import stat
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlperf.artifacts.archives import unpack
from pytest_mlperf.artifacts.disk import remedy, replacing, unwritten
from pytest_mlperf.artifacts.layout import CONTENT, MANIFEST
from pytest_mlperf.errors import ArchiveError, CacheError, OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_mlperf.artifacts.locks import OnWait
    from pytest_mlperf.artifacts.store import Artifact, Store


@dataclass(frozen=True)
class Imported:
    """What came with a bundle: artifacts that are `new` in the cache, and those that were `there` already."""

    new: tuple[Artifact, ...]
    there: tuple[Artifact, ...]


def export_bundle(store: Store, artifacts: Sequence[Artifact], file: Path) -> None:
    """Write artifacts to a tar file, each as ``<kind>/<entry>/manifest.json`` and ``…/content/``.

    The same artifacts give the same bytes. They are hashed before they are written, and held against removal.
    `file` is replaced at once when all is written, and left as it is when that fails, by an OutputError. One that is
    damaged, or was removed meanwhile, is a CacheError.
    """
    try:
        if file.is_dir():
            raise IsADirectoryError(f"{file} is a directory")
        with replacing(file, sync=True) as beside, tarfile.open(beside, "x", format=tarfile.PAX_FORMAT) as archive:
            for artifact in artifacts:
                with store.use(artifact):
                    _add(archive, artifact)
    except OSError as error:
        found, fix = error.strerror or str(error), remedy(error, "free some space there, or name another file")
        expected = "a file that can be written"
        raise OutputError(f"cannot write the bundle {file}", expected=expected, found=found, fix=fix) from error


def import_bundle(store: Store, file: Path, on_wait: OnWait | None = None) -> Imported:
    """Take the artifacts of a bundle into a cache; all are verified before the first of them can be seen.

    What is there already is left as it is. A bundle may have been compressed with gzip, xz or bzip2. Raises
    ArchiveError where it is damaged, cut off or hostile; CacheError where it cannot be read, is no bundle, has content
    that its manifests do not describe, or the cache cannot be written or has no room.
    """
    try:
        file.open("rb").close()
    except OSError as error:
        fix = remedy(error, "check its path and its permission bits")
        raise _no_bundle(file, error.strerror or str(error), fix) from error
    with store.staging(on_wait) as staging:
        unpacked = staging / "bundle"
        try:
            unpack(file, unpacked)
        except ArchiveError as error:
            fix = "copy the bundle again from where it was made, or export it again"
            raise ArchiveError(error.what, expected=error.expected, found=error.found, fix=fix) from error
        except OSError as error:
            raise unwritten(f"cannot unpack the bundle {file} into the cache", error, store.root) from error
        # All of them first: a bundle with one bad artifact leaves nothing.
        staged = [store.examine(entry) for entry in _entries(unpacked, file)]
        adopted = [store.adopt(artifact, on_wait) for artifact in staged]
    new = tuple(artifact for artifact, is_new in adopted if is_new)
    return Imported(new, tuple(artifact for artifact, is_new in adopted if not is_new))


def _add(archive: tarfile.TarFile, artifact: Artifact) -> None:
    if fault := artifact.fault():
        raise artifact.damaged(fault)
    entry = artifact.path.parent
    for name in (MANIFEST, CONTENT):
        archive.add(entry / name, f"{entry.parent.name}/{entry.name}/{name}", filter=_plain)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return a member without what differs between machines: owners, times, other permission bits."""
    plain = tarfile.TarInfo(member.name)
    plain.type, plain.size, plain.linkname = member.type, member.size, member.linkname
    plain.mode = 0o755 if member.isdir() or member.mode & stat.S_IXUSR else 0o644
    return plain


def _entries(unpacked: Path, file: Path) -> list[Path]:
    """Return the entries' directories; refuse what is beside them."""
    kinds = list(unpacked.iterdir())
    entries = [entry for kind in kinds if kind.is_dir() and not kind.is_symlink() for entry in kind.iterdir()]
    strangers = [path for path in (*kinds, *entries) if path.is_symlink() or not path.is_dir()]
    if strangers or not entries:
        found = str(min(strangers).relative_to(unpacked)) if strangers else "nothing in it"
        raise _no_bundle(file, found, "name a file that was made so")
    return sorted(entries)


def _no_bundle(file: Path, found: str, fix: str) -> CacheError:
    expected = "a file that `pytest-mlperf cache export` wrote"
    return CacheError(f"{file} is no bundle of artifacts", expected=expected, found=found, fix=fix)

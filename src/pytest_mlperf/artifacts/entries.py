"""The directories of the artifacts in a cache: read, published by a rename, and removed."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pytest_mlperf.artifacts.atomic import fsync
from pytest_mlperf.artifacts.digest import file_sha256
from pytest_mlperf.artifacts.layout import CONTENT, MANIFEST
from pytest_mlperf.artifacts.manifest import Manifest, difference
from pytest_mlperf.artifacts.recipe import FORMAT, entry_name
from pytest_mlperf.errors import CacheError

_log = logging.getLogger(__name__)
_decoder = msgspec.json.Decoder(Manifest)
_TAKEN = {errno.ENOTEMPTY, errno.EEXIST}
UNREADABLE = (OSError, msgspec.MsgspecError, ValueError, TypeError, RecursionError)


@dataclass(frozen=True)
class Artifact:
    """Something in the cache: the directory with its content, not to be changed, and the manifest of that."""

    path: Path
    manifest: Manifest

    def verify(self) -> None:
        """Hash every file again; raise CacheError where one is missing, added, or has another content."""
        if (fault := self.fault()) is not None:
            raise self.damaged(fault)

    def fault(self) -> str | None:
        """Hash every file again; say what differs from the manifest, None where nothing does."""
        try:
            if (fault := difference(self.path, self.manifest)) is not None:
                return fault
            for file in self.manifest.files:
                if (found := file_sha256(self.path / file.path)) != file.sha256:
                    return f"{file.path} has SHA-256 {found}, not {file.sha256}"
        except OSError as error:
            return str(error)
        return None

    def damaged(self, found: str) -> CacheError:
        """Return the error for content that is not what the manifest lists."""
        return CacheError(
            f"the artifact {self.manifest.name} is damaged",
            expected="the content that its manifest lists",
            found=found,
            fix=f"delete {self.path.parent}; it is made again when it is next needed",
        )


def find_artifact(entry: Path) -> Artifact | None:
    """Return the artifact of an entry's directory; what is damaged does not exist, and a warning is logged."""
    try:
        manifest = read_manifest(entry)
        fault = difference(entry / CONTENT, manifest)
    except UNREADABLE as error:
        if not os.path.lexists(entry):
            return None
        fault = str(error)
    if fault is not None:
        _log.warning("the entry %s of the cache is not used: %s", entry, fault)
        return None
    return Artifact(entry / CONTENT, manifest)


def read_manifest(entry: Path) -> Manifest:
    """Return the manifest of the artifact that has to be in `entry`; one of `UNREADABLE` is raised where it is not."""
    manifest = _decoder.decode((entry / MANIFEST).read_bytes())
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
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        # A build may have made directories read-only, as some archives do.
        with suppress(OSError):
            for folder, names, _ in os.walk(path):
                for name in names:
                    if not (inner := Path(folder, name)).is_symlink():
                        inner.chmod(0o700)
        shutil.rmtree(path, ignore_errors=True)

"""The cache's guarantee: an artifact is built once, and is there whole or not at all."""

from __future__ import annotations

import errno
import json
import logging
import os
import platform
import re
import shutil
import stat
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.artifacts import entries as on_disk
from pytest_mlperf.artifacts.disk import remedy, unwritten
from pytest_mlperf.artifacts.entries import UNREADABLE, Artifact, Manifest, seal
from pytest_mlperf.artifacts.fetching import Downloads
from pytest_mlperf.artifacts.layout import (
    CONTENT,
    IMPORT_LOCK,
    IMPORTS,
    MANIFEST,
    PROGRAMS,
    build_lock,
    use_lock,
    user_directory,
)
from pytest_mlperf.artifacts.locks import lease
from pytest_mlperf.artifacts.recipe import FORMAT, PartRecipe, RemoteRecipe, canonical_key, entry_name
from pytest_mlperf.artifacts.sharing import UNSHARED, check_own, is_everybodys, is_unsafe, make_directory, unsafe
from pytest_mlperf.artifacts.sources import Network
from pytest_mlperf.errors import CacheError, MLPerfError
from pytest_mlperf.secrecy import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.artifacts.locks import OnWait
    from pytest_mlperf.artifacts.recipe import Recipe

__all__ = ["Artifact", "Store"]

_log = logging.getLogger(__name__)
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_SAYS_FULL = re.compile(r"No space left on device|Errno 28|Disk quota exceeded")


@dataclass(frozen=True)
class Store:
    """A cache of artifacts in a directory, safe for many processes, many users, and a kill at any moment.

    An entry is ``<root>/<kind>/<slug>-<digest>`` with ``manifest.json`` and ``content``. It is built in a
    hidden directory beside it, under a lock, and renamed when it is whole. The permission bits of `root` are
    those of all that is made in it, so a directory that a group or everyone may write to is a shared cache: with the
    sticky bit each user uses what is there, and removes what they made; what is run is each user's own.
    `root` is made when something is first built. `version` is the package's, for the manifests.
    """

    root: Path
    version: str = ""
    network: Network = field(default_factory=Network)

    def __post_init__(self) -> None:
        # Whoever is handed an artifact's path may run in another working directory.
        object.__setattr__(self, "root", self.root.absolute())

    def path(self, recipe: Recipe) -> Path:
        """Return where the content of `recipe` is or would be."""
        return self._entry(recipe) / CONTENT

    def find(self, recipe: Recipe) -> Artifact | None:
        """Return the artifact, or one that serves as well, if it is there and whole; take no lock and write nothing.

        Raises CacheError where another user could have exchanged it on the way.
        """
        with suppress(OSError):  # nothing is there, or nobody may look
            self._check()
        return on_disk.find_artifact(self._entry(recipe)) or self._find_larger(recipe)

    def get(self, recipe: Recipe, *, timeout: float | None = None, on_wait: OnWait | None = None) -> Artifact:
        """Return the artifact; build it if it is not there.

        While another process builds it, `timeout` and `on_wait` are as for `pytest_mlperf.artifacts.locks.lease`.

        Raises
        ------
        CacheError
            The cache cannot be written, the disk is full, the artifact cannot be kept, or another process
            is still building it after `timeout` seconds.
        Exception
            Whatever `recipe.build` raises.
        """
        if (artifact := self.find(recipe)) is not None:
            return artifact
        entry = self._entry(recipe)
        try:
            with self._locked(entry, build_lock(entry), on_wait, timeout) as mode:
                return self.find(recipe) or self._build(recipe, entry, mode)
        except TimeoutError as error:
            what = f"waited in vain for another process to make {recipe.name}"
            fix = "wait for that process or end it, or choose another cache directory"
            raise CacheError(what, found=str(error), fix=fix) from error

    @contextmanager
    def use(self, artifact: Artifact) -> Iterator[bool]:
        """Hold an artifact against its removal until the block ends, and mark it as used now.

        Where the cache may only be read, an artifact is not marked, and held only if someone else ever was. Yields
        whether it is still there: a removal may have come first.
        """
        entry = artifact.path.parent
        with ExitStack() as stack:
            try:
                stack.enter_context(lease(use_lock(entry), shared=True))
            except (CacheError, OSError) as error:
                _log.info("%s is used without a hold on it: %s", entry, error)
            with suppress(OSError):
                os.utime(entry, follow_symlinks=False)
            yield (entry / MANIFEST).exists()

    @contextmanager
    def staging(self, on_wait: OnWait | None = None) -> Iterator[Path]:
        """Yield an empty directory in the cache, which nobody sees, for entries to `adopt`; one process at a time."""
        parent = self.root / IMPORTS
        with self._locked(parent, self.root / IMPORT_LOCK, on_wait) as mode:
            on_disk.remove_tree(parent)  # left by a killed process
            with _writing(parent):
                make_directory(parent, mode & stat.S_ISGID)
                check_own(parent)
            try:
                yield parent
            finally:
                on_disk.remove_tree(parent)

    def examine(self, staged: Path) -> Artifact:
        """Hash and seal a whole entry below `staging`; raise CacheError where it is not what its manifest says."""
        with _writing(staged):
            kinds = {path.name: path.is_symlink() or path.is_dir() for path in staged.iterdir()}
            if kinds != {MANIFEST: False, CONTENT: True} or (staged / CONTENT).is_symlink():
                raise _not_whole(staged, f"{', '.join(sorted(kinds)) or 'nothing'} in it")
            try:
                manifest = on_disk.read_manifest(staged)
            except UNREADABLE as error:
                raise _not_whole(staged, str(error)) from error
            mode = _sealed(self.root.stat().st_mode)
            files, links = seal(staged / CONTENT, mode)
            if (files, links, sum(file.size for file in files)) != (manifest.files, manifest.links, manifest.size):
                paths = {item.path for item in ({*files} ^ {*manifest.files}) | ({*links} ^ {*manifest.links})}
                raise _not_whole(staged, f"{min(paths, default=MANIFEST)} is another, is missing, or is not listed")
            on_disk.close(staged, mode)
        return Artifact(staged / CONTENT, manifest)

    def adopt(self, staged: Artifact, on_wait: OnWait | None = None) -> tuple[Artifact, bool]:
        """Publish what `examine` returned; return the artifact, and whether it is new here."""
        source = staged.path.parent
        entry = self._base(source.parent.name) / source.parent.name / source.name
        with self._locked(entry, build_lock(entry), on_wait):
            if (artifact := on_disk.find_artifact(entry)) is not None:
                return artifact, False
            with _writing(entry):
                on_disk.clear(entry)
                other = on_disk.publish(source, entry)
            _make_use_lock(entry)
        return other or Artifact(entry / CONTENT, staged.manifest), other is None

    def _find_larger(self, recipe: Recipe) -> Artifact | None:
        if not isinstance(recipe, PartRecipe):
            return None
        for entry in on_disk.visible(self._base(recipe.kind) / recipe.kind):
            with suppress(*UNREADABLE):
                served = recipe.served_by(on_disk.read_manifest(entry).key)
                if artifact := on_disk.find_artifact(entry) if served else None:
                    return artifact
        return None

    def _entry(self, recipe: Recipe) -> Path:
        try:
            return self._base(recipe.kind) / recipe.kind / entry_name(recipe.kind, recipe.name, recipe.key())
        except UnicodeEncodeError as error:
            what, expected = f"cannot keep {recipe.name!a} in the cache", "names and paths that are valid Unicode"
            fix = "rename the file or the directory"
            raise CacheError(what, expected=expected, found=ascii(error.object), fix=fix) from error

    def _base(self, kind: str) -> Path:
        """Return the directory that has the artifacts of a kind."""
        return self._private if kind in PROGRAMS else self.root

    @property
    def _private(self) -> Path:
        """What nobody else may change: the cache, or a directory in it where everybody may write to that."""
        with suppress(OSError):
            if is_everybodys(self.root.stat().st_mode):
                return user_directory(self.root)
        return self.root

    def _check(self) -> os.stat_result:
        """Return the cache's status; raise CacheError where not even the sticky bit keeps what one user has there."""
        status = self.root.stat()
        if is_unsafe(status.st_mode):
            raise unsafe(self.root, status)
        if is_everybodys(status.st_mode):
            check_own(user_directory(self.root))
        return status

    @contextmanager
    def _locked(self, entry: Path, lock: Path, on_wait: OnWait | None, timeout: float | None = None) -> Iterator[int]:
        """Make the directories around `entry`, and hold `lock`; yield the permission bits of the cache."""
        with _writing(self.root):
            self.root.mkdir(UNSHARED, parents=True, exist_ok=True)
            mode = self._check().st_mode & 0o3777
            if self._private != self.root:
                make_directory(self._private, 0)
                mode = 0 if entry.is_relative_to(self._private) else mode
            for directory in (entry.parent, lock.parent):
                if directory != self.root:
                    make_directory(directory, mode)
        with lease(lock, timeout=timeout, on_wait=on_wait):
            yield mode

    def _build(self, recipe: Recipe, entry: Path, mode: int) -> Artifact:
        with _writing(entry):
            on_disk.clear(entry)
            temporary = Path(tempfile.mkdtemp(prefix=f".{entry.name}.", dir=entry.parent))
        try:
            with _faults_of(recipe, temporary):
                bits = mode if self._private == self.root else 0
                downloads = Downloads(self._private, f"{recipe.kind}-{entry.name}", self.network, bits)
                artifact = Artifact(entry / CONTENT, self._fill(recipe, temporary, mode, downloads))
                # Before: killed between the two, a process would leave what nobody would ever clear.
                downloads.clear()
                published = on_disk.publish(temporary, entry) or artifact
                _make_use_lock(entry)
                return published
        except BaseException:
            on_disk.remove_tree(temporary)
            raise

    def _fill(self, recipe: Recipe, directory: Path, mode: int, downloads: Downloads) -> Manifest:
        content, started, provenance = directory / CONTENT, time.monotonic(), None
        content.mkdir()
        if isinstance(recipe, RemoteRecipe):
            provenance = recipe.fetch(content, downloads)
        else:
            recipe.build(content)
        files, links = seal(content, _sealed(mode))
        manifest = Manifest(
            format=FORMAT,
            kind=recipe.kind,
            name=recipe.name,
            key=json.loads(canonical_key(recipe.key())),
            source=_unicode(without_secrets(provenance.source if provenance else recipe.source)),
            files=files,
            links=links,
            size=sum(file.size for file in files),
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            made_by=f"pytest-mlperf {self.version}".strip() + f", Python {platform.python_version()}",
            seconds=round(time.monotonic() - started, 3),
        )
        (directory / MANIFEST).write_bytes(msgspec.json.encode(manifest))
        on_disk.close(directory, _sealed(mode))
        if provenance:
            # Last: content that could not be made into an artifact is not to be trusted.
            downloads.pin(provenance.files)
        return manifest


def _unicode(text: str) -> str:
    """Return a text for the manifest: a path may have bytes that are none."""
    return text.encode(errors="backslashreplace").decode()


def _sealed(mode: int) -> int:
    """Return the permission bits of an entry: with the sticky bit on the cache, its maker alone may change it."""
    return mode & ~0o022 if is_everybodys(mode) else mode


def _make_use_lock(entry: Path) -> None:
    """Make the file for those who may read the cache and not write to it: they can share it then."""
    with suppress(CacheError, TimeoutError), lease(use_lock(entry), shared=True):
        pass


def _not_whole(staged: Path, found: str) -> CacheError:
    what, expected = f"{staged.parent.name}/{staged.name} is no whole artifact", f"{MANIFEST} and what it lists"
    fix = "export it again, with the version of pytest-mlperf that imports it"
    return CacheError(what, expected=expected, found=found, fix=fix)


@contextmanager
def _faults_of(recipe: Recipe, directory: Path) -> Iterator[None]:
    """Turn an error that is the cache's, not the recipe's, into a CacheError."""
    try:
        yield
    except MLPerfError as error:
        # A compiler or a converter says in its words that a disk is full, and would be taken to be at fault.
        if isinstance(error, CacheError) or not _SAYS_FULL.search(error.found):
            raise
        raise unwritten(f"no room to make {recipe.name}", OSError(error.found), directory.parent) from error
    except OSError as error:
        # numpy reports a full disk ("8192 requested and 4096 written") without an error number.
        is_full = error.errno is None and shutil.disk_usage(directory).free < 1 << 20
        if is_full or error.errno in _NO_ROOM:
            raise unwritten(f"no room in the cache to make {recipe.name}", error, directory.parent) from error
        if error.filename is None or not Path(os.fsdecode(error.filename)).is_relative_to(directory):
            raise
        with _writing(directory.parent):
            raise


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn an OSError into the one CacheError for a cache that cannot be written."""
    try:
        yield
    except OSError as error:
        obstacle = next((at for at in (path, *path.parents) if os.path.lexists(at) and not at.is_dir()), None)
        expected, found = "a directory in which you may write", f"{obstacle} is not a directory" if obstacle else error
        fix = remedy(error, "make it one, or choose another cache directory")
        raise CacheError(f"cannot write to the cache {path}", expected=expected, found=str(found), fix=fix) from error

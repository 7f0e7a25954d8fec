"""The cache's guarantee: an artifact is built once, and is there whole or not at all."""

from __future__ import annotations

import errno
import json
import logging
import os
import platform
import secrets
import shutil
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.artifacts.layout import (
    CONTENT,
    IMPORTS,
    LOCKS,
    MANIFEST,
    build_lock,
    import_lock,
    use_lock,
)
from pytest_mlperf.artifacts.locks import lease
from pytest_mlperf.artifacts.manifest import Manifest, difference, digest, seal, sync
from pytest_mlperf.artifacts.recipe import FORMAT, PartRecipe, RemoteRecipe, canonical_key, entry_name
from pytest_mlperf.artifacts.remote import Depot
from pytest_mlperf.artifacts.sources import Network
from pytest_mlperf.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from pytest_mlperf.artifacts.locks import Holder
    from pytest_mlperf.artifacts.manifest import File, Link
    from pytest_mlperf.artifacts.recipe import Recipe
    from pytest_mlperf.artifacts.remote import Delivery

_log = logging.getLogger(__name__)
_decoder = msgspec.json.Decoder(Manifest)

_TAKEN = {errno.ENOTEMPTY, errno.EEXIST}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Artifact:
    """Something in the cache.

    Attributes
    ----------
    path
        The directory with its content; not to be changed.
    manifest
        What it is, where it came from, and its files.
    """

    path: Path
    manifest: Manifest

    def verify(self) -> None:
        """Hash every file again.

        Raises
        ------
        CacheError
            A file is missing, added, or has another content than when it was made.
        """
        fault = self.fault()
        if fault is not None:
            raise CacheError(
                f"the artifact {self.manifest.name} is damaged",
                expected="the content that its manifest lists",
                found=fault,
                fix=f"Delete {self.path.parent}; it is made again when it is next needed.",
            )

    def fault(self) -> str | None:
        """Hash every file again; say what differs from the manifest, None where nothing does."""
        try:
            return difference(self.path, self.manifest) or self._other_content()
        except OSError as error:
            return str(error)

    def _other_content(self) -> str | None:
        for file in self.manifest.files:
            found = digest(self.path / file.path)
            if found != file.sha256:
                return f"{file.path} has SHA-256 {found}, not {file.sha256}"
        return None


@dataclass(frozen=True)
class Store:
    """A cache of artifacts in a directory, safe for many processes, many users, and a kill at any moment.

    An entry is ``<root>/<kind>/<slug>-<digest>`` with ``manifest.json`` and ``content``. It is built in a
    hidden directory beside it, under a lock, and renamed when it is whole. The permission bits of `root` are
    those of all that is made in it, so a directory that a group or everyone may write to is a shared cache.

    Parameters
    ----------
    root
        The cache's directory; made when something is first built.
    version
        The package's version, for the manifests.
    network
        How to fetch what is fetched.
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
        """Return the artifact, or one that serves as well, if it is there and whole; take no lock and write nothing."""
        return _find(self._entry(recipe)) or self._find_larger(recipe)

    def get(
        self,
        recipe: Recipe,
        *,
        timeout: float | None = None,
        on_wait: Callable[[Holder | None], None] | None = None,
    ) -> Artifact:
        """Return the artifact; build it if it is not there.

        Parameters
        ----------
        recipe
            How to build it.
        timeout
            Seconds to wait at most while another process builds it; None waits as long as it takes.
        on_wait
            Called once with that process, or None where it is not known, before waiting for it.

        Raises
        ------
        CacheError
            The cache cannot be written, the disk is full, the artifact cannot be kept, or another process
            is still building it after `timeout` seconds.
        Exception
            Whatever `recipe.build` raises.
        """
        entry = self._entry(recipe)
        if (artifact := self.find(recipe)) is not None:
            return artifact
        mode = self._prepare(entry)
        lock = build_lock(self.root, recipe.kind, entry.name)
        try:
            with lease(lock, timeout=timeout, on_wait=on_wait, mode=0o600 | mode & 0o666):
                return self.find(recipe) or self._build(recipe, entry, mode)
        except TimeoutError as error:
            raise CacheError(
                f"waited in vain for another process to make {recipe.name}",
                found=str(error),
                fix="Wait for that process or end it, or choose another cache directory.",
            ) from error

    @contextmanager
    def use(self, artifact: Artifact) -> Iterator[bool]:
        """Hold an artifact against its removal until the block ends, and mark it as used now.

        Where the cache may only be read, an artifact is not marked, and held only if someone else ever was.

        Yields
        ------
        bool
            Whether it is still there: a removal may have come first.
        """
        entry = artifact.path.parent
        with ExitStack() as stack:
            try:
                stack.enter_context(self._share(entry, self.root.stat().st_mode))
            except (CacheError, OSError) as error:
                _log.info("%s is used without a hold on it: %s", entry, error)
            with suppress(OSError):
                os.utime(entry)
            yield (entry / MANIFEST).exists()

    @contextmanager
    def staging(self, on_wait: Callable[[Holder | None], None] | None = None) -> Iterator[Path]:
        """Yield an empty directory in the cache, which nobody sees, for entries to `adopt`; one process at a time.

        Raises
        ------
        CacheError
            The cache cannot be written.
        """
        parent = self.root / IMPORTS
        mode = self._prepare(parent)
        with lease(import_lock(self.root), on_wait=on_wait, mode=0o600 | mode & 0o666):
            # Left by a killed process.
            remove_tree(parent)
            try:
                parent.mkdir()
                parent.chmod(0o700 | mode & 0o2777)
            except OSError as error:
                raise _unwritable(parent, error) from error
            try:
                yield parent
            finally:
                remove_tree(parent)

    def artifact(self, entry: Path) -> Artifact | None:
        """Return the artifact of an entry's directory if it is whole."""
        return _find(entry)

    def examine(self, staged: Path) -> Artifact:
        """Hash and seal a whole entry, ``<kind>/<slug>-<digest>`` below `staging`; nobody sees it yet.

        Raises
        ------
        CacheError
            It is not what its manifest says.
        """
        try:
            manifest = _read_staged(staged)
            mode = self.root.stat().st_mode
            found = seal(staged / CONTENT, mode)
            _check_same(staged, manifest, *found)
            _close(staged, mode)
        except OSError as error:
            raise _unwritable(staged, error) from error
        return Artifact(staged / CONTENT, manifest)

    def adopt(self, staged: Artifact, on_wait: Callable[[Holder | None], None] | None = None) -> tuple[Artifact, bool]:
        """Publish what `examine` returned; return the artifact, and whether it is new here.

        Raises
        ------
        CacheError
            The cache cannot be written.
        """
        source = staged.path.parent
        entry = self.root / source.parent.name / source.name
        mode = self._prepare(entry)
        with lease(build_lock(self.root, entry.parent.name, entry.name), on_wait=on_wait, mode=0o600 | mode & 0o666):
            if (artifact := _find(entry)) is not None:
                return artifact, False
            try:
                _clear(entry)
                other = _publish(source, entry)
            except OSError as error:
                raise _unwritable(entry, error) from error
            self._make_use_lock(entry, mode)
        return other or Artifact(entry / CONTENT, staged.manifest), other is None

    def entries(self) -> Iterator[Artifact]:
        """Yield every whole artifact, by kind and name; take no lock and write nothing."""
        for kind in _visible(self.root):
            for entry in _visible(kind):
                if (artifact := _find(entry)) is not None:
                    yield artifact

    def _find_larger(self, recipe: Recipe) -> Artifact | None:
        if not isinstance(recipe, PartRecipe):
            return None
        for entry in _visible(self.root / recipe.kind):
            with suppress(OSError, msgspec.MsgspecError, ValueError):
                served = recipe.served_by(_decoder.decode((entry / MANIFEST).read_bytes()).key)
                if served and (artifact := _find(entry)) is not None:
                    return artifact
        return None

    def _share(self, entry: Path, mode: int) -> AbstractContextManager[None]:
        return lease(use_lock(self.root, entry.parent.name, entry.name), shared=True, mode=0o600 | mode & 0o666)

    def _make_use_lock(self, entry: Path, mode: int) -> None:
        """Make the file for those who may read the cache and not write to it: they can share it then."""
        with suppress(CacheError, TimeoutError), self._share(entry, mode):
            pass

    def _entry(self, recipe: Recipe) -> Path:
        return self.root / recipe.kind / entry_name(recipe.kind, recipe.name, recipe.key())

    def _prepare(self, entry: Path) -> int:
        """Make the directories around `entry`; return the permission bits of the cache."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            mode = self.root.stat().st_mode & 0o3777
            # No sticky bit on the locks' directory: users could not lock each other's files, see `lease`.
            for directory, bits in ((entry.parent, mode), (self.root / LOCKS, mode & 0o2777)):
                with suppress(FileExistsError):
                    directory.mkdir()
                    directory.chmod(0o700 | bits)
        except OSError as error:
            raise _unwritable(self.root, error) from error
        return mode

    def _build(self, recipe: Recipe, entry: Path, mode: int) -> Artifact:
        try:
            _clear(entry)
            temporary = Path(tempfile.mkdtemp(prefix=f".{entry.name}.", dir=entry.parent))
        except OSError as error:
            raise _unwritable(entry, error) from error
        try:
            with _faults_of(recipe, temporary):
                depot = Depot(self.root, f"{recipe.kind}-{entry.name}", self.network, mode)
                artifact = Artifact(entry / CONTENT, self._fill(recipe, temporary, mode, depot))
                # Before: killed between the two, a process would leave what nobody would ever clear.
                depot.clear()
                published = _publish(temporary, entry) or artifact
                self._make_use_lock(entry, mode)
                return published
        except BaseException:
            remove_tree(temporary)
            raise

    def _fill(self, recipe: Recipe, directory: Path, mode: int, depot: Depot) -> Manifest:
        content = directory / CONTENT
        content.mkdir()
        started = time.monotonic()
        delivery = _make(recipe, content, depot)
        files, links = seal(content, mode)
        manifest = Manifest(
            format=FORMAT,
            kind=recipe.kind,
            name=recipe.name,
            key=json.loads(canonical_key(recipe.key())),
            source=delivery.source if delivery else recipe.source,
            files=files,
            links=links,
            size=sum(file.size for file in files),
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            made_by=f"pytest-mlperf {self.version}".strip() + f", Python {platform.python_version()}",
            seconds=round(time.monotonic() - started, 3),
        )
        (directory / MANIFEST).write_bytes(msgspec.json.encode(manifest))
        _close(directory, mode)
        if delivery:
            # Last: content that could not be made into an artifact is not to be trusted.
            depot.remember(delivery)
        return manifest


def _find(entry: Path) -> Artifact | None:
    """Return the artifact of `entry`; what is damaged does not exist, and a warning is logged."""
    try:
        manifest = _decoder.decode((entry / MANIFEST).read_bytes())
        fault = _other_entry(entry, manifest) or difference(entry / CONTENT, manifest)
    except (OSError, msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        if not os.path.lexists(entry):
            return None
        fault = str(error)
    if fault is not None:
        _log.warning("the entry %s of the cache is not used: %s", entry, fault)
        return None
    return Artifact(entry / CONTENT, manifest)


def _other_entry(entry: Path, manifest: Manifest) -> str | None:
    if manifest.format != FORMAT:
        return f"its manifest has format {manifest.format}, not {FORMAT}"
    kind, name = manifest.kind, entry_name(manifest.kind, manifest.name, manifest.key)
    return None if (kind, name) == (entry.parent.name, entry.name) else f"its manifest is of {kind}/{name}"


def _close(entry: Path, mode: int) -> None:
    """Give an entry its permission bits, and bring its manifest to the disk."""
    record = entry / MANIFEST
    record.chmod(0o400 | mode & 0o444)
    entry.chmod(0o700 | mode & 0o2777)
    sync(record)
    sync(entry)


def _read_staged(staged: Path) -> Manifest:
    """Return the manifest of an entry that came from elsewhere."""
    record, content = staged / MANIFEST, staged / CONTENT
    names = {path.name for path in staged.iterdir()}
    if names != {MANIFEST, CONTENT} or record.is_symlink() or not record.is_file():
        raise _not_an_entry(staged, f"{', '.join(sorted(names)) or 'nothing'} in it")
    if content.is_symlink() or not content.is_dir():
        raise _not_an_entry(staged, "no directory with its content")
    try:
        manifest = _decoder.decode(record.read_bytes())
        fault = _other_entry(staged, manifest)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        fault = f"its manifest cannot be read: {error}"
    if fault is not None:
        raise _not_an_entry(staged, f"found: {fault}")
    return manifest


def _check_same(staged: Path, manifest: Manifest, files: tuple[File, ...], links: tuple[Link, ...]) -> None:
    """Refuse content that is not what its manifest lists."""
    listed = (manifest.files, manifest.links, manifest.size)
    if (files, links, sum(file.size for file in files)) == listed:
        return
    others = {file.path for file in {*files} ^ {*manifest.files}} | {link.path for link in {*links} ^ {*manifest.links}}
    where = min(others, default=MANIFEST)
    raise _not_an_entry(staged, f"that {where} is another, is missing, or is not listed")


def _not_an_entry(staged: Path, found: str) -> CacheError:
    return CacheError(
        f"{staged.parent.name}/{staged.name} is no whole artifact",
        expected=f"{MANIFEST} and the content that it lists",
        found=found,
        fix="Export it again, with the version of pytest-mlperf that imports it.",
    )


def _make(recipe: Recipe, content: Path, depot: Depot) -> Delivery | None:
    if isinstance(recipe, RemoteRecipe):
        return recipe.fetch(content, depot)
    recipe.build(content)
    return None


def _visible(directory: Path) -> list[Path]:
    try:
        with os.scandir(directory) as found:
            return sorted(Path(entry) for entry in found if not entry.name.startswith(".") and entry.is_dir())
    except OSError:
        return []


def _clear(entry: Path) -> None:
    """Remove a damaged `entry` and what killed builds of it left; only for the holder of its lock."""
    if os.path.lexists(entry):
        # Out of sight first, at once: its files go one by one.
        entry.rename(entry.with_name(f".{entry.name}.{secrets.token_hex(8)}"))
    for left in entry.parent.iterdir():
        if left.name.startswith(f".{entry.name}."):
            remove_tree(left)


def _publish(temporary: Path, entry: Path) -> Artifact | None:
    """Rename the finished `temporary` to `entry`; return what is there already, if something whole is."""
    try:
        temporary.rename(entry)
    except OSError as error:
        # Only where locks do not hold, as between two hosts that mount a disk with local locks.
        if error.errno not in _TAKEN or (other := _find(entry)) is None:
            raise
        remove_tree(temporary)
        return other
    sync(entry.parent)
    return None


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


@contextmanager
def _faults_of(recipe: Recipe, directory: Path) -> Iterator[None]:
    """Turn an OSError that is the cache's, not the recipe's, into a CacheError."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM or _is_full(error, directory):
            free = shutil.disk_usage(directory).free
            raise CacheError(
                f"no room in the cache to make {recipe.name}",
                found=f"{error}; {free:,} bytes are free in {directory.parent}",
                fix="Free some space or raise the limit there, or choose another cache directory.",
            ) from error
        if error.filename is not None and Path(os.fsdecode(error.filename)).is_relative_to(directory):
            raise _unwritable(directory.parent, error) from error
        raise


def _is_full(error: OSError, directory: Path) -> bool:
    # numpy reports a full disk ("8192 requested and 4096 written") without an error number.
    return error.errno is None and shutil.disk_usage(directory).free < 1 << 20


def _unwritable(path: Path, error: OSError) -> CacheError:
    obstacle = next((at for at in (path, *path.parents) if os.path.lexists(at) and not at.is_dir()), None)
    return CacheError(
        f"cannot write to the cache {path}",
        expected="a directory in which you may write",
        found=f"{obstacle} is not a directory" if obstacle else str(error),
        fix="Make it one, or choose another cache directory.",
    )

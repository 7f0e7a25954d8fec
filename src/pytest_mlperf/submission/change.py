"""How a submission's tree is changed: locked, and by one rename that a kill cannot divide."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pytest_mlperf.artifacts.locks import lease

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_mlperf.artifacts.locks import OnWait

_LOCK: Final = ".lock"
_TREE: Final = "tree"
_LOGS: Final = "logs"
_OLD: Final = "old"


def logs_directory(directory: Path) -> Path:
    """Return where a submission's full accuracy logs are kept."""
    return directory.with_name(f"{directory.name}_logs")


@contextmanager
def locked(directory: Path, on_wait: OnWait | None = None) -> Iterator[None]:
    """Hold a submission's tree alone among all processes, while it is read and changed.

    Raises
    ------
    CacheError
        The lock file, which lies beside the full accuracy logs, cannot be made or locked.
    """
    with lease(logs_directory(directory.absolute()) / _LOCK, on_wait=on_wait):
        yield


@contextmanager
def changed(directory: Path, *, clean: bool) -> Iterator[tuple[Path, Path]]:
    """Yield copies of a tree and of its logs to write to, which replace both at the end of the block.

    A block that raises changes nothing. What a killed process left is finished first, if its block had ended; else it
    is removed. The caller holds the tree's lock.

    Parameters
    ----------
    directory
        The tree, which need not exist.
    clean
        Whether to begin with an empty tree.
    """
    part, ready = _beside(directory, "part"), _beside(directory, "ready")
    finish(directory)
    shutil.rmtree(part, ignore_errors=True)
    try:
        (part / _LOGS).mkdir(parents=True)
        (part / _TREE).mkdir()
        if directory.is_dir() and not clean:
            # Safe: files of a submission are replaced by rename, so the linked originals never change.
            shutil.copytree(directory, part / _TREE, symlinks=True, dirs_exist_ok=True, copy_function=_link)
        yield part / _TREE, part / _LOGS
        part.replace(ready)  # from here on the change is made, by whoever comes next
    finally:
        shutil.rmtree(part, ignore_errors=True)
    finish(directory)


def finish(directory: Path) -> None:
    """Finish the change of a tree that a killed process had begun to put in its place. The caller holds the lock."""
    ready = _beside(directory, "ready")
    if not ready.is_dir():
        return
    if (ready / _TREE).is_dir():
        _exchange(directory, ready)
    logs = logs_directory(directory)
    for file in sorted(path for path in (ready / _LOGS).rglob("*") if path.is_file()):
        target = logs / file.relative_to(ready / _LOGS)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)
    shutil.rmtree(ready)


def _exchange(directory: Path, ready: Path) -> None:
    old = ready / _OLD
    if os.path.lexists(directory):
        directory.replace(old)
    try:
        (ready / _TREE).replace(directory)
    except OSError:
        if old.exists():
            old.replace(directory)
        raise


def _beside(directory: Path, what: str) -> Path:
    return directory.with_name(f".{directory.name}.{what}")


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)

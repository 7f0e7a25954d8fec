"""Takes things out of the cache that nobody uses; changes when what may go does."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.artifacts import entries as on_disk
from pytest_mlperf.artifacts.layout import IMPORT_LOCK, IMPORTS, LOCKS, build_lock, use_lock
from pytest_mlperf.artifacts.locks import is_held, lease
from pytest_mlperf.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_mlperf.artifacts.inventory import Entry


@dataclass(frozen=True)
class Keep:
    """What a collection leaves: what was used within so many `days`, and of that the last used `size` bytes."""

    days: float | None = None
    size: int | None = None


@dataclass(frozen=True)
class Removal:
    """Which entries are gone, and which stay because a process uses them."""

    removed: tuple[Entry, ...]
    in_use: tuple[Entry, ...]


def remove(root: Path, entries: Iterable[Entry]) -> Removal:
    """Remove entries of the cache `root`; what a process uses stays; CacheError where this user may not remove one."""
    gone = [(entry, _take(root, entry)) for entry in entries]
    return Removal(tuple(entry for entry, taken in gone if taken), tuple(entry for entry, taken in gone if not taken))


def collect(root: Path, entries: Sequence[Entry], keep: Keep, now: datetime, *, dry_run: bool = False) -> Removal:
    """Remove what killed processes left, what was not used for long, then the least recently used; see `remove`.

    `entries` is everything in the cache; `now` has its zone. With `dry_run` nothing is removed: return what would be.
    """
    removed: list[Entry] = []
    in_use: list[Entry] = []
    left = sum(entry.size for entry in entries)
    for entry in sorted(entries, key=lambda entry: (entry.state != "unfinished", entry.used, entry.directory)):
        is_old = keep.days is not None and datetime.fromisoformat(entry.used) < now - timedelta(days=keep.days)
        if entry.state != "unfinished" and not is_old and (keep.size is None or left <= keep.size):
            continue
        lock = _lock(root, entry)
        if not (lock and is_held(lock)) if dry_run else _take(root, entry):
            removed.append(entry)
            left -= entry.size
        else:
            in_use.append(entry)
    return Removal(tuple(removed), tuple(in_use))


def _take(root: Path, entry: Entry) -> bool:
    """Remove one entry; return False where it is in use."""
    lock, directory = _lock(root, entry), Path(entry.directory)
    try:
        with nullcontext() if lock is None else lease(lock, timeout=0):
            if entry.is_artifact:
                directory = on_disk.hide(directory)
            else:  # under the lock: another fetch or build could begin there at once
                on_disk.remove_tree(directory)
        if entry.is_artifact:  # its files go one by one, and nobody has to wait for that
            on_disk.remove_tree(directory)
    except FileNotFoundError:
        return True
    except TimeoutError:
        return False
    except OSError as error:
        raise _unremovable(directory, error.strerror or str(error)) from error
    if os.path.lexists(directory):
        raise _unremovable(directory, "files in it that are not yours")
    return True


def _lock(root: Path, entry: Entry) -> Path | None:
    """Return the lock that whoever uses an entry holds; None where nobody can."""
    directory = Path(entry.directory)
    if entry.is_artifact:
        return use_lock(directory)
    if entry.state == "partial":
        # What one user has alone may be a part of what all of them make.
        locks = [base / LOCKS / f"{directory.name}.lock" for base in (directory.parent.parent, root)]
        return next(filter(Path.exists, locks), locks[-1])
    if directory.name == IMPORTS:
        return root / IMPORT_LOCK
    if entry.state == "unfinished":
        return build_lock(directory.with_name(entry.name))
    return None


def _unremovable(directory: Path, found: str) -> CacheError:
    expected, fix = "an entry of a cache in which you may write", "ask whoever owns it to remove it"
    return CacheError(f"cannot remove {directory}", expected=expected, found=found, fix=fix)

"""The lease of a device: one for all users of the machine, whatever their environment says."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from pytest_mlperf.artifacts.locks import lease
from pytest_mlperf.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.artifacts.locks import OnWait

#: Directories of the system in which every user may make files, by preference: /tmp may be one for each service, and
#: what is old there is removed. A variable such as TMPDIR would give two users two leases for one device.
PLACES: tuple[Path, ...] = (Path("/run/lock"), Path("/tmp"))  # noqa: S108 - files of a fixed name there are what `lease` is careful with


@contextmanager
def hold_device(
    device: str, on_wait: OnWait | None = None, *, alone: bool, timeout: float | None = None
) -> Iterator[None]:
    """Lock a device among all users of this machine: alone for a performance run, shared for anything else.

    ``cuda:0`` is a part of ``cuda``: who holds a part keeps those out who want the whole alone.

    Raises
    ------
    CacheError
        The device cannot be locked, or somebody removed the lock during the block.
    TimeoutError
        Others still held it after `timeout` seconds; None waits for as long as it takes.
    """
    with ExitStack() as stack:
        whole, _, part = device.partition(":")
        try:
            if part:
                stack.enter_context(lease(lock_file(whole), timeout=timeout, shared=True, on_wait=on_wait, kept=True))
            stack.enter_context(lease(lock_file(device), timeout=timeout, shared=not alone, on_wait=on_wait, kept=True))
        except CacheError as error:
            raise _refused(device, error) from error
        yield


def lock_file(device: str) -> Path:
    """Return the lock file of a device."""
    place = next(filter(_is_for_all, PLACES), PLACES[-1])
    # A backend may name its devices as it likes.
    return Path(os.path.realpath(place), f"pytest-mlperf-{quote(device, safe='')}.lock")


def _is_for_all(place: Path) -> bool:
    """Say whether every user may make files there; the answer must be the same for all of them, root among them."""
    try:
        return place.stat().st_mode & 0o1777 == 0o1777 and not os.statvfs(place).f_flag & os.ST_RDONLY
    except OSError:
        return False


def _refused(device: str, error: CacheError) -> CacheError:
    place = lock_file(device).parent
    fix = f"have its owner, or root, remove what is wrong; every user must be able to make files in {place}"
    what = f"cannot lock the device {device}: {error.what}"
    return CacheError(what, expected=error.expected, found=error.found, fix=fix)

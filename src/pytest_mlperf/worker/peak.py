"""The peak of this process's memory, without what was used for something that is no part of the run."""

from __future__ import annotations

import ctypes
import gc
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

KIBIBYTE = 1024
#: Written to clear_refs, it sets VmHWM to what is resident now (proc(5)).
_RESET_PEAK = "5"


class PeakMemory:
    """The peak of the resident memory of this process."""

    def __init__(self) -> None:
        self._before = 0

    @property
    def size(self) -> int:
        """The peak so far in bytes, but for what was excluded."""
        return max(self._before, _status("VmHWM"))

    @contextmanager
    def excluded(self) -> Iterator[None]:
        """Do something whose memory does not count, and give that memory back to the system.

        Where the kernel does not allow that, it counts.
        """
        before = self.size
        yield
        free_unused()
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text(_RESET_PEAK, "ascii")
            self._before = before


def free_unused() -> None:
    """Give what is not used any more back to the system, as far as the C library can."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def resident_bytes() -> int:
    """Return the memory of this process that is resident now."""
    return _status("VmRSS")


def _status(name: str) -> int:
    # Not from getrusage: its maximum survives exec and so includes the parent's.
    for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * KIBIBYTE
    return 0

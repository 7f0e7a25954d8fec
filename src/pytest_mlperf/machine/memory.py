"""How much memory this process can still take: what is free on the machine, and within its control groups' limits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_mlperf.machine.control_groups import control_groups
from pytest_mlperf.machine.kernel import ROOT, number, pairs, text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Limit, use, and the part of it that is given up first, in version 2 and in version 1.
_FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_memory(root: Path = ROOT) -> int | None:
    """Return the bytes that can still be taken without swapping; None if that is unknown."""
    available = re.search(r"^MemAvailable:\s+(\d+) kB", text(root / "proc/meminfo"), re.MULTILINE)
    free = [int(available[1]) << 10] if available else []
    for group in control_groups("memory", root):
        free += _left(group)
    return min(free, default=None)


def _left(group: Path) -> Iterator[int]:
    for limit_file, use_file, given_up in _FILES:
        limit, use = (number(text(group / name)) for name in (limit_file, use_file))  # "max" is no number
        if limit is not None and use is not None:
            yield max(0, int(limit - use) + pairs(text(group / "memory.stat")).get(given_up, 0))

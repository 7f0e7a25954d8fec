"""Which CPUs this process may use, and how much of them: its affinity, and its control groups' quotas."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.machine.control_groups import control_groups
from pytest_mlperf.machine.kernel import ROOT, text

if TYPE_CHECKING:
    from pathlib import Path


class Cores(msgspec.Struct, frozen=True, kw_only=True):
    """The CPUs for this process.

    Attributes
    ----------
    online
        How many the machine has.
    affinity
        How many of them this process may run on.
    quota
        How many CPUs' time a second its control groups allow; None if they set no limit or none is readable.
    """

    online: int
    affinity: int
    quota: float | None = None

    @property
    def usable(self) -> float:
        """How many CPUs' time a second a run can have at most."""
        return self.affinity if self.quota is None else min(self.affinity, self.quota)


def read_cores(root: Path = ROOT) -> Cores:
    """Return the CPUs for this process, with the tightest quota of its control group and those above it."""
    quotas = [quota for group in control_groups("cpu", root) if (quota := _quota(group)) is not None]
    return Cores(
        online=os.cpu_count() or 1, affinity=len(os.sched_getaffinity(0)), quota=min(quotas) if quotas else None
    )


def available_cores() -> int:
    """Return how many threads can work at once: `Cores.usable`, at least 1."""
    return max(1, int(read_cores().usable))


def _quota(group: Path) -> float | None:
    try:
        if (group / "cpu.max").exists():
            quota, period = text(group / "cpu.max").split()
        else:
            quota, period = text(group / "cpu.cfs_quota_us").strip(), text(group / "cpu.cfs_period_us").strip()
        return int(quota) / int(period) if int(quota) > 0 else None
    except (ValueError, ZeroDivisionError):  # "max", or nothing that can be read
        return None

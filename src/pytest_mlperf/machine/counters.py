"""The kernel's counters at one moment: CPU time, pressure, throttling, swap, frequency."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_mlperf.machine.control_groups import control_groups
from pytest_mlperf.machine.kernel import ROOT, number, pairs, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_RESOURCES = ("cpu", "memory", "io")
#: Where /proc/stat has the times of a CPU: user, nice, system, irq, softirq; steal.
_BUSY, _STEAL = (0, 1, 2, 5, 6), 7
_MICROSECONDS, _NANOSECONDS = 1e-6, 1e-9


@dataclass(frozen=True)
class Counters:
    """What the kernel had counted at a moment. Times are in seconds; None or a missing key is unknown.

    Attributes
    ----------
    at
        The moment, on CLOCK_MONOTONIC.
    busy, steal
        CPU time spent on the CPUs that this process may use, by anyone, and taken from them by a hypervisor.
    own
        CPU time of this process and of the session of the given leader.
    throttled
        Time in which the control groups' quota stopped their processes, over all CPUs.
    stalled
        Time in which somebody waited for a resource: ``cpu``, ``memory``, ``io``; ``group-cpu`` … in the control group.
    swapped
        Bytes swapped in and out.
    thermal
        How often a processor became too hot.
    load
        The load average of the last minute.
    frequency_mhz
        The mean of the CPUs now.
    """

    at: float
    busy: float | None
    steal: float | None
    own: float | None
    throttled: float | None
    stalled: Mapping[str, float] = field(default_factory=dict)
    swapped: float | None = None
    thermal: float | None = None
    load: float | None = None
    frequency_mhz: float | None = None


def read_counters(leader: int | None = None, root: Path = ROOT, cpus: Sequence[int] | None = None) -> Counters:
    """Read the counters now.

    Parameters
    ----------
    leader
        The leader of a session of processes that is this process's own work; its children that have ended count too.
    root
        The directory that contains /proc and /sys.
    cpus
        The CPUs to look at; by default those that this process may use.
    """
    looked_at = sorted(os.sched_getaffinity(0)) if cpus is None else cpus
    times = _cpu_times(text(root / "proc/stat"), looked_at)
    groups = control_groups("cpu", root)
    swap = pairs(text(root / "proc/vmstat"))
    load = text(root / "proc/loadavg").split()
    devices = [root / f"sys/devices/system/cpu/cpu{cpu}" for cpu in looked_at]
    return Counters(
        at=time.monotonic(),
        busy=sum(row[n] for row in times for n in _BUSY) if times else None,
        steal=sum(row[_STEAL] for row in times) if times else None,
        own=_own(leader, root),
        throttled=_throttled(groups),
        stalled=dict(_stalled(root, groups)),
        swapped=(swap["pswpin"] + swap["pswpout"]) * os.sysconf("SC_PAGE_SIZE") if "pswpin" in swap else None,
        thermal=_sum(number(text(cpu / "thermal_throttle/core_throttle_count")) for cpu in devices),
        load=number(load[0]) if load else None,
        frequency_mhz=_frequency(devices, text(root / "proc/cpuinfo")),
    )


def pressure_now(root: Path = ROOT) -> dict[str, float]:
    """Return the per cent of the last 10 s in which somebody waited for each resource."""
    found = ((name, _some(text(root / "proc/pressure" / name), "avg10")) for name in _RESOURCES)
    return {name: value for name, value in found if value is not None}


def _cpu_times(stat: str, cpus: Iterable[int]) -> list[list[float]]:
    tick = os.sysconf("SC_CLK_TCK")
    rows = {fields[0]: fields[1:] for line in stat.splitlines() if (fields := line.split())}
    times = [rows[f"cpu{cpu}"] for cpu in cpus if f"cpu{cpu}" in rows]
    return [[int(value) / tick for value in row] for row in times if len(row) > _STEAL]


def _own(leader: int | None, root: Path) -> float | None:
    spent = os.times()
    ended = spent.user + spent.system + spent.children_user + spent.children_system
    if leader is None:
        return ended
    with os.scandir(root / "proc") as entries:
        pids = [entry.name for entry in entries if entry.name.isdecimal()]
    return ended + sum(_session_time(text(root / "proc" / pid / "stat"), leader) for pid in pids)


def _session_time(stat: str, leader: int) -> float:
    """Return a process's CPU time, with that of its ended children, from /proc/<pid>/stat; 0 in another session."""
    fields = stat.rpartition(")")[2].split()  # the name before may contain anything
    if len(fields) < 15 or int(fields[3]) != leader:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _throttled(groups: Iterable[Path]) -> float | None:
    found = []
    for group in groups:
        stat = pairs(text(group / "cpu.stat"))
        if "throttled_usec" in stat:
            found.append(stat["throttled_usec"] * _MICROSECONDS)
        elif "throttled_time" in stat:
            found.append(stat["throttled_time"] * _NANOSECONDS)
    return _sum(found)


def _stalled(root: Path, groups: Sequence[Path]) -> Iterable[tuple[str, float]]:
    places = [("", root / "proc/pressure", "")]
    if groups and (groups[0] / "cpu.pressure").exists():
        places.append(("group-", groups[0], ".pressure"))
    for prefix, directory, suffix in places:
        for name in _RESOURCES:
            total = _some(text(directory / f"{name}{suffix}"), "total")
            if total is not None:
                yield f"{prefix}{name}", total * _MICROSECONDS


def _some(pressure: str, key: str) -> float | None:
    match = re.search(rf"^some .*\b{key}=([\d.]+)", pressure, re.MULTILINE)
    return float(match[1]) if match else None


def _frequency(devices: Iterable[Path], cpuinfo: str) -> float | None:
    kilohertz = [value for cpu in devices if (value := number(text(cpu / "cpufreq/scaling_cur_freq"))) is not None]
    if kilohertz:
        return sum(kilohertz) / len(kilohertz) / 1000
    megahertz = [float(value) for value in re.findall(r"^cpu MHz\s*:\s*([\d.]+)", cpuinfo, re.MULTILINE)]
    return sum(megahertz) / len(megahertz) if megahertz else None


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None

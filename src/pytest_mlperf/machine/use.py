"""What happened on the machine while a run was prepared and timed, as a run's result records it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.machine.cores import Cores

if TYPE_CHECKING:
    from pytest_mlperf.machine.counters import Counters


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in a span of time; None or a missing key is unknown.

    Attributes
    ----------
    seconds
        How long it was.
    own, others, steal
        CPUs' worth of time, on the CPUs that the run may use: of the run, of other processes, of the hypervisor.
    throttled
        CPUs' worth of time in which the control group's quota stopped the run.
    stalled
        The share of the time in which somebody waited for ``cpu``, ``memory`` or ``io``; ``group-cpu`` … is the same of
        the run's control group. The run's own threads count.
    swapped_bytes
        Swapped in and out.
    thermal
        How often a processor slowed down because it was too hot.
    load, frequency_mhz
        The load average and the CPUs' mean frequency at the end.
    """

    seconds: float
    own: float | None = None
    others: float | None = None
    steal: float | None = None
    throttled: float | None = None
    stalled: dict[str, float] = {}
    swapped_bytes: int | None = None
    thermal: int | None = None
    load: float | None = None
    frequency_mhz: float | None = None


class AcceleratorState(msgspec.Struct, frozen=True, kw_only=True):
    """An accelerator before the run, as its driver tells; None or empty is unknown.

    Attributes
    ----------
    name, driver
        Its name, and the driver's version.
    clock_mhz, max_clock_mhz
        The clock of its processors, and the highest.
    power_limit_w
        The most power that it may take.
    """

    name: str = ""
    driver: str = ""
    clock_mhz: float | None = None
    max_clock_mhz: float | None = None
    power_limit_w: float | None = None


class DeviceUse(msgspec.Struct, frozen=True, kw_only=True):
    """The accelerators of a run, and what others did on them before it and after it, when the run itself was not there.

    Attributes
    ----------
    processes
        Their processes, as in ``4711 python``; None if unknown.
    memory_bytes
        Memory in use.
    utilization
        The busiest one's, in per cent, before the run.
    accelerators
        What they are, and how they are set.
    """

    processes: tuple[str, ...] | None = None
    memory_bytes: int | None = None
    utilization: float | None = None
    accelerators: tuple[AcceleratorState, ...] = ()


class MachineUse(msgspec.Struct, frozen=True, kw_only=True):
    """The machine, and what happened on it, for one run.

    Attributes
    ----------
    processor, cores, governor
        The processor's name, the CPUs for the run, and how their frequency is governed.
    load, pressure, swap_used_bytes
        Before the run: the load average, per cent of the last 10 s that somebody waited for a resource, swap in use.
    before, during
        From the start of the run's process to the test, and the test; `before` is None if the implementation does not
        say when the test begins.
    device
        Other users of the accelerators; None on cpu.
    busy
        In words, what makes the machine a busy one; empty for a quiet machine.
    """

    processor: str
    cores: Cores
    governor: str = ""
    load: float | None = None
    pressure: dict[str, float] = {}
    swap_used_bytes: int | None = None
    before: Span | None = None
    during: Span | None = None
    device: DeviceUse | None = None
    busy: tuple[str, ...] = ()


def span(start: Counters, end: Counters) -> Span:
    """Return what happened between two readings."""
    seconds = end.at - start.at
    busy, own = _less(end.busy, start.busy), _less(end.own, start.own)
    return Span(
        seconds=round(seconds, 3),
        own=_rate(own, seconds),
        # The kernel counts a CPU's time and a process's in different ways: the difference may be a little below 0.
        others=_rate(max(0.0, busy - own), seconds) if busy is not None and own is not None else None,
        steal=_rate(_less(end.steal, start.steal), seconds),
        throttled=_rate(_less(end.throttled, start.throttled), seconds),
        stalled={
            name: _share(total - start.stalled[name], seconds)
            for name, total in end.stalled.items()
            if name in start.stalled
        },
        swapped_bytes=_whole(_less(end.swapped, start.swapped)),
        thermal=_whole(_less(end.thermal, start.thermal)),
        load=end.load,
        frequency_mhz=round(end.frequency_mhz) if end.frequency_mhz is not None else None,
    )


def _less(end: float | None, start: float | None) -> float | None:
    return None if end is None or start is None else end - start


def _rate(spent: float | None, seconds: float) -> float | None:
    return None if spent is None or seconds <= 0 else round(spent / seconds, 3)


def _share(stalled: float, seconds: float) -> float:
    return round(min(1.0, max(0.0, stalled) / seconds), 3) if seconds > 0 else 0.0


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)

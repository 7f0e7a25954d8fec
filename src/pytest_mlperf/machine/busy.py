"""When a machine is too busy for a figure: the thresholds, and the words. docs/performance.md has the measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.machine.use import DeviceUse, MachineUse, Span

#: Of the CPU time that the run may have, the share that others may take …
OTHERS = 0.05
#: … and that the hypervisor may take, or the control group's quota refuse.
STEAL = 0.05
THROTTLED = 0.01
#: CPU time below this is within what the kernel's ticks of 1/100 s can tell.
LEAST_SECONDS = 0.1
SWAPPED_BYTES = 1 << 20
#: The share of the time in which somebody waited for memory.
MEMORY = 0.05
#: Per cent of an accelerator's time before the run.
UTILIZATION = 5.0
_MEBIBYTE = 1 << 20


def busy(use: MachineUse) -> tuple[str, ...]:
    """Return what makes a machine a busy one, in words; empty for a quiet one, and for what is unknown."""
    words: list[str] = []
    if use.before is not None:
        words += [f"before the test {what}" for what in _span(use.before, use)]
    if use.during is not None:
        words += [f"during the test {what}" for what in _span(use.during, use)]
    if use.device is not None:
        words += _device(use.device)
    return tuple(words)


def _span(span: Span, use: MachineUse) -> Iterator[str]:
    usable = use.cores.usable
    if span.others is not None:
        # Others on CPUs that the quota leaves idle anyway take nothing.
        lost = min(usable, span.others - (use.cores.affinity - usable))
        if _counts(lost, span, OTHERS * usable):
            yield f"other processes used {span.others:.2g} of {use.cores.affinity} CPUs"
    if span.steal is not None and _counts(span.steal, span, STEAL * usable):
        yield f"the hypervisor kept {span.steal:.2g} of {use.cores.affinity} CPUs for others (steal)"
    if span.throttled is not None and _counts(span.throttled, span, THROTTLED * usable):
        yield f"the quota of {usable:g} CPUs stopped the run (throttled for {span.throttled * span.seconds:.2g} s)"
    if span.swapped_bytes is not None and span.swapped_bytes >= SWAPPED_BYTES:
        yield f"{span.swapped_bytes / _MEBIBYTE:.0f} MiB were swapped"
    if span.stalled.get("memory", 0.0) >= MEMORY:
        yield f"processes waited for memory {span.stalled['memory']:.0%} of the time"
    if span.thermal:
        yield "a processor was too hot and slowed down"


def _counts(cpus: float, span: Span, most: float) -> bool:
    return cpus > most and cpus * span.seconds >= LEAST_SECONDS


def _device(device: DeviceUse) -> Iterator[str]:
    if device.processes:
        yield f"other processes are on the accelerator: {', '.join(device.processes)}"
    elif device.utilization is not None and device.utilization >= UTILIZATION:
        yield f"the accelerator was {device.utilization:.0f} % in use before the run"

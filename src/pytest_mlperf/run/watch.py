"""Watches the machine and its clocks around a child process, by the phases that the child reports."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.implementations.protocol import FINISHING
from pytest_mlperf.machine.accelerators import both, read_device_use
from pytest_mlperf.machine.busy import busy
from pytest_mlperf.machine.clock import Clock, StepWatch, raw_ns
from pytest_mlperf.machine.cores import read_cores
from pytest_mlperf.machine.counters import pressure_now, read_counters
from pytest_mlperf.machine.hardware import governor, processor_model, swap_used
from pytest_mlperf.machine.use import MachineUse, span

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_mlperf.implementations.protocol import Progress, RunSpec
    from pytest_mlperf.machine.cluster import Cluster
    from pytest_mlperf.machine.counters import Counters

    OnProgress = Callable[[Progress], None]


class MachineWatch:
    """Reads the machine before a child starts, when its test begins and ends, and when it has ended.

    Parameters
    ----------
    spec
        The run, for its device and the phase that is its test.
    """

    def __init__(self, spec: RunSpec) -> None:
        self._spec = spec
        self._leader: int | None = None
        self._device = read_device_use(spec.device)
        self._use = MachineUse(
            processor=processor_model(),
            cores=read_cores(),
            governor=governor(),
            pressure=pressure_now(),
            swap_used_bytes=swap_used(),
        )
        self._start = read_counters()
        self._test: Counters | None = None
        self._end: Counters | None = None
        self._steps = StepWatch()
        self._began = self._ended = raw_ns()

    def following(self, leader: int, on_progress: OnProgress) -> OnProgress:
        """Return `on_progress`, changed so that the watch follows the child too, which leads a session of its own."""
        self._leader = leader

        def see(progress: Progress) -> None:
            self._see(progress.phase)
            on_progress(progress)

        return see

    def ended(self, cluster: Cluster | None = None) -> tuple[MachineUse, Clock]:
        """Note that the child has ended; return what happened, and the test as it was timed from here.

        What the nodes of a cluster that was there before did on this machine is the run's, too.
        """
        end = self._end or self._finish()
        nodes = cluster.nodes if cluster is not None and not cluster.started else ()
        before = sum(node.cpu_seconds_before for node in nodes if node.here)
        during = sum(node.cpu_seconds for node in nodes if node.here)
        test = _with_own(self._test, before) if self._test is not None else None
        use = structs.replace(
            self._use,
            load=self._start.load,
            before=span(self._start, test) if test is not None else None,
            during=span(test or self._start, _with_own(end, before + during)),
            device=both(self._device, read_device_use(self._spec.device)),
        )
        clock = Clock(shortest=0.0, longest=(self._ended - self._began) / 1e9, step=self._steps.seconds)
        elsewhere = (f"{what}, on {node.name}" for node in nodes for what in node.busy)
        return structs.replace(use, busy=(*busy(use), *elsewhere)), clock

    def _see(self, phase: str) -> None:
        self._steps.look()
        if self._test is None and phase == self._spec.mode:
            self._test, self._steps, self._began = read_counters(self._leader), StepWatch(), raw_ns()
        elif self._test is not None and self._end is None and phase == FINISHING:
            self._finish()

    def _finish(self) -> Counters:
        self._steps.look()
        self._end, self._ended = read_counters(self._leader), raw_ns()
        return self._end


def _with_own(counters: Counters, seconds: float) -> Counters:
    """Return counters with more CPU time of the run's own."""
    return counters if counters.own is None else replace(counters, own=counters.own + seconds)

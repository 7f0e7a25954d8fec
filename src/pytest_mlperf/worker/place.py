"""Where a run's samples are kept and its models answer: in this process, unless a subclass knows of other processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.backends.base import REMOTE
from pytest_mlperf.benchmarks.base import Benchmark as BaseBenchmark
from pytest_mlperf.machine.cores import available_cores
from pytest_mlperf.worker.library import SampleLibrary
from pytest_mlperf.worker.tuning import Models

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_mlperf.backends.base import Backend, Model
    from pytest_mlperf.benchmarks.base import Benchmark, Samples
    from pytest_mlperf.implementations.protocol import Check, ExecutionLayout, RunSpec, WorkerResult


class Place:
    """The process itself.

    Parameters
    ----------
    spec
        The run.
    """

    #: Whether a layout that an earlier run found on this machine is one for the place.
    keeps_layouts = True
    #: What LoadGen logs as the name of a SUT behind a network; empty for one that is here.
    sut_name = ""

    def __init__(self, spec: RunSpec) -> None:
        self.spec = spec

    @property
    def is_here(self) -> bool:
        """Whether this process answers, and is no client of who does."""
        return self.spec.device != REMOTE

    def open(self, backend: Backend, enter: Callable[[str], None]) -> dict[str, str]:
        """Make the place ready and return the versions that only it knows; `enter` is told what it does."""
        del backend, enter
        return {}

    def threads(self) -> tuple[int, ...]:
        """Return the threads for inferences, by machine."""
        # The threads of a remote model are not this machine's.
        return (1 if self.spec.device == REMOTE else self.spec.num_threads or available_cores(),)

    def library(self, samples: Samples) -> SampleLibrary:
        """Return what keeps the samples that LoadGen has loaded."""
        return SampleLibrary(samples, available_cores())

    def models(self, load: Callable[[int], Model]) -> Models:
        """Return what loads the models; `load` loads one in this process."""
        return Models(load, self.spec.backend_name)

    def cost(self, benchmark: Benchmark, library: SampleLibrary) -> Callable[[int], float] | None:
        """Return a function for the cost of a loaded sample; None if the benchmark does not define it."""
        if not has_costs(benchmark):
            return None
        return lambda index: benchmark.cost(library.batch([index])[0])

    def compare(self, here: Callable[[], Check], layout: ExecutionLayout) -> Check:
        """Compare the model with ONNX Runtime; `here` does it in this process."""
        del layout
        return here()

    def abandon(self) -> None:
        """Leave the place when the run has failed."""

    def ended(self, result: WorkerResult) -> WorkerResult:
        """Leave the place, and return the result with what it knows of the run."""
        return result


def has_costs(benchmark: Benchmark) -> bool:
    """Return whether a benchmark says what its samples cost."""
    return type(benchmark).cost is not BaseBenchmark.cost

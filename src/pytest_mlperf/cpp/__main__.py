"""Runs one case with the C++ program: prepares what the program needs, lets it run LoadGen's test, writes result.json.

``python -m pytest_mlperf.cpp IMPLEMENTATION PROGRAM LIBRARY-DIRECTORY run.json``; the directory may be empty.
"""

from __future__ import annotations

import faulthandler
import math
import os
import platform
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from pytest_mlperf.backends.model_file import Graph, Tensor
from pytest_mlperf.benchmarks.base import Benchmark as BaseBenchmark
from pytest_mlperf.cpp.answers import answers_of
from pytest_mlperf.cpp.compared import ProgramModel
from pytest_mlperf.cpp.program import Program, Setup
from pytest_mlperf.cpp.runtime import RUNTIMES
from pytest_mlperf.cpp.sample_file import SampleFile
from pytest_mlperf.cpp.settings import settings_words
from pytest_mlperf.errors import RequirementError
from pytest_mlperf.implementations.protocol import (
    FINISHING,
    RESULT_FILE,
    ExecutionLayout,
    WorkerResult,
    read_spec,
    write_json,
)
from pytest_mlperf.machine.clock import RunClock
from pytest_mlperf.machine.cores import available_cores
from pytest_mlperf.scenarios import SCENARIOS
from pytest_mlperf.scenarios.base import Machine, Tuned
from pytest_mlperf.worker.__main__ import Stopwatch, expected_samples
from pytest_mlperf.worker.answer_times import read_sketch
from pytest_mlperf.worker.completion import ignore
from pytest_mlperf.worker.conformance import compare, comparison_notes, is_compared
from pytest_mlperf.worker.guard import Guard, exit_with_parent, leave
from pytest_mlperf.worker.loadgen import (
    apply_round,
    apply_user_conf,
    built_in_settings,
    loadgen_version,
    official_length,
    write_audit_config,
)
from pytest_mlperf.worker.memory import check_memory
from pytest_mlperf.worker.model_files import ModelFiles
from pytest_mlperf.worker.progress import Reporter
from pytest_mlperf.worker.promise import promised, seconds_left
from pytest_mlperf.worker.tuning import LARGEST_BATCH, rehearsed, untuned, warm_up
from pytest_mlperf.worker.usual_cost import with_usual_cost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mlperf_loadgen import TestSettings

    from pytest_mlperf.backends.base import Model
    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.benchmarks.base import Benchmark, Records
    from pytest_mlperf.cpp.program import Word
    from pytest_mlperf.cpp.runtime import Runtime
    from pytest_mlperf.datasets.base import Samples
    from pytest_mlperf.implementations.protocol import Check, RunSpec, Trial
    from pytest_mlperf.scenarios.base import Scenario


class CountingReporter(Reporter):
    """Reports the samples that the program counts."""

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count
        self._before = 0
        super().__init__()

    @property
    def done(self) -> int:
        """The samples done in this phase."""
        return self._count() - self._before

    @done.setter
    def done(self, value: int) -> None:
        self._before = self._count() - value


@dataclass(frozen=True)
class ProgramTrials:
    """Lets the program try layouts with `samples` samples that it holds."""

    program: Program
    scenario: Scenario
    machine: Machine
    samples: int

    def rehearse(self, layout: ExecutionLayout, seconds: float, *, warm: bool, first: bool) -> Tuned:
        """Answer rehearsal queries with a layout and measure it; the program warms up each time."""
        del warm, first
        query = self.scenario.query_size(layout, self.machine)
        rate, of_query = self.program.request(
            "rehearse", self.scenario.name, *_words(layout), query, self.samples, seconds
        )
        return Tuned(layout, float(rate), float(of_query), {})

    def is_prompt(self, trial: Tuned) -> bool:
        """Return True: what runs on this machine is tried to the end."""
        del trial
        return True

    def keep(self, layout: ExecutionLayout) -> None:
        """Let the program close the models that a layout does not use."""
        self.program.request("keep", layout.threads, layout.streams)


def run(spec: RunSpec, runtime: Runtime, executable: str, library: Path | None) -> WorkerResult:
    """Run the case and return its result."""
    watch = Stopwatch()
    benchmark: Benchmark = replace(resolve_name(spec.benchmark), variant=spec.variant)
    settings = built_in_settings(benchmark.loadgen_model, spec.scenario)
    apply_round(settings, spec.round)
    official = official_length(settings)
    file = benchmark.model_file(spec.model_format, spec.model_precision, spec.variant)
    samples = benchmark.dataset.open(Path(spec.dataset), spec.sample_count, spec.variant)
    graph = file.graph if file.graphs else sampled_graph(benchmark, samples)
    memory = SampleFile(benchmark, graph.inputs, samples, available_cores())
    reporter = CountingReporter(lambda: memory.done)
    reporter.enter("loading")
    files = ModelFiles(spec, file)
    program = Program(executable, _setup(spec, runtime, benchmark, graph, runtime.library(library)), memory)
    trials = _trials(spec, benchmark, program, settings, len(samples))
    weights = tuple(runtime.weight_types(Path(spec.model)))
    runtime.require_precision(weights, spec.precision)
    files.check()
    watch.lap("load")
    reporter.enter("warming up")
    (told,) = program.request("version")
    versions = _versions(spec, runtime, told)
    tuned, tried = _tuned(spec, trials, versions)
    if spec.mode == "performance":
        tuned = with_usual_cost(tuned, benchmark, samples, rehearsed(trials, range(trials.samples), tuned))
    watch.lap("warm-up")
    apply_user_conf(
        settings, spec, benchmark.loadgen_model, benchmark.short, tuned, seconds_left(spec, sum(watch.seconds.values()))
    )
    promise = promised(settings, spec, official, len(samples), tuned)
    check_memory(settings, spec.scenario, spec.mode, samples[0] if len(samples) else None, len(samples))
    trials.keep(tuned.layout)
    files.check()
    checks: tuple[Check, ...] = ()
    if is_compared(spec, file):
        reporter.enter("comparing with ONNX Runtime")
        model = ProgramModel(program, memory, graph, spec.device, tuned.layout.threads, weights)
        checks = (_compared(spec, benchmark, file, samples, model, tuned.layout.batch, trials.machine.threads),)
        watch.lap("comparison")
    least_seconds = settings.min_duration_ms / 1000 if spec.mode == "performance" else 0
    reporter.enter(spec.mode, expected_samples(spec, settings), least_seconds or None, promise)
    clock = RunClock()
    with clock:
        words = _test(spec, benchmark, settings, tuned, len(samples))
        done, peak, dropped, *moments = map(int, program.request("test", *words))
    clock.noted(*moments)
    reporter.enter(FINISHING)
    watch.lap("test")
    latencies, timeline = None, None
    if spec.mode == "performance":
        timed = SCENARIOS[spec.scenario].timed
        latencies, timeline = read_sketch(_times_file(spec), moments[1], done if dropped else None, timed)
    files.check()
    program.close()
    return WorkerResult(
        device=spec.device,
        layout=tuned.layout,
        official=official,
        versions=versions,
        seconds=watch.seconds,
        samples_done=done,
        weight_types=weights,
        model_sha256=files.sha256,
        peak_memory_bytes=peak,
        notes=comparison_notes(spec, checks),
        clock=clock.result(),
        checks=checks,
        latencies=latencies,
        timeline=timeline,
        pilot=tried,
        promise=promise,
    )


def sampled_graph(benchmark: Benchmark, samples: Samples) -> Graph:
    """Return the graph of a file of which only a sample says what goes in: its outputs are as the file has them."""
    inputs = benchmark.collate([samples[0]])
    return Graph(tuple(Tensor(name, value.dtype.name, (None, *value.shape[1:])) for name, value in inputs.items()), ())


def _setup(spec: RunSpec, runtime: Runtime, benchmark: Benchmark, graph: Graph, library: Path) -> Setup:
    answers = answers_of(benchmark)
    if answers is None:
        raise RequirementError(
            f"the implementation {runtime.implementation} cannot run {spec.benchmark}",
            expected="a benchmark whose answers it can encode",
            found=" ".join(filter(None, (spec.model_format, spec.model_precision, spec.variant))),
            fix="use --implementation python",
        )
    runtime.check_options(spec.backend_options)
    runtime.check_file(Path(spec.model))
    return Setup(library, Path(spec.model), spec.device, spec.backend_options, graph, answers)


def _compared(
    spec: RunSpec,
    benchmark: Benchmark,
    file: ModelFile,
    samples: Samples,
    model: ProgramModel,
    batch: int,
    threads: int,
) -> Check:
    """Compare the program's model with ONNX Runtime on some samples."""

    def answer(compared: Model, indices: Sequence[int]) -> Records:
        return benchmark.answer(compared, [samples[index] for index in indices], indices, ignore)

    return compare(spec, benchmark, file, model, answer, batch, threads)


def _trials(
    spec: RunSpec, benchmark: Benchmark, program: Program, settings: TestSettings, samples: int
) -> ProgramTrials:
    """Let the program load the model; return what tries layouts with it."""
    threads = spec.num_threads or available_cores()
    (largest,) = program.request("model", threads)
    return ProgramTrials(
        program,
        SCENARIOS[spec.scenario],
        Machine(
            threads,
            max_batch=min(int(largest) or LARGEST_BATCH, spec.max_batchsize or LARGEST_BATCH),
            samples_per_query=settings.multi_stream_samples_per_query,
        ),
        min(benchmark.short.rehearsal, samples),
    )


def _tuned(spec: RunSpec, trials: ProgramTrials, versions: dict[str, str]) -> tuple[Tuned, tuple[Trial, ...]]:
    if spec.mode == "accuracy":
        return untuned(trials.scenario.untuned(trials.machine)), ()
    trials.program.request("hold", trials.samples)
    found = warm_up(trials, spec, versions)
    trials.program.request("release", trials.samples)
    return found


def _test(spec: RunSpec, benchmark: Benchmark, settings: TestSettings, tuned: Tuned, samples: int) -> Iterator[Word]:
    """Yield the words of the request for the test, as ``source/worker.cc`` reads them."""
    yield from (spec.scenario, *_words(tuned.layout), spec.output, str(write_audit_config(spec) or ""))
    yield from (str(_times_file(spec)) if spec.mode == "performance" else "", SCENARIOS[spec.scenario].timed)
    yield settings.server_target_latency_ns / 1e9 if spec.mode == "performance" else math.inf
    yield int(type(benchmark).cost is not BaseBenchmark.cost)
    yield min(settings.performance_sample_count_override or samples, samples)
    yield len(tuned.latency)
    for size, seconds in sorted(tuned.latency.items()):
        yield from (size, seconds)
    yield from settings_words(settings)


def _times_file(spec: RunSpec) -> Path:
    return Path(spec.output) / ".answer_times"


def _words(layout: ExecutionLayout) -> tuple[int, int, int]:
    return layout.streams, layout.threads, layout.batch


def _versions(spec: RunSpec, runtime: Runtime, told: str) -> dict[str, str]:
    built = {"loadgen_built": spec.loadgen_built} if spec.loadgen_built else {}
    own = {runtime.package: runtime.version(told)}
    return {"python": platform.python_version(), "loadgen": loadgen_version(), **built, **own}


def main(implementation: str, executable: str, library: str, run_file: Path) -> None:
    """Run the case that `run_file` describes and exit: with 0, or with the error in result.json."""
    spec = read_spec(run_file)
    guard = Guard(Path(spec.output))
    exit_with_parent(sys.stdin.fileno())
    faulthandler.enable()
    if spec.timeout:
        # Works while the program runs the test, and ends it: the program ends with this process.
        faulthandler.dump_traceback_later(spec.timeout, exit=True)
    os.chdir(spec.output)

    def run_and_record() -> None:
        result = run(spec, RUNTIMES[implementation], executable, Path(library) if library else None)
        write_json(Path(spec.output) / RESULT_FILE, result)

    guard.wrap(run_and_record)()
    leave(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]))

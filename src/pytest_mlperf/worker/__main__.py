"""Runs one case: reads run.json, loads, warms up, calls StartTest once, writes result.json."""

from __future__ import annotations

import faulthandler
import math
import os
import platform
import sys
import time
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from pytest_mlperf.benchmarks.base import Benchmark as BaseBenchmark
from pytest_mlperf.errors import RequirementError
from pytest_mlperf.implementations.protocol import RESULT_FILE, RunSpec, WorkerResult, read_spec, write_json
from pytest_mlperf.scenarios import SCENARIOS
from pytest_mlperf.scenarios.base import Machine, Serving, Tuned
from pytest_mlperf.worker.guard import Guard, exit_with_parent, leave
from pytest_mlperf.worker.inference import Inference
from pytest_mlperf.worker.library import SampleLibrary
from pytest_mlperf.worker.loadgen import (
    apply_round,
    apply_user_conf,
    built_in_settings,
    loadgen_version,
    official_length,
    start_test,
    write_audit_config,
)
from pytest_mlperf.worker.progress import Reporter
from pytest_mlperf.worker.tuning import LARGEST_BATCH, Bench, Models, available_cores, measure, tune, untuned

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_mlperf.backends.base import Backend, Model
    from pytest_mlperf.benchmarks.base import Benchmark

ENDPOINT = "endpoint"
KIBIBYTE = 1024


class Stopwatch:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._start = time.perf_counter()

    def lap(self, name: str) -> None:
        """Record the time since the last lap as `name`."""
        now = time.perf_counter()
        self.seconds[name] = now - self._start
        self._start = now


def run(spec: RunSpec, guard: Guard) -> WorkerResult:
    """Run the case and return its result."""
    watch, reporter = Stopwatch(), Reporter()
    benchmark: Benchmark = replace(resolve_name(spec.benchmark), variant=spec.variant)
    backend: Backend = resolve_name(spec.backend)()
    scenario = SCENARIOS[spec.scenario]
    settings = built_in_settings(benchmark.loadgen_model, spec.scenario)
    apply_round(settings, spec.round)
    official = official_length(settings)
    reporter.enter("loading")
    samples = benchmark.dataset.open(Path(spec.dataset), spec.sample_count, spec.variant)
    library = SampleLibrary(samples, available_cores())
    bench = _bench(spec, benchmark, backend, library, reporter, guard)
    watch.lap("load")
    reporter.enter("warming up")
    tuned = _tuned(spec, bench, library)
    watch.lap("warm-up")
    apply_user_conf(settings, spec, benchmark.loadgen_model, benchmark.short, tuned)
    models = bench.models.keep(tuned.layout)
    first_tokens = bool(settings.use_token_latencies)
    streams = [Inference(benchmark, model, library, reporter, first_tokens=first_tokens) for model in models]
    bound = settings.server_target_latency_ns / 1e9 if spec.mode == "performance" else math.inf
    sut = scenario.sut(Serving(streams, tuned, guard, bound, _cost(benchmark, library)))
    reporter.enter(spec.mode, _expected_samples(spec, settings))
    start_test(settings, sut, library, Path(spec.output), guard, write_audit_config(spec))
    sut.close()
    watch.lap("test")
    device, weight_types = models[0].device, tuple(models[0].weight_types)
    bench.models.close()
    return WorkerResult(
        device=device,
        layout=tuned.layout,
        official=official,
        versions=_versions(spec, backend),
        seconds=watch.seconds,
        samples_done=reporter.done,
        weight_types=weight_types,
        peak_memory_bytes=peak_memory_bytes(),
    )


def peak_memory_bytes() -> int:
    """Return the peak resident memory of this process.

    Not from getrusage: its maximum survives exec and so includes the parent's.
    """
    for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * KIBIBYTE
    return 0


def _bench(
    spec: RunSpec, benchmark: Benchmark, backend: Backend, library: SampleLibrary, reporter: Reporter, guard: Guard
) -> Bench:
    file = benchmark.model_file(spec.model_format, spec.precision, spec.variant)
    name = spec.backend_name or spec.backend.partition(":")[2]

    def load(threads: int) -> Model:
        place = spec.model if file.format == ENDPOINT else Path(spec.model)
        model = backend.load(place, file, spec.device, threads, spec.backend_options)
        if model.device != spec.device:
            raise RequirementError(
                f"{name} did not run on {spec.device}",
                expected=spec.device,
                found=model.device,
                fix=f"install a build of {name} for {spec.device}, or choose another --device",
            )
        return model

    models, threads = Models(load), spec.num_threads or available_cores()
    largest = models.get(1, threads)[0].max_batch or LARGEST_BATCH
    settings = built_in_settings(benchmark.loadgen_model, spec.scenario)
    return Bench(
        scenario=SCENARIOS[spec.scenario],
        models=models,
        inference=lambda model: Inference(benchmark, model, library, reporter),
        guard=guard,
        samples=range(min(benchmark.short.rehearsal, len(library))),
        machine=Machine(
            threads,
            max_batch=min(largest, spec.max_batchsize or LARGEST_BATCH),
            samples_per_query=settings.multi_stream_samples_per_query,
        ),
    )


def _cost(benchmark: Benchmark, library: SampleLibrary) -> Callable[[int], float] | None:
    """Return a function for the cost of a loaded sample; None if the benchmark does not define it."""
    if type(benchmark).cost is BaseBenchmark.cost:
        return None
    return lambda index: benchmark.cost(library.batch([index])[0])


def _tuned(spec: RunSpec, bench: Bench, library: SampleLibrary) -> Tuned:
    if spec.mode == "accuracy":
        return untuned(bench.scenario.untuned(bench.machine))
    library.load(bench.samples)
    tuned = tune(bench) if spec.layout is None else measure(spec.layout, bench)
    library.unload(bench.samples)
    return tuned


def _expected_samples(spec: RunSpec, settings: Any) -> int | None:
    if spec.mode == "accuracy":
        return spec.sample_count
    if spec.scenario == "Offline":
        by_duration = 1.1 * settings.min_duration_ms / 1000 * settings.offline_expected_qps
        return max(int(by_duration), int(settings.min_query_count))
    if settings.min_duration_ms:
        return None
    a_query = settings.multi_stream_samples_per_query if spec.scenario == "MultiStream" else 1
    return int(settings.min_query_count * a_query)


def _versions(spec: RunSpec, backend: Backend) -> dict[str, str]:
    built = {"loadgen_built": spec.loadgen_built} if spec.loadgen_built else {}
    return {"python": platform.python_version(), "loadgen": loadgen_version(), **built, **backend.versions()}


def main(run_file: Path) -> None:
    """Run the case that `run_file` describes and exit: with 0, or with the error in result.json."""
    spec = read_spec(run_file)
    output = Path(spec.output)
    guard = Guard(output)
    exit_with_parent(sys.stdin.fileno())
    faulthandler.enable()
    if spec.timeout:
        # Works while StartTest blocks, and writes the stacks to the log. The parent has a limit too.
        faulthandler.dump_traceback_later(spec.timeout, exit=True)
    os.chdir(output)
    result = guard.wrap(run)(spec, guard)
    write_json(output / RESULT_FILE, result)
    leave(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

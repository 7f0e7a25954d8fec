"""Runs one case: reads run.json, loads, warms up, calls StartTest once, writes result.json."""

from __future__ import annotations

import faulthandler
import math
import os
import platform
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import structs

from pytest_mlperf.implementations.protocol import (
    FINISHING,
    RESULT_FILE,
    Check,
    RunSpec,
    WorkerResult,
    read_spec,
    write_json,
)
from pytest_mlperf.loadgen.generated import Length, generated
from pytest_mlperf.machine.clock import RunClock
from pytest_mlperf.printable import fit
from pytest_mlperf.scenarios import SCENARIOS
from pytest_mlperf.scenarios.base import Machine, Serving, Tuned
from pytest_mlperf.worker.answer_times import RunTimes
from pytest_mlperf.worker.arrivals import with_arrivals
from pytest_mlperf.worker.closing import close_in_time
from pytest_mlperf.worker.completion import ignore
from pytest_mlperf.worker.conformance import compare, comparison_notes, is_compared
from pytest_mlperf.worker.elsewhere import Elsewhere
from pytest_mlperf.worker.guard import Guard, exit_with_parent, leave
from pytest_mlperf.worker.loadgen import (
    apply_round,
    apply_user_conf,
    built_in_settings,
    latency_bound,
    loadgen_version,
    official_length,
    start_test,
    write_audit_config,
)
from pytest_mlperf.worker.loading import loader, make_backend
from pytest_mlperf.worker.memory import check_memory
from pytest_mlperf.worker.model_files import ModelFiles
from pytest_mlperf.worker.peak import PeakMemory
from pytest_mlperf.worker.place import Place
from pytest_mlperf.worker.progress import Reporter
from pytest_mlperf.worker.promise import promised, seconds_left
from pytest_mlperf.worker.remote import network_of, network_sut, notes_of
from pytest_mlperf.worker.steady import process_settings, steady
from pytest_mlperf.worker.streams import Parts
from pytest_mlperf.worker.tuning import LARGEST_BATCH, Bench, rehearsed, untuned, warm_up
from pytest_mlperf.worker.turns import take_turns
from pytest_mlperf.worker.unfinished import Unfinished, open_unfinished
from pytest_mlperf.worker.usual_cost import with_usual_cost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_mlperf.backends.base import Backend, Model
    from pytest_mlperf.benchmarks.base import Benchmark, Records
    from pytest_mlperf.implementations.protocol import ExecutionLayout, OtherModel, Promise, Trial, Turns
    from pytest_mlperf.worker.library import SampleLibrary


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


def run(spec: RunSpec, guard: Guard, place: Place) -> WorkerResult:
    """Run the case in a place and return its result."""
    watch, reporter, peak = Stopwatch(), Reporter(), PeakMemory()
    benchmark: Benchmark = replace(resolve_name(spec.benchmark), variant=spec.variant)
    backend = make_backend(spec)
    settings = built_in_settings(benchmark.loadgen_model, spec.scenario)
    apply_round(settings, spec.round)
    official = official_length(settings)
    reporter.enter("loading")
    samples = benchmark.dataset.open(Path(spec.dataset), spec.sample_count, spec.variant)
    of_place = place.open(backend, reporter.enter)
    library = place.library(samples)
    row = benchmark.model_file(spec.model_format, spec.model_precision, spec.variant)
    file = replace(row, precision=spec.precision)
    files = ModelFiles(spec, file)
    parts = Parts(benchmark, library, reporter, guard)
    bench = _bench(spec, parts, place, loader(spec, backend, file, files), latency_bound(settings, spec))
    watch.lap("load")
    reporter.enter("warming up")
    versions = _versions(spec, backend) | of_place
    kept = spec.kept if place.keeps_layouts else None
    tuned, tried = _tuned(structs.replace(spec, kept=kept), bench, library, versions)
    if spec.mode == "performance":
        tuned = with_usual_cost(tuned, benchmark, samples, rehearsed(bench, bench.samples, tuned))
    watch.lap("warm-up")
    apply_user_conf(
        settings, spec, benchmark.loadgen_model, benchmark.short, tuned, seconds_left(spec, sum(watch.seconds.values()))
    )
    promise = promised(settings, spec, official, len(samples), tuned, library.load_seconds)
    check_memory(settings, spec.scenario, spec.mode, samples[0] if len(samples) else None, len(samples))
    models = bench.models.keep(tuned.layout)
    checks: tuple[Check, ...] = ()
    if is_compared(spec, row):
        reporter.enter("comparing with ONNX Runtime")
        with peak.excluded():
            answer, batch = partial(_answer, benchmark, library), tuned.layout.batch
            here = partial(compare, spec, benchmark, row, models[0], answer, batch, bench.machine.threads)
            checks = (place.compare(here, tuned.layout),)
        watch.lap("comparison")
    tested = _tested(spec, settings, parts, guard, place, models, tuned, versions, promise)
    watch.lap("test")
    device, weight_types = models[0].device, tuple(models[0].weight_types)
    notes, network = (
        (*notes_of(models[0], spec), *comparison_notes(spec, checks), *_resumed_notes(spec, tested.resumed)),
        network_of(models[0], spec, tuned.layout),
    )
    process = process_settings(models[0], collects=not _is_steady(spec, place))
    turns = None
    if spec.old is not None:
        reporter.enter("timing both models")
        with peak.excluded():
            turns = _turns(spec, spec.old, parts, bench, models[0], tuned.layout)
        watch.lap("turns")
    bench.models.close()
    files.check()
    with peak.excluded():
        latencies, timeline = tested.times.result(tested.done) if tested.times is not None else (None, None)
    return place.ended(
        WorkerResult(
            device=device,
            layout=tuned.layout,
            official=official,
            versions=versions,
            seconds=watch.seconds,
            samples_done=tested.done,
            weight_types=weight_types,
            model_sha256=files.sha256,
            peak_memory_bytes=peak.size,
            notes=notes,
            clock=tested.clock.result(),
            checks=checks,
            network=network,
            turns=turns,
            pilot=tried,
            promise=promise,
            process=process,
            latencies=latencies,
            timeline=timeline,
        )
    )


class _Tested(NamedTuple):
    """What a test leaves here: samples done, its clock and times, and how many samples were answered before it."""

    done: int
    clock: RunClock
    times: RunTimes | None
    resumed: int


def _tested(
    spec: RunSpec,
    settings: Any,
    parts: Parts,
    guard: Guard,
    place: Place,
    models: Sequence[Model],
    tuned: Tuned,
    versions: dict[str, str],
    promise: Promise | None,
) -> _Tested:
    """Run the test, the one StartTest of this process."""
    performs, reporter, scenario = spec.mode == "performance", parts.reporter, SCENARIOS[spec.scenario]
    first_tokens, clock = bool(settings.use_token_latencies), RunClock()
    times = RunTimes(scenario) if performs else None
    unfinished = _unfinished(spec, versions) if not performs and not first_tokens else None
    streams = parts.streams(models, tuned.layout, clock, times, first_tokens=first_tokens, unfinished=unfinished)
    bound = settings.server_target_latency_ns / 1e9 if performs else math.inf
    sut = scenario.sut(Serving(streams, tuned, guard, bound, place.cost(parts.benchmark, parts.library)))
    least_seconds = settings.min_duration_ms / 1000 if performs else 0
    reporter.enter(spec.mode, expected_samples(spec, settings), least_seconds or None, promise)
    # A client makes garbage with every request, and would keep all of it.
    with steady() if _is_steady(spec, place) else nullcontext():
        start_test(
            settings,
            sut,
            parts.library,
            Path(spec.output),
            guard,
            clock=clock,
            times=times,
            audit=write_audit_config(spec),
            network=place.sut_name or network_sut(spec),
        )
    done = reporter.done
    reporter.enter(FINISHING)
    sut.close()
    if unfinished is not None:
        unfinished.remove()
    return _Tested(done, clock, times, unfinished.found if unfinished is not None else 0)


def _is_steady(spec: RunSpec, place: Place) -> bool:
    return spec.mode == "performance" and place.is_here


def _unfinished(spec: RunSpec, versions: dict[str, str]) -> Unfinished | None:
    """Return what keeps the answers of an accuracy run, if it has a file for them."""
    if not spec.unfinished:
        return None
    return open_unfinished(Path(spec.unfinished), versions, again=spec.rerun)


def _resumed_notes(spec: RunSpec, found: int) -> Iterator[str]:
    if found:
        yield (
            f"{found:,} of {spec.sample_count:,} samples were answered by an interrupted run of the same case; "
            "--mlperf-rerun starts over"
        )


def _answer(benchmark: Benchmark, library: SampleLibrary, model: Model, indices: Sequence[int]) -> Records:
    """Answer some samples, which are loaded for it."""
    library.load(indices)
    try:
        return benchmark.answer(model, library.batch(indices), indices, ignore)
    finally:
        library.unload(indices)


def _turns(spec: RunSpec, old: OtherModel, parts: Parts, bench: Bench, model: Model, layout: ExecutionLayout) -> Turns:
    """Time the run's model in turns with another one."""
    of_old = structs.replace(spec, model=old.path, model_sha256=old.sha256, prepared=old.prepared)
    row = parts.benchmark.model_file(spec.model_format, spec.model_precision, spec.variant)
    file = replace(row, precision=spec.precision)
    files = ModelFiles(of_old, file)
    loaded = loader(of_old, make_backend(of_old), file, files)(layout.threads)
    parts.library.load(bench.samples)
    try:
        return take_turns(bench.inference(loaded).infer, bench.inference(model).infer, bench.samples, layout.batch)
    finally:
        parts.library.unload(bench.samples)
        close_in_time(loaded.close, spec.backend_name)
        files.check()


def _bench(spec: RunSpec, parts: Parts, place: Place, load: Callable[[int], Model], bound: float) -> Bench:
    models, benchmark, threads = place.models(load), parts.benchmark, place.threads()
    first = models.get(1, max(threads))[0]
    largest = first.max_batch or LARGEST_BATCH
    settings = built_in_settings(benchmark.loadgen_model, spec.scenario)
    return Bench(
        scenario=SCENARIOS[spec.scenario],
        models=models,
        inference=parts.inference,
        guard=parts.guard,
        samples=range(min(benchmark.short.rehearsal, len(parts.library))),
        machine=Machine(
            sum(threads),
            max_batch=min(largest, spec.max_batchsize or LARGEST_BATCH),
            samples_per_query=settings.multi_stream_samples_per_query,
            at_once=parts.at_once(first),
            machines=threads,
        ),
        deferred=parts.deferred if parts.is_deferred(first) else None,
        bound=bound,
        elsewhere=isinstance(first, Elsewhere),
    )


def _tuned(
    spec: RunSpec, bench: Bench, library: SampleLibrary, versions: dict[str, str]
) -> tuple[Tuned, tuple[Trial, ...]]:
    if spec.mode == "accuracy":
        return untuned(bench.scenario.untuned(bench.machine)), ()
    library.load(bench.samples)
    tuned, tried = warm_up(bench, spec, versions)
    tuned = with_arrivals(bench, tuned, spec)
    library.unload(bench.samples)
    return tuned, tried


def expected_samples(spec: RunSpec, settings: Any) -> int | None:
    """Return how many samples the test has; None if that is not known before."""
    if spec.mode == "accuracy":
        return spec.sample_count
    length = Length.of(settings, spec.scenario, spec.sample_count)
    # A test that lasts a minimum duration ends within the queries that were made, unless all of them are answered.
    is_known = spec.scenario == "Offline" or length.is_counted or not settings.min_duration_ms
    return int(generated(length).samples) if is_known else None


def _versions(spec: RunSpec, backend: Backend) -> dict[str, str]:
    built = {"loadgen_built": spec.loadgen_built} if spec.loadgen_built else {}
    of_backend = {fit(str(name)): fit(str(version)) for name, version in backend.versions().items()}
    return {"python": platform.python_version(), "loadgen": loadgen_version(), **built, **of_backend}


def main(run_file: Path, make_place: Callable[[RunSpec], Place] = Place) -> None:
    """Run the case that `run_file` describes and exit: with 0, or with the error in result.json."""
    spec = read_spec(run_file)
    output = Path(spec.output)
    place = make_place(spec)
    guard = Guard(output, place.abandon)
    exit_with_parent(sys.stdin.fileno())
    faulthandler.enable()
    if spec.timeout:
        # Works while StartTest blocks, and writes the stacks to the log. The parent has a limit too.
        faulthandler.dump_traceback_later(spec.timeout, exit=True)
    os.chdir(output)
    guard.wrap(_run_and_record)(spec, guard, place)
    leave(0)


def _run_and_record(spec: RunSpec, guard: Guard, place: Place) -> None:
    if spec.mode == "conformance":
        from pytest_mlperf.worker.suite import run_suite

        result = run_suite(spec, make_backend, Reporter())
    else:
        result = run(spec, guard, place)
    write_json(Path(spec.output) / RESULT_FILE, result)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

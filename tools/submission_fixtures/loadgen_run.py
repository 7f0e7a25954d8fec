"""One LoadGen test of official length with a SUT that only waits; the whole work of a child process."""

from __future__ import annotations

import os
import time
import traceback
from array import array
from typing import TYPE_CHECKING

import mlperf_loadgen as lg

from submission_fixtures.conf import LATENCY_MS, audit_config, user_conf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from submission_fixtures.bases import Benchmark, Run

OFFLINE_SECONDS = 620
ACCURACY_SERVER_QPS = 5000.0


def start(run: Run, directory: Path) -> None:
    """Run the test in `directory`, which receives user.conf, audit.config and LoadGen's logs."""
    directory.mkdir(parents=True)
    # LoadGen writes the paths that it is given into its logs: relative ones say nothing of this machine.
    os.chdir(directory)
    benchmark = run.system.benchmark
    sut = lg.ConstructFastSUT(_guarded(_issue(run)), _guarded(_nothing))
    qsl = lg.ConstructQSL(benchmark.samples, _loaded(run), _guarded(_nothing), _guarded(_nothing))
    log_output = lg.LogOutputSettings()
    log_output.outdir = "."
    log_settings = lg.LogSettings()
    log_settings.log_output = log_output
    log_settings.enable_trace = False
    lg.StartTestWithLogSettings(sut, qsl, _settings(run), log_settings, _audit_file(run))
    lg.DestroyFastSUT(sut)
    lg.DestroyQSL(qsl)


def _settings(run: Run) -> lg.TestSettings:
    name, scenario = run.system.benchmark.conf_name, run.scenario
    _write("user.conf", user_conf(run.system.benchmark, scenario))
    settings = lg.TestSettings()
    # Types 0 and 2: the built-in mlperf.conf, then one file over it; type 1 would do it once a process only.
    for path, conf_type in (("", 0), ("user.conf", 2)):
        if settings.FromConfig(path, name, scenario, conf_type) != 0:
            raise RuntimeError(f"LoadGen refuses {path or 'its own mlperf.conf'}")
    settings.scenario = getattr(lg.TestScenario, scenario)
    settings.mode = lg.TestMode.AccuracyOnly if run.kind == "accuracy" else lg.TestMode.PerformanceOnly
    if run.kind == "accuracy":
        settings.performance_sample_count_override = _loaded(run)
        settings.server_target_qps = ACCURACY_SERVER_QPS
    settings.qsl_rng_seed = run.base.round.qsl_rng_seed
    settings.sample_index_rng_seed = run.base.round.sample_index_rng_seed
    settings.schedule_rng_seed = run.base.round.schedule_rng_seed
    return settings


def _loaded(run: Run) -> int:
    # An accuracy run logs some lines for every set that it loads: with one set the log stays small.
    return run.system.benchmark.samples if run.kind == "accuracy" else run.system.benchmark.loaded


def _audit_file(run: Run) -> str:
    text = audit_config(run)
    if text is None:
        return ""
    _write("audit.config", text)
    return "audit.config"


def _write(name: str, text: str) -> None:
    with open(name, "w", encoding="utf-8") as file:  # noqa: PTH123 - relative to the directory of the run
        file.write(text)


def _issue(run: Run) -> Callable[[list[int], list[int]], None]:
    """Return what answers a query: at once for accuracy, else after the time that a system might take."""
    benchmark = run.system.benchmark

    def at_once(ids: list[int], indices: list[int]) -> None:
        _complete(benchmark, ids, indices)

    def later(ids: list[int], indices: list[int]) -> None:
        time.sleep(LATENCY_MS[run.scenario] / 1000)
        _complete(benchmark, ids, indices)

    def spread(ids: list[int], indices: list[int]) -> None:
        begin, done = time.monotonic(), 0
        for second in range(1, OFFLINE_SECONDS + 1):
            time.sleep(max(0.0, begin + second - time.monotonic()))
            upto = len(ids) * second // OFFLINE_SECONDS
            _complete(benchmark, ids[done:upto], indices[done:upto])
            done = upto

    if run.kind == "accuracy":
        return at_once
    return spread if run.scenario == "Offline" else later


def _complete(benchmark: Benchmark, ids: list[int], indices: list[int]) -> None:
    answers = [response(benchmark, index) for index in indices]
    places = [answer.buffer_info() for answer in answers]
    lg.QuerySamplesComplete(
        [
            lg.QuerySampleResponse(identifier, address, length * answer.itemsize)
            for identifier, answer, (address, length) in zip(ids, answers, places, strict=True)
        ]
    )


def response(benchmark: Benchmark, index: int) -> array[int] | array[float]:
    """Return a sample's answer in the benchmark's encoding, the same in every run.

    resnet50: the label, int64. retinanet: a row (sample, ymin, xmin, ymax, xmax, score, class), float32.
    3d-unet: class numbers, uint8; sixteen, where a real answer has the whole volume.
    """
    if benchmark.conf_name == "resnet50":
        return array("q", [index * 7919 % 1000])
    if benchmark.conf_name == "retinanet":
        return array("f", [index, 0.1, 0.2, 0.5, 0.6, 0.05 + index % 90 / 100, 1 + index % 264])
    return array("B", [(index >> bit & 1) + (bit & 1) for bit in range(16)])


def _nothing(*arguments: list[int]) -> None:
    """Load, unload or flush: there is nothing to do."""


def _guarded(callback: Callable[..., None]) -> Callable[..., None]:
    # An exception that leaves a callback lets LoadGen's thread run on destroyed objects.
    def call(*arguments: list[int]) -> None:
        try:
            callback(*arguments)
        except BaseException:
            traceback.print_exc()
            os._exit(70)

    return call

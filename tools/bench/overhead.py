"""What the harness adds to a runtime: SingleStream against the bare call, and Offline with a runtime of no cost.

Run ``python tools/bench/overhead.py``. The runtime's call is timed inside the run that LoadGen times: two processes on
a shared machine differ by more than the harness costs. What LoadGen and Python add themselves is measured with a SUT
whose callback calls the runtime, gives an empty answer, and does nothing else. Offline is held against the same
interface: a SUT whose callback answers the whole query at once with an empty response, and does nothing else.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from plugin_run import run
from timed_runtime import FILE_VARIABLE

from pytest_mlperf.benchmarks.retinanet import TINY
from pytest_mlperf.datasets.digit_scenes import generate
from pytest_mlperf.rules.detail_log import DetailLog, read_detail_log

SAMPLES = 64
QUERIES = 2000


def single_stream_p50_us(model: Path, dataset: Path, calls: Path) -> tuple[float, float]:
    """Return the median latency as LoadGen sees it, and that of the runtime's calls in the same run, in us."""
    os.environ[FILE_VARIABLE] = str(calls)
    log, _ = run(
        benchmark="pytest_mlperf.benchmarks.retinanet:TINY",
        backend="timed_runtime:TimedOnnxRuntime",
        scenario="SingleStream",
        model=str(model),
        dataset=str(dataset),
        sample_count=SAMPLES,
        num_threads=1,
        test_query_count=QUERIES,
    )
    bare = 1e6 * float(np.median(np.fromfile(calls)[-QUERIES:]))
    return (log.number("result_50.00_percentile_latency_ns") or 0) / 1e3, bare


#: Runs LoadGen's Python interface with a callback that does as little as it can; what differs is filled in.
LOADGEN_ALONE = """
import sys, time
import mlperf_loadgen as lg

directory, queries = sys.argv[1], int(sys.argv[2])
settings = lg.TestSettings()
settings.mode, settings.min_duration_ms, settings.min_query_count = lg.TestMode.PerformanceOnly, 0, queries
{callback}
output, logs = lg.LogOutputSettings(), lg.LogSettings()
output.outdir = directory
logs.log_output, logs.enable_trace = output, False
sut = lg.ConstructFastSUT(issue, lambda: None)
qsl = lg.ConstructQSL(samples, samples, lambda indices: None, lambda indices: None)
lg.StartTestWithLogSettings(sut, qsl, settings, logs, "")
"""
SINGLE_STREAM = """
import numpy as np
import onnxruntime

settings.scenario, settings.single_stream_expected_latency_ns, samples = lg.TestScenario.SingleStream, 1_000_000, 64
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[3], options, providers=["CPUExecutionProvider"])
[image] = session.get_inputs()
inputs = np.random.default_rng(0).random((samples, *image.shape), np.float32)
outputs = [output.name for output in session.get_outputs()]
seconds = []

def issue(ids, indices):
    start = time.perf_counter()
    session.run(outputs, {image.name: inputs[indices[0]]})
    seconds.append(time.perf_counter() - start)
    lg.QuerySamplesComplete([lg.QuerySampleResponse(ids[0], 0, 0)])

for _ in range(50):
    session.run(outputs, {image.name: inputs[0]})
"""
OFFLINE = """
settings.scenario, settings.offline_expected_qps, samples = lg.TestScenario.Offline, 1, 1000

def issue(ids, indices):
    lg.QuerySamplesComplete([lg.QuerySampleResponse(one, 0, 0) for one in ids])
"""


def loadgen_alone(callback: str, queries: int, *more: str, told: str = "") -> tuple[DetailLog, float]:
    """Run LoadGen with a callback; return its log, and the number that `told` prints."""
    program = LOADGEN_ALONE.replace("{callback}", callback) + told
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-c", program, output, str(queries), *more]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return read_detail_log(Path(output) / "mlperf_log_detail.txt"), float(said or 0)


def least_p50_us(model: Path) -> tuple[float, float]:
    """Return the same two figures of LoadGen's Python interface with a SUT that does nothing but call the runtime."""
    median = f"print(1e6 * np.median(seconds[-{QUERIES}:]))\n"
    log, bare = loadgen_alone(SINGLE_STREAM, QUERIES, str(model), told=median)
    return (log.number("result_50.00_percentile_latency_ns") or 0) / 1e3, bare


def null_rate(samples: int) -> float:
    """Return Offline's samples per second with a backend that returns its input."""
    log, _ = run(
        benchmark="mlperf_test_runtimes:NULL",
        backend="mlperf_test_runtimes:Null",
        model_format="none",
        model_precision="fp32",
        scenario="Offline",
        # It reads no file; the run's digest is of one that nobody writes to meanwhile.
        model=__file__,
        dataset="",
        sample_count=1000,
        test_query_count=samples,
    )
    return log.number("result_samples_per_second") or 0


def bound_rate(samples: int) -> float:
    """Return Offline's samples per second of LoadGen's Python interface with a SUT that does nothing."""
    log, _ = loadgen_alone(OFFLINE, samples)
    return log.number("result_samples_per_second") or 0


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    model = TINY.model_file("onnx", "fp32", "").source
    if not isinstance(model, Path):
        raise TypeError("the tiny model ships with the package")
    with tempfile.TemporaryDirectory() as directory:
        dataset = Path(directory)
        generate(dataset, "validation", SAMPLES)
        pairs = [
            (*single_stream_p50_us(model, dataset, dataset / "calls"), *least_p50_us(model)) for _ in range(rounds)
        ]
    print(f"SingleStream, retinanet-tiny, 1 thread, p50 of {QUERIES} queries, {rounds} rounds")
    for whole, bare, least, least_bare in pairs:
        print(
            f"  LoadGen {whole:8.1f} us   the runtime's call {bare:8.1f} us   more {whole - bare:6.1f} us"
            f"   LoadGen's interface alone {least - least_bare:5.1f} us more"
        )
    added = statistics.median(whole - bare for whole, bare, _, _ in pairs)
    alone = statistics.median(least - bare for _, _, least, bare in pairs)
    print(f"  median overhead {added:.1f} us (aim: at most 40), of LoadGen's interface alone {alone:.1f} us")
    rates, bounds = zip(*((null_rate(1_000_000), bound_rate(1_000_000)) for _ in range(rounds)), strict=True)
    print(f"Offline, null backend, 1,000,000 samples, {rounds} rounds")
    print("  plugin " + "  ".join(f"{rate / 1e6:.2f} M/s" for rate in rates))
    print("  bound  " + "  ".join(f"{rate / 1e6:.2f} M/s" for rate in bounds))
    print(f"  median {statistics.median(rates) / 1e6:.2f} M samples/s (aim: at least 0.8)")
    ratio = statistics.median(rate / bound for rate, bound in zip(rates, bounds, strict=True))
    print(f"  over the bound: median {ratio:.2f} (aim: at least 0.75)")


if __name__ == "__main__":
    main()

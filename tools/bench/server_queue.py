"""Server's latencies at 70 % of the peak, against an ideal queue with one server and the measured service time.

Run ``python tools/bench/server_queue.py``. The runtime is retinanet-tiny with one thread, so that there is one server.
Its calls are timed inside the run. The ideal queue is M/D/1: exponential distances between arrivals, as LoadGen has
them, and the median call as a constant service time. Batches of one, since with larger ones it would be no such queue.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from plugin_run import run
from timed_runtime import FILE_VARIABLE

from pytest_mlperf.benchmarks.retinanet import TINY
from pytest_mlperf.datasets.digit_scenes import generate

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLES, QUERIES, LOAD = 64, 4000, 0.7
#: The queue is simulated this often, as its percentile varies.
SIMULATIONS = 200


def main() -> None:
    """Print each round's percentiles and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    model = TINY.model_file("onnx", "fp32", "").source
    if not isinstance(model, Path):
        raise TypeError("the tiny model ships with the package")
    ratios = []
    with tempfile.TemporaryDirectory() as directory:
        dataset = Path(directory)
        generate(dataset, "validation", SAMPLES)
        os.environ[FILE_VARIABLE] = str(dataset / "calls")
        calls = times(model, dataset, "SingleStream", 1000)[1]
        service = float(np.median(calls))
        rate = LOAD / service
        print(f"service time {1e3 * service:.3f} ms, {rate:.1f} queries/s offered, {QUERIES:,} queries a round")
        for _ in range(rounds):
            p99, calls = times(model, dataset, "Server", QUERIES, rate)
            constant = queue_p99(np.full(QUERIES, service), rate)
            ratios.append(p99 / constant)
            print(
                f"  p99 {1e3 * p99:.2f} ms   ideal M/D/1 {1e3 * constant:.2f} ms   ratio {ratios[-1]:.3f}   "
                f"calls: median {1e3 * float(np.median(calls)):.3f} ms",
                flush=True,
            )
    print(f"median ratio {statistics.median(ratios):.3f} (aim: at most 1.3)")


def times(
    model: Path, dataset: Path, scenario: str, count: int, rate: float | None = None
) -> tuple[float, NDArray[np.float64]]:
    """Return LoadGen's 99th percentile in seconds, and the seconds of the calls."""
    calls = Path(os.environ[FILE_VARIABLE])
    log, _ = run(
        benchmark="pytest_mlperf.benchmarks.retinanet:TINY",
        backend="timed_runtime:TimedOnnxRuntime",
        model=str(model),
        dataset=str(dataset),
        scenario=scenario,
        sample_count=SAMPLES,
        num_threads=1,
        max_batchsize=1,
        test_query_count=count,
        target_qps=rate,
        target_latency=1000.0 if scenario == "Server" else None,
    )
    return (log.number("result_99.00_percentile_latency_ns") or 0) / 1e9, np.fromfile(calls)[-count:]


def queue_p99(service: NDArray[np.float64], rate: float) -> float:
    """Return the median of the 99th percentile of the time in the system, over simulations of the queue."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(SIMULATIONS):
        arrivals = np.cumsum(random.exponential(1 / rate, len(service)))
        ends = np.empty(len(service))
        end = 0.0
        for number, (arrival, needed) in enumerate(zip(arrivals, service, strict=True)):
            end = max(end, arrival) + needed
            ends[number] = end
        found.append(float(np.quantile(ends - arrivals, 0.99)))
    return statistics.median(found)


if __name__ == "__main__":
    main()

"""What the harness adds to a runtime: SingleStream against the bare call, and Offline with a runtime of no cost.

Run ``python tools/bench/overhead.py``. Plugin and bare loop take turns; each figure is the median of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plugin_run import ONNXRUNTIME, run

from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.benchmarks.retinanet import TINY
from pytest_mlperf.datasets.digit_scenes import generate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SAMPLES = 64
QUERIES = 2000


def bare_p50_us(model: Path, images: Sequence[NDArray[Any]]) -> float:
    """Return the median of the runtime's own call, in microseconds."""
    session = OnnxRuntime().load(model, TINY.contract, "cpu", threads=1)
    seconds = []
    for query in range(QUERIES):
        inputs = {"images": images[query % SAMPLES][None]}
        start = time.perf_counter()
        session.run(inputs)
        seconds.append(time.perf_counter() - start)
    return 1e6 * statistics.median(seconds)


def single_stream_p50_us(model: Path, dataset: Path) -> float:
    """Return LoadGen's median latency through the plugin, in microseconds."""
    log, _ = run(
        benchmark="pytest_mlperf.benchmarks.retinanet:TINY",
        backend=ONNXRUNTIME,
        scenario="SingleStream",
        model=str(model),
        dataset=str(dataset),
        sample_count=SAMPLES,
        num_threads=1,
        test_query_count=QUERIES,
    )
    return (log.number("result_50.00_percentile_latency_ns") or 0) / 1e3


def null_rate(samples: int) -> float:
    """Return Offline's samples per second with a backend that returns its input."""
    log, _ = run(
        benchmark="mlperf_test_runtimes:NULL",
        backend="mlperf_test_runtimes:Null",
        scenario="Offline",
        model="",
        dataset="",
        sample_count=1000,
        test_query_count=samples,
    )
    return log.number("result_samples_per_second") or 0


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    model = TINY.find_model("onnx", None)
    if not isinstance(model, Path):
        raise TypeError("the tiny model ships with the package")
    with tempfile.TemporaryDirectory() as directory:
        dataset = Path(directory)
        generate(dataset, "validation", SAMPLES)
        samples = TINY.open_samples(dataset, SAMPLES)
        images = [samples.load(index)["images"] for index in range(SAMPLES)]
        pairs = [(bare_p50_us(model, images), single_stream_p50_us(model, dataset)) for _ in range(rounds)]
    print(f"SingleStream, retinanet-tiny, 1 thread, p50 of {QUERIES} queries, {rounds} rounds")
    for bare, plugin in pairs:
        print(f"  bare {bare:8.1f} us   plugin {plugin:8.1f} us   more {plugin - bare:6.1f} us")
    print(f"  median overhead {statistics.median(plugin - bare for bare, plugin in pairs):.1f} us (aim: at most 60)")
    rates = [null_rate(1_000_000) for _ in range(rounds)]
    print(f"Offline, null backend, 1,000,000 samples, {rounds} rounds")
    print("  " + "  ".join(f"{rate / 1e6:.2f} M/s" for rate in rates))
    print(f"  median {statistics.median(rates) / 1e6:.2f} M samples/s (aim: at least 0.8)")


if __name__ == "__main__":
    main()

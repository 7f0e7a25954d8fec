"""The implementation cpp against python with a runtime of no cost: Offline's rate, and the latency of SingleStream.

Run ``python tools/bench/cpp.py``. The runs of both are interleaved.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from plugin_run import PROGRAM, run

from pytest_mlperf.artifacts.layout import default_cache_dir
from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.benchmarks.resnet50 import TINY
from pytest_mlperf.cpp import build
from pytest_mlperf.environments.compiler import find_compiler
from pytest_mlperf.environments.installed import find_loadgen
from pytest_mlperf.implementations.base import Program
from pytest_mlperf.implementations.protocol import ExecutionLayout

if TYPE_CHECKING:
    from pytest_mlperf.rules.detail_log import DetailLog

SAMPLES, QUERIES = 1_000_000, 20_000
#: The same for both, and good for both: large batches.
OFFLINE = ExecutionLayout(streams=1, threads=1, batch=1024)
SINGLE_STREAM = ExecutionLayout(streams=1, threads=1, batch=1)


def null_program(cache: Path) -> Program:
    """Return the program of the implementation cpp, linked with an engine that costs nothing."""
    store, compiler = Store(cache), find_compiler(None)
    library = build.LibraryRecipe(compiler, find_loadgen().version)
    recipe = build.ProgramRecipe(compiler, library, store.get(library).path, Path(__file__).parent / "null_engine")
    executable = store.get(recipe).path / build.PROGRAM
    return Program((sys.executable, "-m", "pytest_mlperf.cpp", "cpp", str(executable), ""))


def log(program: Program, scenario: str, queries: int, layout: ExecutionLayout) -> DetailLog:
    """Run a performance case of the benchmark that costs nothing, and return LoadGen's log."""
    detail, _ = run(
        program=program,
        benchmark="null_labels:LABELS",
        backend="null_labels:NullRuntime",
        scenario=scenario,
        model=str(TINY.model_file("onnx", "fp32", "").source),
        dataset="",
        sample_count=1000,
        test_query_count=queries,
        layout=layout,
    )
    return detail


def rate(program: Program) -> float:
    """Return Offline's samples per second."""
    return log(program, "Offline", SAMPLES, OFFLINE).number("result_samples_per_second") or 0.0


def latency_us(program: Program) -> float:
    """Return SingleStream's median latency in microseconds."""
    return (
        log(program, "SingleStream", QUERIES, SINGLE_STREAM).number("result_50.00_percentile_latency_ns") or 0.0
    ) / 1e3


def main() -> None:
    """Print both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=default_cache_dir(os.environ))
    given = parser.parse_args()
    cpp = null_program(given.cache)
    rates = [(rate(cpp), rate(PROGRAM)) for _ in range(given.rounds)]
    print(f"Offline, a runtime of no cost, {SAMPLES:,} samples, {given.rounds} rounds, in million samples/s")
    for mine, worker in rates:
        print(f"  cpp {mine / 1e6:6.2f}   python {worker / 1e6:6.2f}   ratio {mine / worker:5.1f}")
    print(f"  median ratio {statistics.median(mine / worker for mine, worker in rates):.1f} (aim: at least 4)")
    latencies = [(latency_us(cpp), latency_us(PROGRAM)) for _ in range(given.rounds)]
    print(f"SingleStream, a runtime of no cost, p50 of {QUERIES:,} queries, {given.rounds} rounds, in us")
    for mine, worker in latencies:
        print(f"  cpp {mine:6.2f}   python {worker:6.2f}")
    print(f"  median of cpp {statistics.median(mine for mine, _ in latencies):.2f} us a query (aim: at most 10)")


if __name__ == "__main__":
    main()

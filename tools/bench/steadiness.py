"""What makes figures steady: threads that stay on a CPU, spinning threads, the allocator.

    python tools/bench/steadiness.py

Bursts of RetinaNet's tiny edition in its two layouts, each setting in a process of its own that stays loaded; the
processes take turns, so that drift of the machine hits all alike. Given are the median rate over that of the first
row, and the spread: the interquartile range over the median.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, field

BURST = """
import os, sys, threading, time
import numpy as np, onnxruntime
from pytest_mlperf.benchmarks.retinanet import TINY

streams, threads, spin, pinned, calls = (int(word) for word in sys.argv[1:])
cores = sorted(os.sched_getaffinity(0))

def place(stream):
    if pinned:
        os.sched_setaffinity(0, cores[stream * threads : (stream + 1) * threads])

def session(stream):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", str(spin))
    place(stream)  # the threads of the session inherit it
    made = onnxruntime.InferenceSession(str(TINY.models[0].source), options, providers=["CPUExecutionProvider"])
    os.sched_setaffinity(0, cores)
    return made

sessions = [session(stream) for stream in range(streams)]
image = {"images": np.zeros((1, 3, 192, 192), np.float32)}

def work(stream, numbers):
    place(stream)
    for _ in numbers:
        sessions[stream].run(None, image)

def burst(count):
    numbers = iter(range(count))
    workers = [threading.Thread(target=work, args=(stream, numbers)) for stream in range(streams)]
    start = time.perf_counter()
    for worker in workers: worker.start()
    for worker in workers: worker.join()
    return count / (time.perf_counter() - start)

burst(20)
print("ready", flush=True)
for _ in sys.stdin:
    print(burst(calls), flush=True)
"""


@dataclass
class Way:
    """A setting, its process, and its rates so far."""

    name: str
    words: tuple[int, int, int, int]
    environment: dict[str, str] = field(default_factory=dict)
    rates: list[float] = field(default_factory=list)

    def start(self, calls: int) -> subprocess.Popen[str]:
        """Start its process, which does a burst for each line that it gets."""
        process = subprocess.Popen(
            [sys.executable, "-c", BURST, *map(str, (*self.words, calls))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **self.environment},
        )
        _line(process)
        return process


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--calls", type=int, default=100, help="calls of a burst")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    arena = {"MALLOC_ARENA_MAX": "1"}
    ways = [
        Way(f"{cores} streams of 1 thread", (cores, 1, 0, 0)),
        Way("the same, on CPUs of their own", (cores, 1, 0, 1)),
        Way("the same, one arena of malloc", (cores, 1, 0, 0), arena),
        Way(f"1 stream of {cores} threads that spin", (1, cores, 1, 0)),
        Way("the same, on CPUs of their own", (1, cores, 1, 1)),
        Way("the same, which do not spin", (1, cores, 0, 0)),
    ]
    processes = [way.start(options.calls) for way in ways]
    try:
        for _ in range(options.rounds):
            for way, process in zip(ways, processes, strict=True):
                assert process.stdin is not None  # noqa: S101 - for the type checker
                process.stdin.write("\n")
                process.stdin.flush()
                way.rates.append(float(_line(process)))
    finally:
        for process in processes:
            process.kill()
    first = statistics.median(ways[0].rates)
    for way in ways:
        low, middle, high = statistics.quantiles(way.rates, n=4)
        print(f"  {way.name:38} {middle / first:.3f}   spread {100 * (high - low) / middle:5.1f} %   {middle:8.1f}/s")


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None  # noqa: S101 - for the type checker
    return process.stdout.readline()


if __name__ == "__main__":
    main()

"""Requests a second to an endpoint on loopback with small tensors, and what each costs the client.

Run ``python tools/bench/endpoint.py``. The server answers each tensor with itself, in a process of its own; client and
server share the machine. A plain loop over aiohttp with the same bodies is measured in turn with the client.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import numpy as np
from plugin_run import run

from pytest_mlperf.backends.kserve import KServe
from pytest_mlperf.backends.model_file import ENDPOINT, Graph, ModelFile, Tensor
from pytest_mlperf.backends.remote.tensors import Names
from pytest_mlperf.benchmarks.base import Benchmark
from pytest_mlperf.datasets.classification import ImageNet
from pytest_mlperf.metrics.top_1 import Top1
from pytest_mlperf.origin import Url
from pytest_mlperf.worker.deferred import DeferredInference
from pytest_mlperf.worker.guard import Guard
from pytest_mlperf.worker.progress import Reporter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REQUESTS = 10_000
IN_FLIGHT = 16
GRAPH = Graph((Tensor("x", "float32", (None, 1)),), (Tensor("y", "float32", (None, 1)),))
MODEL = ModelFile(ENDPOINT, "fp32", Url(""), (GRAPH,))
#: Its data set and metric are not used.
ECHO = Benchmark(edition="tiny", loadgen_model="null", dataset=ImageNet("none", 1), metric=Top1(), models=(MODEL,))
INPUT = np.ones(1, np.float32)


@contextmanager
def echo_server() -> Iterator[tuple[str, int]]:
    """Start the server; gives the address of its model, and its process."""
    command = [sys.executable, "-m", "tests.endpoints.echo_server"]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) as server:
        yield f"{(server.stdout or sys.stdin).readline().strip()}/v2/models/echo", server.pid
        server.kill()


def used_by(process: int) -> float:
    """Return the seconds of CPU that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Library:
    """Samples in memory."""

    def batch(self, indices: Sequence[int]) -> Sequence[Any]:
        return [{"x": INPUT}] * len(indices)


def client(address: str, server: int) -> tuple[float, float, float]:
    """Return the backend's requests a second as the worker makes them, and us of CPU for each, here and there."""
    model, ended = KServe().load(address, MODEL, "remote", 1, {}), threading.Semaphore(0)
    library: Any = Library()
    with tempfile.TemporaryDirectory() as output:
        stream = DeferredInference(ECHO, model, library, Reporter(), Guard(Path(output)), at_once=IN_FLIGHT)
        start, cpu, theirs = time.perf_counter(), time.process_time(), used_by(server)
        for _ in range(REQUESTS):
            stream.begin([0], lambda _: ended.release())
        for _ in range(REQUESTS):
            ended.acquire()
        seconds, used = time.perf_counter() - start, time.process_time() - cpu
        theirs = used_by(server) - theirs
    model.close()
    return REQUESTS / seconds, 1e6 * used / REQUESTS, 1e6 * theirs / REQUESTS


async def plain(address: str) -> tuple[float, float]:
    """Return the same of a plain loop over aiohttp that does not look at the answers."""
    request = Names(GRAPH, {"x": "x"}, ["y"]).encode({"x": INPUT[np.newaxis]}, binary=True)
    left = iter(range(REQUESTS))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def work() -> None:
            for _ in left:
                async with session.post(f"{address}/infer", data=request.body, headers=request.headers) as response:
                    await response.read()

        start, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    return REQUESTS / (time.perf_counter() - start), 1e6 * (time.process_time() - cpu) / REQUESTS


def through_the_plugin(address: str, scenario: str, **more: Any) -> tuple[float, int]:
    """Return the samples or queries a second that LoadGen measured, each a request, and how many were in flight."""
    log, layout = run(
        benchmark="mlperf_test_endpoints:ECHO",
        backend="pytest_mlperf.backends.kserve:KServe",
        backend_name="kserve",
        device="remote",
        model_format=ENDPOINT,
        scenario=scenario,
        model=address,
        dataset="",
        sample_count=200,
        max_batchsize=1,
        **more,
    )
    key = "result_samples_per_second" if scenario == "Offline" else "result_completed_samples_per_sec"
    return log.number(key) or 0, layout.streams


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with echo_server() as (address, server):
        pairs = [(client(address, server), asyncio.run(plain(address))) for _ in range(rounds)]
        offline = [through_the_plugin(address, "Offline", test_query_count=REQUESTS) for _ in range(rounds)]
    print(f"{REQUESTS} requests, {IN_FLIGHT} in flight, {rounds} rounds")
    for (rate, cost, theirs), (plain_rate, plain_cost) in pairs:
        mine = f"kserve {rate:6.0f}/s, us of CPU: client {cost:4.0f}, server {theirs:4.0f}"
        print(f"  {mine}   aiohttp alone {plain_rate:6.0f}/s, client {plain_cost:4.0f}")
    costs = [mine[1] - other[1] for mine, other in pairs]
    print(f"  median {statistics.median(mine[0] for mine, _ in pairs):.0f} requests/s (aim: at least 2,000)")
    print(f"  own cost a request {statistics.median(costs):.0f} us above aiohttp's")
    slower = statistics.median(max(mine[1:]) for mine, _ in pairs)
    print(f"  {1e6 / slower:.0f} requests/s by the CPU of the slower side, if each had a core for itself")
    print("Offline through LoadGen, batches of 1")
    print("  " + "  ".join(f"{rate:.0f}/s ({streams} in flight)" for rate, streams in offline))
    print(f"  median {statistics.median(rate for rate, _ in offline):.0f} requests/s (aim: at least 2,000)")


if __name__ == "__main__":
    main()

"""How throughput grows with Ray's nodes, and what a sample and a call cost that go through Ray.

Run ``python tools/bench/ray_scaling.py --rounds 5`` where the package ray is installed, on a machine with a core for
each node: by default two nodes of one CPU on this machine, each with one stream of one thread. Two clusters, of one and
of all nodes, take turns with the implementation python, with one thread and with as many as there are nodes: that is
what the cores themselves allow.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SESSION = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(BENCHMARKS), "--backend=onnxruntime")
RAY = (sys.executable, "-m", "ray.scripts.scripts", "start", "--num-cpus=1", "--object-store-memory=100000000")


@contextmanager
def cluster(nodes: int) -> Iterator[Mapping[str, str]]:
    """Start nodes of one CPU on this machine; give the variables with which a session finds them."""
    directory = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
    variables = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    environment = {**os.environ, **variables, "RAY_OF_BENCH": directory}
    address = f"{_address()}:{port}"
    try:
        for node in range(nodes):
            options = [f"--address={address}"]
            if node == 0:
                options = ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={directory}"]
            subprocess.run([*RAY, *options], env=environment, check=True, stdout=subprocess.DEVNULL)
        yield {**variables, "RAY_ADDRESS": address}
    finally:
        _end(directory)
        shutil.rmtree(directory, ignore_errors=True)


def _address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # nothing is sent
        return str(probe.getsockname()[0])


def _end(directory: str) -> None:
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it is another user's, or has just ended
            if process.environ().get("RAY_OF_BENCH") == directory:
                process.kill()


def measure(
    implementation: str, scenario: str, model: str, variables: Mapping[str, str], threads: int = 1
) -> dict[str, Any]:
    """Run one performance case of some threads a node, and return its result."""
    with tempfile.TemporaryDirectory() as here:
        case = (
            f"--implementation={implementation}",
            f"--model={model}",
            f"--scenario={scenario}",
            "--mode=performance",
        )
        options = (f"--num-threads={threads}", f"--mlperf-json={here}/results.json", f"--mlperf-output={here}/out")
        environment = {**os.environ, **variables}
        subprocess.run([*SESSION, *case, *options], env=environment, cwd=here, check=False, stdout=subprocess.DEVNULL)
        [result] = json.loads(Path(here, "results.json").read_text())["results"]
    found: dict[str, Any] = result
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument(
        "--model", default="3d-unet-99-tiny", help="of Offline: its calls take tens of ms; default: %(default)s"
    )
    given = parser.parse_args()
    rates: dict[str, list[float]] = {"python": [], "python, as many threads": [], "1 node": [], "all nodes": []}
    latencies: dict[str, list[float]] = {"python": [], "1 node": []}
    with cluster(1) as one, cluster(given.nodes) as every:
        for number in range(given.rounds):
            ways: tuple[tuple[str, str, Mapping[str, str], int], ...] = (
                ("python", "python", {}, 1),
                ("python, as many threads", "python", {}, given.nodes),
                ("1 node", "ray", one, 1),
                ("all nodes", "ray", every, 1),
            )
            for name, implementation, variables, threads in ways:
                result = measure(implementation, "Offline", given.model, variables, threads)
                rates[name].append(result["performance"]["value"])
                print(
                    f"round {number + 1}: Offline {name}: {rates[name][-1]:.1f} samples/s, {result['layout']}",
                    flush=True,
                )
                if name in latencies:
                    single = measure(implementation, "SingleStream", "resnet50-tiny", variables)
                    latencies[name].append(single["latencies"]["quantiles_ms"][50])
                    print(f"round {number + 1}: SingleStream {name}: p50 {latencies[name][-1]:.3f} ms", flush=True)
    pairs = [every / (given.nodes * single) for every, single in zip(rates["all nodes"], rates["1 node"], strict=True)]
    process = zip(rates["python, as many threads"], rates["python"], strict=True)
    cores = [every / (given.nodes * single) for every, single in process]
    costs = [1e6 * (1 / ray - 1 / bare) for ray, bare in zip(rates["1 node"], rates["python"], strict=True)]
    calls = [1e3 * (ray - bare) for ray, bare in zip(latencies["1 node"], latencies["python"], strict=True)]
    print(f"{given.nodes} nodes over {given.nodes} times one: {_spread(pairs, '.3f')}")
    print(f"{given.nodes} threads of one process over {given.nodes} times one: {_spread(cores, '.3f')}")
    print(f"a sample of Offline through Ray costs {_spread(costs, '.0f')} µs more than in the run's process")
    print(f"a call, in SingleStream, costs {_spread(calls, '.0f')} µs more")


def _spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


if __name__ == "__main__":
    main()

"""A real Ray cluster of two nodes on this machine, in the environment that a run with Ray has."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from pytest_mlperf import __version__
from pytest_mlperf.artifacts.layout import default_cache_dir
from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.environments.provide import Needs, from_store, provide
from pytest_mlperf.environments.pythons import Wanted
from pytest_mlperf.environments.sources import link_sources
from pytest_mlperf.implementations.ray import RAY
from tests.sandbox import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_mlperf.environments.installed import Python

RAY_COMMAND = ("-m", "ray.scripts.scripts")


@dataclass
class RayCluster:
    """The nodes, each with a CPU; the first one is the head."""

    python: str
    directory: Path
    address: str
    variables: Mapping[str, str]
    _seen: set[int] = field(default_factory=set)

    @property
    def environment(self) -> dict[str, str]:
        """What a session needs to use it."""
        return {
            "RAY_ADDRESS": self.address,
            **{name: self.variables[name] for name in self.variables if "AUTH" in name},
        }

    def start(self, *options: str, **variables: str) -> psutil.Process:
        """Start a node and return its raylet."""
        command = [self.python, *RAY_COMMAND, "start", "--num-cpus=1", "--object-store-memory=100000000", *options]
        environment = {**os.environ, **self.variables, **variables}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        [raylet] = [
            process for process in self.processes() if process.name() == "raylet" and process.pid not in self._seen
        ]
        self._seen.add(raylet.pid)
        return raylet

    def add(self, **variables: str) -> psutil.Process:
        """Add a node."""
        return self.start(f"--address={self.address}", **variables)

    def count(self) -> int:
        """Return how many nodes the head takes for alive."""
        command = [self.python, *RAY_COMMAND, "status", f"--address={self.address}"]
        environment = {**os.environ, **self.variables}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        return len(re.findall(r"^ 1 node_", done.stdout.partition("Pending:")[0], re.MULTILINE))

    def processes(self) -> list[psutil.Process]:
        """Return what lives of it."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            ours: bool = process.environ().get("MLPERF_TEST_RAY") == self.variables["MLPERF_TEST_RAY"]
        except psutil.Error:
            return False
        return ours and process.pid != os.getpid()


@pytest.fixture(scope="session")
def ray_python() -> Python:
    """The interpreter of a run with Ray: this one, or one of the cache, which is made at first use."""
    needs = Needs(
        backend="onnxruntime",
        device="cpu",
        requirements=OnnxRuntime.requirements,
        wanted=Wanted(),
        install=True,
        implementation="ray",
        of_implementation=RAY.also_requires,
    )
    store = Store(default_cache_dir({}), __version__)
    return provide(needs, from_store(store, lambda recipe: store.get(recipe).path, install=True))


@pytest.fixture(scope="module")
def cluster(ray_python: Python, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    """Two nodes."""
    directory = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    path = os.environ.get("PYTHONPATH", "")
    if ray_python.foreign:
        references = ("pytest_mlperf.benchmarks.resnet50:TINY",)
        path = str(link_sources(references, tmp_path_factory.mktemp("sources")))
    variables = {
        "MLPERF_TEST_RAY": directory.name,
        "PYTHONPATH": path,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
    address = f"{_own_address()}:{port}"
    found = RayCluster(ray_python.executable, directory, address, variables)
    try:
        found.start("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={directory}")
        found.add()
        yield found
    finally:
        for process in found.processes():
            process.kill()
        wait_until(lambda: not found.processes(), "the end of the cluster")
        shutil.rmtree(directory, ignore_errors=True)


def _own_address() -> str:
    """Return the address that Ray finds for this machine; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"

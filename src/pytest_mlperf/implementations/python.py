"""The python implementation: this package's worker, in an interpreter with the backend's packages."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

from pytest_mlperf.backends.gpus import same_order
from pytest_mlperf.implementations.base import Program

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.implementations.base import Provision


#: The backend that the implementation `nvidia` runs.
TENSORRT = "tensorrt"


class PythonWorker:
    """Runs ``python -m pytest_mlperf.worker run.json``; it can load every backend."""

    checks_conformance: ClassVar[bool] = True

    def supports(self, benchmark: Benchmark, backend: str, device: str, scenario: str) -> bool:
        """Return whether it is not the backend that has an implementation of its own."""
        del benchmark, device, scenario
        return backend != TENSORRT

    def provide(self, provision: Provision) -> Program:
        """Return the interpreter. In another environment, links make this package, but no other, importable."""
        python = provision.python()
        # A module in the current directory must not shadow one of the runtime's (from Python 3.11 on).
        environment: dict[str, str | None] = {"PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1", **same_order(os.environ)}
        if python.foreign:
            from pytest_mlperf.environments.sources import link_sources

            sources = link_sources(provision.references, provision.scratch())
            # No packages of the session, and no bytecode files in an environment of the cache, whose files are listed.
            environment |= {"PYTHONPATH": str(sources), "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
            environment["PYTHONHOME"] = None
        command = (python.executable, "-m", "pytest_mlperf.worker")
        return Program(command, environment, python.loadgen.built if python.loadgen is not None else "")

    def command(self, program: Program, run_json: Path) -> list[str]:
        """Return the command line of a run."""
        return [*program.command, str(run_json)]


PYTHON = PythonWorker()

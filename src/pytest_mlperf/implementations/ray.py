"""The ray implementation: this package's worker, with models and samples in Ray actors on the nodes of a cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pytest_mlperf.implementations.python import PYTHON, TENSORRT

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.implementations.base import Program, Provision

#: The first version that was tried; the extra `ray` of this package has the same.
REQUIREMENT = "ray>=2.49"


class RayWorker:
    """Runs ``python -m pytest_mlperf.ray_cluster run.json``, on CPUs."""

    #: It starts a cluster, or takes one that others may use.
    default: ClassVar[bool] = False
    #: What the interpreter of a case needs beside the backend's packages.
    also_requires: ClassVar[tuple[str, ...]] = (REQUIREMENT,)

    def supports(self, benchmark: Benchmark, backend: str, device: str, scenario: str) -> bool:
        """Return whether it is a backend of the CPU."""
        del benchmark, scenario
        return device == "cpu" and backend != TENSORRT

    def provide(self, provision: Provision) -> Program:
        """Return the interpreter with the backend's packages and Ray.

        Raises
        ------
        RequirementError
            Ray is not installed, and no environment with it may be made.
        """
        program = PYTHON.provide(provision)
        return replace(program, command=(program.command[0], "-m", "pytest_mlperf.ray_cluster"))

    def command(self, program: Program, run_json: Path) -> list[str]:
        """Return the command line of a run."""
        return PYTHON.command(program, run_json)


RAY = RayWorker()

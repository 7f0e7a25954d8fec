"""The nvidia implementation: this package's worker with TensorRT, on a GPU that is looked for before all else."""

from __future__ import annotations

import ctypes
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pytest_mlperf.errors import RequirementError
from pytest_mlperf.implementations.python import PYTHON, TENSORRT

if TYPE_CHECKING:
    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.implementations.base import Program, Provision

#: NVIDIA's driver has a file here, and a library of this name.
DRIVER, DRIVER_LIBRARY = Path("/proc/driver/nvidia/version"), "libcuda.so.1"


class NvidiaWorker:
    """Runs ``python -m pytest_mlperf.worker run.json`` with the backend ``tensorrt``, which only it runs."""

    #: It needs a GPU, so that it is run only where it is named.
    default: ClassVar[bool] = False
    #: The worker is that of `python`.
    checks_conformance: ClassVar[bool] = True

    def supports(self, benchmark: Benchmark, backend: str, device: str, scenario: str) -> bool:
        """Return whether it is TensorRT, on a GPU."""
        del benchmark, scenario
        return backend == TENSORRT and device.partition(":")[0] == "cuda"

    def provide(self, provision: Provision) -> Program:
        """Return the interpreter with TensorRT.

        Raises
        ------
        RequirementError
            There is no GPU, or TensorRT is not installed and cannot be.
        """
        from pytest_mlperf.backends.tensorrt_engine import INSTALL

        require_driver()
        try:
            return PYTHON.provide(provision)
        except RequirementError as error:
            # No index but NVIDIA's own has the library, and what pip says of that does not help.
            fix = f"install it into this session's environment: {INSTALL}"
            raise RequirementError(
                "the implementation nvidia needs TensorRT",
                expected="the packages tensorrt and cuda-bindings, of the driver's version of CUDA or an older one",
                found=f"{error.what}: {error.found}",
                fix=fix,
            ) from error

    def command(self, program: Program, run_json: Path) -> list[str]:
        """Return the command line of a run."""
        return PYTHON.command(program, run_json)


def require_driver() -> None:
    """Raise unless this machine has NVIDIA's driver: gigabytes would be installed for nothing.

    Raises
    ------
    RequirementError
        It has not.
    """
    if DRIVER.exists() or shutil.which("nvidia-smi") is not None:
        return
    try:
        ctypes.CDLL(DRIVER_LIBRARY)
    except OSError as error:
        raise RequirementError(
            "the implementation nvidia needs a GPU of NVIDIA",
            expected="its driver on this machine",
            found=f"neither {DRIVER} nor nvidia-smi; {error}",
            fix="run it on a machine with a GPU, or choose --implementation python with another --backend",
        ) from error


NVIDIA = NvidiaWorker()

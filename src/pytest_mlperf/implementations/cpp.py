"""The implementation cpp: a C++ program over LoadGen's C++ API and ONNX Runtime's shared library."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_mlperf.implementations.python import PYTHON

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.implementations.base import Program, Provision


class CppProgram:
    """Runs ``python -m pytest_mlperf.cpp``, which prepares the samples for a program that the user's compiler made."""

    #: It needs a compiler, so that it is run only where it is named.
    default = False

    def supports(self, benchmark: Benchmark, backend: str, device: str, scenario: str) -> bool:
        """Return whether the program has the runtime, and encodes the benchmark's answers."""
        from pytest_mlperf.cpp.answers import answers_of

        del scenario
        return (
            backend == "onnxruntime"
            and device.partition(":")[0] in ("cpu", "cuda")
            and answers_of(benchmark) is not None
        )

    def provide(self, provision: Provision) -> Program:
        """Return the interpreter that prepares and the program, which is built once.

        Raises
        ------
        RequirementError
            There is no compiler or no library of ONNX Runtime, or the program cannot be built.
        """
        from pytest_mlperf.cpp.build import PROGRAM, LibraryRecipe, ProgramRecipe
        from pytest_mlperf.cpp.runtime import onnxruntime_library
        from pytest_mlperf.environments.compiler import find_compiler
        from pytest_mlperf.environments.installed import find_loadgen
        from pytest_mlperf.environments.loadgen import find_checkout

        build = provision.build
        if build.onnxruntime_dir is not None:
            onnxruntime_library(build.onnxruntime_dir)
        compiler = find_compiler(build.compiler, "the program of the implementation cpp")
        worker = PYTHON.provide(provision)
        loadgen = provision.python().loadgen or find_loadgen()
        checkout = find_checkout(build.loadgen_src) if build.loadgen_src is not None else None
        library = LibraryRecipe(compiler, loadgen.version, checkout, offline=build.offline)
        program = provision.get(ProgramRecipe(compiler, library, provision.get(library))) / PROGRAM
        directory = str(build.onnxruntime_dir.absolute()) if build.onnxruntime_dir is not None else ""
        command = (worker.command[0], "-m", "pytest_mlperf.cpp", str(program), directory)
        return replace(worker, command=command, loadgen_built=library.built)

    def command(self, program: Program, run_json: Path) -> list[str]:
        """Return the command line of a run."""
        return [*program.command, str(run_json)]


CPP = CppProgram()

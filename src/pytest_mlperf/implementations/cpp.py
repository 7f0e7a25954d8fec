"""The implementations in C++: a program over LoadGen's C++ API and a runtime's shared library."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from pytest_mlperf.implementations.python import PYTHON

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.cpp.runtime import Runtime
    from pytest_mlperf.implementations.base import Program, Provision


@dataclass(frozen=True)
class CppProgram:
    """Runs ``python -m pytest_mlperf.cpp``, which prepares the samples for a program that the user's compiler made.

    ``name`` is that of the implementation; see `pytest_mlperf.cpp.runtime`.
    """

    name: str

    #: It needs a compiler, so that it is run only where it is named.
    default: ClassVar[bool] = False

    def supports(self, benchmark: Benchmark, backend: str, device: str, scenario: str) -> bool:
        """Return whether the program has the runtime, and encodes the benchmark's answers."""
        from pytest_mlperf.cpp.answers import answers_of

        del scenario
        runtime = self._runtime
        return (
            backend == runtime.backend
            and device.partition(":")[0] in runtime.devices
            and answers_of(benchmark) is not None
        )

    def provide(self, provision: Provision) -> Program:
        """Return the interpreter that prepares and the program, which is built once.

        Raises
        ------
        RequirementError
            There is no compiler or no library in the directory that the user names, or the program cannot be built.
        """
        from pytest_mlperf.cpp.build import PROGRAM, SOURCES, LibraryRecipe, ProgramRecipe
        from pytest_mlperf.environments.compiler import find_compiler
        from pytest_mlperf.environments.installed import find_loadgen
        from pytest_mlperf.environments.loadgen import find_checkout

        build, runtime = provision.build, self._runtime
        directory = build.onnxruntime_dir if runtime.has_directory else None
        if directory is not None:
            runtime.library(directory)
        compiler = find_compiler(build.compiler, f"the program of the implementation {self.name}")
        worker = PYTHON.provide(provision)
        loadgen = provision.python().loadgen or find_loadgen()
        checkout = find_checkout(build.loadgen_src) if build.loadgen_src is not None else None
        library = LibraryRecipe(compiler, loadgen.version, checkout, offline=build.offline)
        recipe = ProgramRecipe(compiler, library, provision.get(library), SOURCES / runtime.engine, self.name)
        program = provision.get(recipe) / PROGRAM
        place = str(directory.absolute()) if directory is not None else ""
        command = (worker.command[0], "-m", "pytest_mlperf.cpp", self.name, str(program), place)
        return replace(worker, command=command, loadgen_built=library.built)

    def command(self, program: Program, run_json: Path) -> list[str]:
        """Return the command line of a run."""
        return [*program.command, str(run_json)]

    @property
    def _runtime(self) -> Runtime:
        from pytest_mlperf.cpp.runtime import RUNTIMES

        return RUNTIMES[self.name]


CPP = CppProgram("cpp")
TFLITE_CPP = CppProgram("tflite-cpp")

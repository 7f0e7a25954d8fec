"""The library that TVM compiles of a model: made once, and kept in the cache."""

from __future__ import annotations

import json
import os
import platform
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlperf.backends.contract import FoundTensor, check_tensors
from pytest_mlperf.backends.fixed_shapes import shapes_for
from pytest_mlperf.backends.tvm_compiler import Found, Job
from pytest_mlperf.errors import ModelError, RequirementError
from pytest_mlperf.machine.hardware import processor_model

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.artifacts.recipe import KeyValue
    from pytest_mlperf.backends.model_file import Graph

#: Increase this when libraries are made differently.
VERSION = 1
TVM = "0.27.0.post1"
BATCH = 1
#: What TVM looks for on PATH, unless CXX or CC names another.
LINKERS = ("g++", "gcc", "clang++", "clang", "c++", "cc")


@dataclass(frozen=True)
class LibraryRecipe:
    """The recipe of a library.

    Attributes
    ----------
    model, sha256
        The model's file, and its digest; see `pytest_mlperf.backends.model_content`.
    format
        The model's format: ``onnx`` or ``pytorch``.
    graph
        The inputs and outputs.
    target
        TVM's target.
    interpreter
        A Python with TVM, and with what reads the model.
    candidates
        How many candidates are timed for each operator; 0 for none.
    """

    model: Path
    sha256: str
    format: str
    graph: Graph
    target: str
    interpreter: str
    candidates: int = 0
    kind: str = "compiled"

    @property
    def name(self) -> str:
        """The name in the cache."""
        return f"{self.model.stem} tvm"

    @property
    def source(self) -> str:
        """The source, as shown to users."""
        tuned = f", {self.candidates} candidates for each operator" if self.candidates else ""
        return f"compiled from {self.model.name} by TVM {TVM} for {self.target}{tuned}"

    def key(self) -> dict[str, KeyValue]:
        """Return what determines the library."""
        return {
            "sha256": self.sha256,
            "format": self.format,
            "shapes": [[name, *shape] for name, shape in shapes_for(self.graph, BATCH).items()],
            "outputs": [tensor.in_file for tensor in self.graph.outputs],
            "target": self.target,
            "machine": platform.machine(),
            "tvm": TVM,
            "version": VERSION,
            # What is tuned is tuned for a processor; it runs on others, too, where it is not the fastest.
            **({"candidates": self.candidates, "processor": processor_model()} if self.candidates else {}),
        }

    def build(self, directory: Path) -> None:
        """Compile the model.

        Raises
        ------
        ModelError
            TVM cannot compile it, its inputs or outputs are others, or it is not the file with that digest.
        RequirementError
            There is no compiler to link it with, or TVM's ended without a word about the model.
        """
        from pytest_mlperf.backends import tvm_compiler
        from pytest_mlperf.backends.model_content import require_unchanged
        from pytest_mlperf.environments.commands import run_command

        require_linker()
        job = job_for(self.model, directory, self.format, self.graph, self.target, self.candidates)
        done = run_command([self.interpreter, "-I", tvm_compiler.__file__, json.dumps(job.__dict__)])
        try:
            # What TVM and PyTorch warn of stands around it.
            found = Found(**json.loads(next(line for line in done.output.splitlines() if line.startswith("{"))))
        except (ValueError, TypeError, StopIteration) as error:
            raise RequirementError(
                f"TVM's compiler ended with exit code {done.code}", found=done.last_lines(), fix="see what it says"
            ) from error
        require_compiled(self.model, self.graph, self.target, found)
        require_unchanged(self.model, self.format, (), self.sha256, during="it was compiled")


def job_for(model: Path, directory: Path, form: str, graph: Graph, target: str, candidates: int) -> Job:
    """Return the job of compiling a model into a directory."""
    inputs = {name: list(shape) for name, shape in shapes_for(graph, BATCH).items()}
    outputs = [tensor.in_file for tensor in graph.outputs]
    return Job(str(model.absolute()), str(directory.absolute()), form, target, inputs, outputs, candidates)


def require_linker() -> None:
    """Raise unless there is a compiler, with which TVM links what it compiles: at the end, after all the tuning.

    Raises
    ------
    RequirementError
        There is none.
    """
    from pytest_mlperf.environments.distribution import install_compiler

    named = os.environ.get("CXX") or os.environ.get("CC")
    if not any(shutil.which(name) for name in ([named] if named else LINKERS)):
        raise RequirementError(
            "TVM has nothing to link the library with that it compiles",
            expected=f"{named}, which CXX or CC names" if named else f"one of {', '.join(LINKERS)} on PATH",
            found="nothing",
            fix=f"install a compiler: {install_compiler('g++')} (as root)",
        )


def require_compiled(model: Path, graph: Graph, target: str, found: Found) -> None:
    """Raise unless a model is the benchmark's and was compiled.

    Raises
    ------
    ModelError
        Its inputs or outputs are others, or TVM cannot compile it.
    """
    if found.inputs and found.outputs:
        for kind, wanted, there in (("input", graph.inputs, found.inputs), ("output", graph.outputs, found.outputs)):
            ranks = {tensor.in_file: len(tensor.shape) for tensor in wanted}
            # Where nobody says an output's shape, it is taken to be what the benchmark wants.
            known = [
                FoundTensor(name, dtype, shape if shape is not None else [None] * ranks.get(name, 0))
                for name, dtype, shape in there
            ]
            check_tensors(model, kind, wanted, known)
    if found.fault:
        raise ModelError(
            f"TVM {TVM} cannot compile {model} for {target}",
            expected="a model of operators that TVM knows, with fixed shapes; for PyTorch, an exported program (.pt2)",
            found=found.fault,
            fix="choose another --backend, or give another file with --model-path",
        )

"""TVM: ONNX models and PyTorch's exported programs, compiled to a library for the cpu."""

from __future__ import annotations

import json
import os
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.backends.base import Preparation
from pytest_mlperf.backends.contract import require_file
from pytest_mlperf.backends.fixed_shapes import varying
from pytest_mlperf.backends.onnx_weights import weight_dtypes
from pytest_mlperf.backends.tvm_compiler import LIBRARY, NAMES, compile_model
from pytest_mlperf.backends.tvm_library import BATCH, TVM, LibraryRecipe, job_for, require_compiled, require_linker
from pytest_mlperf.errors import OptionError
from pytest_mlperf.machine.cores import available_cores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.backends.model_file import Graph, ModelFile

#: Sums in another order can be vectorised: half the time of plain llvm in convolutions, with the same differences from
#: ONNX Runtime. Without a CPU's name: the untuned code for a certain CPU was slower.
DEFAULT_TARGET = '{"kind":"llvm","fast-math-reassoc":1}'


class TvmModel:
    """A virtual machine that runs a compiled library; one inference at a time, one sample each."""

    device = "cpu"
    concurrent = False
    max_batch = BATCH

    def __init__(self, directory: Path, graph: Graph, threads: int, weight_types: Sequence[str]) -> None:
        # Read when the runtime's threads start; what is not tuned has one thread anyway.
        os.environ["TVM_NUM_THREADS"] = str(threads)
        import tvm
        from tvm import relax

        self.weight_types = weight_types
        names = json.loads((directory / NAMES).read_text("utf-8"))
        ours = {tensor.in_file: tensor.name for tensor in graph.inputs}
        self._order = [ours[name] for name in names["inputs"]]
        self.notes = (f"tuned: {names['tuned']}",) if names.get("tuned") else ()
        self._places = [names["outputs"].index(tensor.in_file) for tensor in graph.outputs]
        self._tensor = tvm.runtime.tensor
        library = tvm.runtime.load_module(str(directory / LIBRARY))
        self._machine: Any = relax.VirtualMachine(library, tvm.cpu())

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        """Run one batch."""
        import numpy as np

        del graph
        found = self._machine["main"](*[self._tensor(np.ascontiguousarray(inputs[name])) for name in self._order])
        outputs = [found] if hasattr(found, "numpy") else list(found)
        return [outputs[place].numpy() for place in self._places]

    def close(self) -> None:
        """Release the virtual machine and its memory."""
        self._machine = None


class Tvm:
    """What both backends of TVM have in common.

    The option ``target`` is TVM's target: ``llvm``, or JSON with that kind, as `DEFAULT_TARGET`. The option ``tune`` is
    how many candidates are built and timed for each operator.
    """

    devices: tuple[str, ...] = ("cpu",)
    formats: tuple[str, ...]
    requirements: tuple[str, ...] = (f"apache-tvm=={TVM}",)
    also_requires: tuple[str, ...]
    default = False
    refuses = staticmethod(varying)
    #: The directory with the library; None: it is compiled by `load`.
    prepared: Path | None = None

    def preparation(
        self,
        file: Path,
        sha256: str,
        model: ModelFile,
        options: Mapping[str, str],
        interpreter: str,
        device: str,
    ) -> Preparation:
        """Return how a model is compiled; see `pytest_mlperf.backends.base.Prepares.preparation`."""
        del device
        target, candidates = _target(options), _candidates(options)
        require_file(file, f"a model of the format {model.format}")
        recipe = LibraryRecipe(file, sha256, model.format, model.graph, target, interpreter, candidates)
        what, took = f"compiling {file.name} with TVM for {target}", "seconds, a minute for a large model"
        if candidates:
            what += f" and timing {candidates} candidates for each operator"
            took = "minutes, or hours for many candidates of a large model"
        return Preparation(recipe, f"{what}: {took}")

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> TvmModel:
        """Load a compiled model; see `pytest_mlperf.backends.base.Backend.load`."""
        del device
        path, target, candidates = Path(file), _target(options), _candidates(options)
        require_file(path, f"a model of the format {model.format}")
        weights = _weights(path) if model.format == "onnx" else (model.precision,)
        if self.prepared is not None:
            return TvmModel(self.prepared, model.graph, threads, weights)
        require_linker()
        with tempfile.TemporaryDirectory(prefix="tvm-") as name:
            found = compile_model(job_for(path, Path(name), model.format, model.graph, target, candidates))
            require_compiled(path, model.graph, target, found)
            return TvmModel(Path(name), model.graph, threads, weights)

    def versions(self) -> Mapping[str, str]:
        """Return the versions of TVM, and of what reads its models."""
        return {name: version(name) for name in ("apache-tvm", "apache-tvm-ffi", "numpy")}


class TvmOnnx(Tvm):
    """TVM, from the package apache-tvm, with ONNX models."""

    formats: tuple[str, ...] = ("onnx",)
    also_requires: tuple[str, ...] = ("onnx>=1.17", "onnxruntime>=1.19")


class TvmPyTorch(Tvm):
    """TVM, from the package apache-tvm, with exported programs of PyTorch."""

    formats: tuple[str, ...] = ("pytorch",)
    also_requires: tuple[str, ...] = ("torch==2.13.0", "onnxruntime>=1.19")

    @staticmethod
    def refuses(model: ModelFile) -> str:
        """Return what of a model it does not read; empty for nothing that is known."""
        if any(len(tensor.shape) > 4 for graph in model.graphs for tensor in graph.inputs):
            return "TVM reads no transposed convolution in three dimensions from PyTorch"
        return varying(model)


def _target(options: Mapping[str, str]) -> str:
    """Return the target of the options.

    Raises
    ------
    OptionError
        An option is not known, or the target is not one of the cpu.
    """
    for name, value in options.items():
        if name not in ("target", "tune"):
            raise OptionError(
                f"--backend-option: TVM has no option {name}",
                expected="target or tune",
                found=f"{name}={value}",
                fix="see docs/backends/tvm.md",
            )
    target = options.get("target", DEFAULT_TARGET)
    if _candidates(options):
        target = _with_cores(target)
    if _kind(target) != "llvm":
        raise OptionError(
            "--backend-option: the target is not one for the cpu",
            expected=f"llvm, or JSON such as {DEFAULT_TARGET}",
            found=f"target={target}",
            fix="see docs/backends/tvm.md",
        )
    return target


def _candidates(options: Mapping[str, str]) -> int:
    """Return how many candidates are timed for each operator; 0 without the option.

    Raises
    ------
    OptionError
        Its value is no such number.
    """
    value = options.get("tune", "0")
    if not (value.isdecimal() and len(value) < 6):
        raise OptionError(
            "--backend-option: tune is a number of candidates for each operator",
            expected="tune=N with N from 1 to 99999, or 0 for none",
            found=f"tune={value}",
            fix="see docs/backends/tvm.md",
        )
    return int(value)


def _with_cores(target: str) -> str:
    """Return a target with the number of cores, which candidates are made for; what is no target stays as it is."""
    try:
        attributes = json.loads(target) if target.startswith("{") else {"kind": target}
    except ValueError:
        return target
    return json.dumps({"num-cores": available_cores(), **attributes}, separators=(",", ":"))


def _kind(target: str) -> object:
    if not target.startswith("{"):
        return target
    try:
        return json.loads(target).get("kind")
    except ValueError:
        return None


def _weights(path: Path) -> tuple[str, ...]:
    try:
        return weight_dtypes(path)
    except (OSError, ValueError):  # TVM can run the model; only the types of its weights are unknown
        return ()

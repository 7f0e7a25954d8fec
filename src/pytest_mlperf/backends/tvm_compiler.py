"""Compiles a model with TVM, in an interpreter that has it: a program of its own, which needs nothing of this package.

    python -I tvm_compiler.py JOB

JOB is JSON with the fields of `Job`. The last line of the output is JSON with the fields of `Found`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LIBRARY, NAMES = "model.so", "names.json"


@dataclass(frozen=True)
class Job:
    """What is compiled.

    Attributes
    ----------
    model, directory
        The model, and where the library goes.
    format
        ``onnx`` or ``pytorch``.
    target
        TVM's target: its kind, or JSON with its kind and attributes.
    inputs, outputs
        The inputs' names in the file with the shapes to compile for, and the names of the wanted outputs.
    candidates
        How many candidates are built and timed for each operator; 0 to take what TVM gives without timing.
    """

    model: str
    directory: str
    format: str
    target: str
    inputs: dict[str, list[int]]
    outputs: list[str]
    candidates: int = 0


@dataclass(frozen=True)
class Found:
    """What was found in the model: name, element type and shape of each input and output.

    A length in a shape is None if it may vary, the shape if nobody says it. ``fault`` is why there is no library; it is
    empty if there is one. ``tuned`` is what was tuned, and how long that took; empty for nothing.
    """

    inputs: list[tuple[str, str, list[int | None] | None]]
    outputs: list[tuple[str, str, list[int | None] | None]]
    fault: str = ""
    tuned: str = ""


def compile_model(job: Job) -> Found:
    """Write the library of a model, and the order of its inputs and outputs."""
    inputs: list[Any] = []
    outputs: list[Any] = []
    try:
        import tvm
        from tvm import relax

        read = _from_onnx if job.format == "onnx" else _from_pytorch
        module = read(job, inputs, outputs)
        target = tvm.target.Target(json.loads(job.target) if job.target.startswith("{") else job.target)
        module = relax.transform.DecomposeOpsForInference()(module)
        tuned = ""
        if job.candidates:
            module, tuned = _tuned(module, target, job.candidates)
        tvm.compile(module, target=target).export_library(str(Path(job.directory) / LIBRARY))
        names = {"inputs": [name for name, *_ in inputs], "outputs": [name for name, *_ in outputs], "tuned": tuned}
        (Path(job.directory) / NAMES).write_text(json.dumps(names), "utf-8")
    except Exception as error:  # TVM's own have no common class; any of them is about this model
        return Found(inputs, outputs, _said(error))
    return Found(inputs, outputs, "", tuned)


def _tuned(module: Any, target: Any, candidates: int) -> tuple[Any, str]:
    """Return a module with the fastest of some candidates for each of its operators, and what that took.

    Candidates are drawn at random, and timed in a process of their own: TVM's evolutionary search takes 10 to 20 s for
    an operator, and asks a model of their cost that is learned with xgboost, of more than a gigabyte.
    """
    import tvm
    from tvm import relax
    from tvm.s_tir import meta_schedule

    start = time.perf_counter()
    with target, tempfile.TemporaryDirectory() as directory:
        steps = [relax.transform.CanonicalizeBindings(), relax.get_pipeline("zero")]
        module = tvm.transform.Sequential(steps)(module)
        tasks = len(meta_schedule.relax_integration.extract_tasks(module, target, {}))
        database = meta_schedule.relax_integration.tune_relax(
            module,
            {},
            target,
            directory,
            max_trials_global=candidates * tasks,
            max_trials_per_task=candidates,
            num_trials_per_iter=candidates,
            builder=_builder(),
            database="memory",
            cost_model="random",
            strategy="replay-trace",
            seed=1,
        )
        with database:
            module = relax.transform.MetaScheduleApplyDatabase(None)(module)
    seconds = time.perf_counter() - start
    return module, f"{candidates} candidates for each of {tasks} operators, {seconds:.0f} s"


def _builder() -> Any:
    """Return what builds candidates here: TVM's own starts a Python for each few, for 5 to 10 s of a core."""
    from tvm.ir.utils import derived_object
    from tvm.s_tir.meta_schedule.builder import BuilderResult, PyBuilder
    from tvm.s_tir.meta_schedule.builder.local_builder import default_build, default_export

    @derived_object
    class Builder(PyBuilder):  # type: ignore[misc]
        def build(self, wanted: list[Any]) -> list[Any]:
            """Return the library of each candidate, or why there is none."""
            return [self._one(each) for each in wanted]

        def _one(self, wanted: Any) -> Any:
            try:
                return BuilderResult(default_export(default_build(wanted.mod, wanted.target, None)), None)
            except Exception as error:  # a candidate that cannot be built is not taken
                return BuilderResult(None, _said(error))

    return Builder()


def _from_onnx(job: Job, inputs: list[Any], outputs: list[Any]) -> Any:
    """Return TVM's module of an ONNX file with the shapes of the job; add what is found."""
    import onnx
    from tvm.relax.frontend.onnx import from_onnx

    path = Path(job.model)
    model = onnx.load(path)
    constants = {value.name for value in model.graph.initializer}
    inputs += _onnx_tensors(value for value in model.graph.input if value.name not in constants)
    outputs += _onnx_tensors(model.graph.output)
    for value in model.graph.input:
        for axis, length in enumerate(job.inputs.get(value.name, ())):
            value.type.tensor_type.shape.dim[axis].dim_value = length
    return from_onnx(_folded(model), keep_params_in_input=False)


def _folded(model: Any) -> Any:
    """Return the graph with everything computed that follows from its shapes: TVM must know the rank of each tensor."""
    import onnx
    import onnxruntime

    with tempfile.TemporaryDirectory() as directory:
        whole, folded = Path(directory) / "whole.onnx", Path(directory) / "folded.onnx"
        onnx.save(model, whole)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(folded)
        onnxruntime.InferenceSession(str(whole), options, providers=["CPUExecutionProvider"])
        return onnx.load(folded)


def _from_pytorch(job: Job, inputs: list[Any], outputs: list[Any]) -> Any:
    """Return TVM's module of an exported program with the shapes of the job; add what is found.

    Its arguments and outputs have no names of their own: they are in the order of the job.
    """
    import torch
    from tvm.relax.frontend.torch import from_exported_program

    program = torch.export.load(job.model)
    values = {node.name: node.meta["val"] for node in program.graph.nodes if "val" in node.meta}
    given = [values[name] for name in program.graph_signature.user_inputs]
    made = [values[name] for name in program.graph_signature.user_outputs]
    inputs += _torch_tensors(list(job.inputs), given)
    outputs += _torch_tensors(job.outputs, made)
    wanted = list(job.inputs.values())
    # TVM knows more operators with a batch that is a number than with an open one.
    examples = tuple(torch.zeros(shape, dtype=value.dtype) for shape, value in zip(wanted, given, strict=True))
    fixed = torch.export.export(program.module(), examples)
    return from_exported_program(fixed, keep_params_as_input=False)


def _onnx_tensors(values: Iterable[Any]) -> list[Any]:
    from onnx.helper import tensor_dtype_to_np_dtype

    found = []
    for value in values:
        tensor = value.type.tensor_type
        shape = [dim.dim_value or None for dim in tensor.shape.dim] if tensor.HasField("shape") else None
        found.append((value.name, str(tensor_dtype_to_np_dtype(tensor.elem_type)), shape))
    return found


def _torch_tensors(names: Sequence[str], values: Sequence[Any]) -> list[Any]:
    """Return names with what is in their places; a place without a name has a number."""
    found = []
    for place, value in enumerate(values):
        shape = [length if isinstance(length, int) else None for length in value.shape]
        name = names[place] if place < len(names) else str(place)
        found.append((name, str(value.dtype).removeprefix("torch."), shape))
    return found


def _said(error: Exception) -> str:
    """Return an error's class and last line: TVM's texts begin with frames of its C++."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else ''}"[:500]


if __name__ == "__main__":
    sys.stdout.write(f"\n{json.dumps(asdict(compile_model(Job(**json.loads(sys.argv[1])))))}\n")

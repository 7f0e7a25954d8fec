"""Opens the forms of PyTorch files: exported programs, TorchScript, and state dicts."""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pytest_mlperf.backends.contract import FoundTensor, check_tensors, require_file
from pytest_mlperf.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_mlperf.backends.base import Inputs
    from pytest_mlperf.backends.model_file import Graph, ModelFile, Tensor

WHAT = "an exported program (.pt2), a TorchScript file (.pt), or a dictionary of tensors (.pth)"
FIX = "give the benchmark's PyTorch file with --model-path, or leave the option out"
#: What an open length is in the trial of a TorchScript file.
TRIAL_LENGTH = 16


class Program:
    """A program for one graph: numpy arrays by name to numpy arrays in the order of the graph.

    Parameters
    ----------
    module
        What is called with tensors.
    tensors
        Its weights and constants.
    device
        Where it runs.
    graph
        The benchmark's graph; None if it has none, and then inputs are given in the order of the mapping.
    batch
        The only number of samples that it takes; None for any.
    max_batch
        The most samples; None for any.
    """

    def __init__(
        self,
        module: Callable[..., Any],
        tensors: Sequence[torch.Tensor],
        device: torch.device,
        graph: Graph | None,
        *,
        batch: int | None = None,
        max_batch: int | None = None,
    ) -> None:
        self.module = module
        self.tensors = tensors
        self.device = device
        self.max_batch = batch if batch is not None else max_batch
        #: Set where the layout of images is another.
        self.memory_format: torch.memory_format | None = None
        #: By input, the axes whose lengths may vary.
        self.open_axes = (
            [[axis for axis, n in enumerate(each.shape) if n is None] for each in graph.inputs] if graph else []
        )
        self._batch = batch
        self._inputs = [tensor.name for tensor in graph.inputs] if graph is not None else None
        self._outputs = graph.outputs if graph is not None else None

    def __call__(self, inputs: Inputs) -> list[Any]:
        """Run one batch."""
        arrays = list(inputs.values()) if self._inputs is None else [inputs[name] for name in self._inputs]
        count = len(arrays[0])
        if self._batch is not None and count != self._batch:
            arrays = [_padded(each, self._batch) for each in arrays]
        made = self.module(*(self._given(each) for each in arrays))
        found = [self._taken(each) for each in self._ordered(made)]
        if self._batch is not None and count != self._batch:
            found = [each[:count] for each in found]
        return found

    def _given(self, array: Any) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
        if self.memory_format is not None and tensor.dim() == _RANKS[self.memory_format]:
            return tensor.contiguous(memory_format=self.memory_format)
        return tensor

    def _ordered(self, made: Any) -> Sequence[torch.Tensor]:
        if isinstance(made, torch.Tensor):
            return (made,)
        if isinstance(made, dict):
            return [made[each.in_file] for each in self._outputs] if self._outputs is not None else list(made.values())
        return tuple(made)

    def _taken(self, tensor: torch.Tensor) -> Any:
        if tensor.device.type != self.device.type:
            raise RuntimeError(f"an output is on {tensor.device}, not on {self.device}")
        if tensor.dtype in (torch.bfloat16, torch.float16):
            tensor = tensor.float()
        return tensor.contiguous().cpu().numpy()


_RANKS = {torch.channels_last: 4, torch.channels_last_3d: 5}


def _padded(array: Any, batch: int) -> Any:
    return np.concatenate([array, np.zeros((batch - len(array), *array.shape[1:]), array.dtype)])


def open_programs(place: Path, model: ModelFile, device: torch.device) -> dict[str, Program]:
    """Return the program of each graph, by its name.

    Raises
    ------
    ModelError
        A file is missing, is none of PyTorch's or needs a pickle, or its inputs and outputs are others.
    """
    if model.directory:
        return {graph.name: _opened(place / graph.file, [graph], device)[graph.name] for graph in model.graphs}
    return _opened(place, model.graphs, device)


def _opened(path: Path, graphs: Sequence[Graph], device: torch.device) -> dict[str, Program]:
    require_file(path, WHAT)
    form = _form(path)
    if form is None:
        return _of_state(path, graphs, device)
    if len(graphs) > 1:
        raise ModelError(
            f"{path} holds one graph",
            expected=f"the graphs {', '.join(graph.name for graph in graphs)}",
            found="an exported program or a TorchScript file, which is one",
            fix="give a dictionary of tensors, or a directory with a file for each graph",
        )
    graph = graphs[0] if graphs else None
    name = graph.name if graph is not None else ""
    return {name: form(path, graph, device)}


def _form(path: Path) -> Callable[[Path, Graph | None, torch.device], Program] | None:
    """Return how a file that is a program is opened; None for anything else."""
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    parts = {part for name in names for part in name.split("/")[:2]}
    if "serialized_exported_program.json" in parts or any(name.endswith("archive_format") for name in names):
        return _exported
    return _scripted if "code" in parts else None


def _exported(path: Path, graph: Graph | None, device: torch.device) -> Program:
    _require_plain(path)
    try:
        exported = torch.export.load(path)
        if device.type != "cpu":
            from torch.export.passes import move_to_device_pass

            exported = move_to_device_pass(exported, device)
        module = exported.module()
    except Exception as error:  # whatever torch raises is about this file
        raise _unreadable(path, error, f"an exported program that torch {torch.__version__} reads") from error
    inputs, outputs = _signature(exported)
    if graph is not None:
        check_tensors(path, "input", graph.inputs, _named(inputs, graph.inputs))
        check_tensors(path, "output", graph.outputs, _named(outputs, graph.outputs))
    first = inputs[0].shape[0] if inputs and inputs[0].shape else None
    tensors = [*exported.state_dict.values(), *(each for each in exported.constants.values() if _is_tensor(each))]
    return Program(
        module,
        tensors,
        device,
        graph,
        batch=first if isinstance(first, int) else None,
        max_batch=_bound(exported),
    )


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor)


def _require_plain(path: Path) -> None:
    """Raise if opening an exported program would unpickle more than tensors: torch does it for some of its parts.

    What is read is what torch reads, by its own reader.
    """
    reader = torch._C.PyTorchFileReader(str(path))
    for name in reader.get_all_records():
        data = reader.get_record(name)
        if name.endswith("_config.json"):
            told = json.loads(data)
            listed = told.get("config", {}) if isinstance(told, dict) else {}
            pickled = [key for key, each in listed.items() if isinstance(each, dict) and each.get("use_pickle")]
            if pickled:
                raise _pickled(path, f"{pickled[0]} is pickled")
        elif name.endswith(".pt") and data:
            try:
                torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
            except Exception as error:  # UnpicklingError, RuntimeError, EOFError: it is no plain content
                raise _pickled(path, f"{name}: {_first_line(error)}") from error


def _pickled(path: Path, found: str) -> ModelError:
    return ModelError(
        f"{path} holds a pickle, which could execute anything",
        expected=f"{WHAT}, with tensors and plain values only",
        found=found,
        fix="save it again without example inputs: set exported.example_inputs = None before torch.export.save",
    )


def _signature(exported: Any) -> tuple[list[FoundTensor], list[FoundTensor]]:
    """Return what a program takes and returns; None is an open length."""
    by_name = {node.name: node for node in exported.graph.nodes}
    output = next(node for node in exported.graph.nodes if node.op == "output")
    made = {node.name: node for node in output.args[0] if hasattr(node, "name")}
    signature = exported.graph_signature
    return (
        [_described(name, by_name[name]) for name in signature.user_inputs if name in by_name],
        [_described(name, made[name]) for name in signature.user_outputs if name in made],
    )


def _described(name: str, node: Any) -> FoundTensor:
    value = node.meta.get("val")
    if not isinstance(value, torch.Tensor):
        return FoundTensor(name, type(value).__name__, ())
    shape = [length if isinstance(length, int) else None for length in value.shape]
    return FoundTensor(name, str(value.dtype).partition(".")[2], shape)


def _named(found: Sequence[FoundTensor], wanted: Sequence[Tensor]) -> list[FoundTensor]:
    """Return the tensors of a program by the benchmark's names: a program's own are those of its code's variables."""
    if len(found) != len(wanted):
        return list(found)
    return [FoundTensor(each.in_file, one.dtype, one.shape) for each, one in zip(wanted, found, strict=True)]


def _bound(exported: Any) -> int | None:
    """Return the most samples for which a program was exported."""
    name = next(iter(exported.graph_signature.user_inputs), None)
    node = next((node for node in exported.graph.nodes if node.name == name), None)
    value = node.meta.get("val") if node is not None else None
    if not isinstance(value, torch.Tensor) or not value.dim() or isinstance(value.shape[0], int):
        return None
    limits = exported.range_constraints.get(value.shape[0].node.expr)
    return int(limits.upper) if limits is not None and getattr(limits.upper, "is_Integer", False) else None


def _scripted(path: Path, graph: Graph | None, device: torch.device) -> Program:
    try:
        module = torch.jit.load(str(path), map_location=device).eval()
    except Exception as error:  # whatever torch raises is about this file
        raise _unreadable(path, error, "a TorchScript file") from error
    program = Program(module, list(module.state_dict().values()), device, graph)
    if graph is not None:
        _try(path, program, graph)
    return program


def _try(path: Path, program: Program, graph: Graph) -> None:
    """Raise unless one sample of zeros gives what the benchmark wants: a TorchScript file says nothing of shapes."""
    zeros = {each.name: np.zeros(_example(each), each.dtype) for each in graph.inputs}
    try:
        with torch.inference_mode():
            found = program(zeros)
    except Exception as error:  # a file of other inputs fails in any way
        wanted = ", ".join(f"{each.name} {each.dtype}{list(_example(each))}" for each in graph.inputs)
        raise ModelError(
            f"{path} does not run the benchmark's inputs", expected=wanted, found=_last_line(error), fix=FIX
        ) from error
    described = [FoundTensor(f"output {n}", str(each.dtype), each.shape) for n, each in enumerate(found)]
    check_tensors(path, "output", graph.outputs, _named(described[: len(graph.outputs)], graph.outputs))


def _example(tensor: Tensor) -> tuple[int, ...]:
    return tuple((TRIAL_LENGTH if axis else 1) if n is None else n for axis, n in enumerate(tensor.shape))


def _of_state(path: Path, graphs: Sequence[Graph], device: torch.device) -> dict[str, Program]:
    from pytest_mlperf.backends.pytorch_networks.known import network_for

    modules = network_for(path, read_state(path))
    names = [graph.name for graph in graphs] or list(modules)
    if set(names) != set(modules):
        raise ModelError(
            f"{path} is of another network",
            expected=f"the graphs {', '.join(names)}",
            found=f"{', '.join(modules)}",
            fix=FIX,
        )
    by_name = {graph.name: graph for graph in graphs}
    programs = {}
    for name, module in modules.items():
        module = module.eval().requires_grad_(False).to(device)
        programs[name] = Program(module, list(module.state_dict().values()), device, by_name.get(name))
    for graph in graphs:
        _try(path, programs[graph.name], graph)
    return programs


def read_state(path: Path) -> Mapping[str, torch.Tensor]:
    """Return the tensors of a checkpoint, by name; nothing in it is executed.

    They may be one level down, under ``state_dict``, ``model`` or ``module``.

    Raises
    ------
    ModelError
        It is none of PyTorch's, holds something else than tensors and plain values, or no tensors.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # OSError, RuntimeError, UnpicklingError, EOFError: all are about this file
        raise _unreadable(path, error, f"{WHAT}, with tensors and plain values only") from error
    for inner in _candidates(content):
        if inner and all(isinstance(key, str) and _is_tensor(value) for key, value in inner.items()):
            return inner
    raise ModelError(
        f"{path} has no weights",
        expected="a dictionary whose values are tensors, or one with state_dict",
        found=f"a dictionary with {', '.join(map(str, list(content)[:5])) or 'nothing'}"
        if isinstance(content, dict)
        else f"a {type(content).__name__}",
        fix=FIX,
    )


def _candidates(content: Any) -> Iterator[dict[Any, Any]]:
    if isinstance(content, dict):
        yield content
        for key in ("state_dict", "model", "module"):
            if isinstance(content.get(key), dict):
                yield content[key]


def _unreadable(path: Path, error: Exception, expected: str) -> ModelError:
    return ModelError(f"PyTorch cannot load {path}", expected=expected, found=_first_line(error), fix=FIX)


def _first_line(error: Exception) -> str:
    said = str(error).strip()
    if "Weights only load failed" in said:  # torch goes on with advice to unpickle it nevertheless
        needed = re.search(r"GLOBAL ([\w.]+)", said)
        return f"a pickle that needs {needed[1]}" if needed else "nothing that torch.load reads"
    return f"{type(error).__name__}: {said.splitlines()[0][:300]}" if said else type(error).__name__


def _last_line(error: Exception) -> str:
    """Return what happened: TorchScript puts its own traceback first."""
    said = str(error).strip()
    return said.splitlines()[-1][:300] if said else type(error).__name__

"""Loads TensorFlow's formats as a function of named tensors: a SavedModel's signature, a frozen graph."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlperf.backends.contract import FoundTensor
from pytest_mlperf.backends.tensor_names import plain_name
from pytest_mlperf.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from pytest_mlperf.backends.model_file import Graph, Tensor

#: Types of TensorFlow by MLPerf's names, where they differ.
_TYPES = {"float32": "fp32", "float16": "fp16", "float64": "fp64", "bfloat16": "bf16"}
#: Types with a smaller part of the elements are ignored: shapes and axes are constants, too.
_LEAST_PART = 0.01


@dataclass(frozen=True)
class Loaded:
    """A function of named tensors that returns named tensors.

    Attributes
    ----------
    function
        Takes tensors by key, and returns tensors by key.
    keys
        The key by the name that the benchmark's file has.
    inputs, outputs
        As TensorFlow describes them, with the names of the benchmark's file.
    weight_types
        The types of the constants and variables, the most frequent first.
    """

    function: Callable[..., Mapping[str, Any]]
    keys: Mapping[str, str]
    inputs: Sequence[FoundTensor]
    outputs: Sequence[FoundTensor]
    weight_types: tuple[str, ...]


def saved_model(path: Path, signature: str, graph: Graph) -> Loaded:
    """Load a signature of a SavedModel.

    Raises
    ------
    ModelError
        It cannot be loaded, or has no such signature.
    """
    import tensorflow

    try:
        signatures = tensorflow.saved_model.load(str(path)).signatures
    except Exception as error:  # a file that is missing, cut off or of another format: each its own class
        raise _cannot(path, "a SavedModel directory", error) from error
    if signature not in signatures:
        raise ModelError(
            f"{path} has no signature {signature}",
            expected="a SavedModel with a signature, whose inputs and outputs have names",
            found=", ".join(signatures) or "none",
            fix="name another with --backend-option signature=NAME, or save the model with signatures=",
        )
    function = signatures[signature]
    inputs, outputs = function.structured_input_signature[1], function.structured_outputs
    wanted = {plain_name(tensor.in_file): tensor.in_file for tensor in (*graph.inputs, *graph.outputs)}
    names = {key: wanted.get(plain_name(key), key) for key in (*inputs, *outputs)}
    return Loaded(
        function,
        {name: key for key, name in names.items()},
        [_found(names[key], value, graph.inputs) for key, value in inputs.items()],
        [_found(names[key], value, graph.outputs) for key, value in outputs.items()],
        _weight_types(function.graph.as_graph_def(), function.graph.variables),
    )


def frozen_graph(path: Path, graph: Graph) -> Loaded:
    """Load a frozen graph, whose tensors have the names of the benchmark's file.

    Raises
    ------
    ModelError
        It is no graph, cannot be imported, or has no such tensor.
    """
    import tensorflow

    definition = tensorflow.compat.v1.GraphDef()
    try:
        definition.ParseFromString(path.read_bytes())
        whole = tensorflow.compat.v1.wrap_function(lambda: tensorflow.import_graph_def(definition, name=""), [])
    except Exception as error:  # protobuf's DecodeError has no base class of its own; a bad node is a ValueError
        raise _cannot(path, "a frozen graph: a GraphDef whose weights are constants", error) from error
    tensors = {tensor.in_file: _tensor(whole.graph, tensor.in_file) for tensor in (*graph.inputs, *graph.outputs)}
    missing = [name for name, tensor in tensors.items() if tensor is None]
    if missing:
        raise ModelError(
            f"{path} has no tensor {', '.join(missing)}",
            expected=f"tensors {', '.join(tensors)}",
            found=_ends(whole.graph),
            fix="export the graph with these names, or give another file with --model-path",
        )
    inputs, outputs = ([each.in_file for each in side] for side in (graph.inputs, graph.outputs))
    try:
        pruned = whole.prune([tensors[name] for name in inputs], {name: tensors[name] for name in outputs})
    except Exception as error:  # an output that needs an input that nobody feeds is a ValueError or an internal one
        raise _cannot(path, f"a graph from {', '.join(inputs)} to {', '.join(outputs)}", error) from error

    def function(**values: Any) -> Mapping[str, Any]:
        found: Mapping[str, Any] = pruned(*(values[name] for name in inputs))
        return found

    return Loaded(
        function,
        {name: name for name in tensors},
        [_found(name, tensors[name], graph.inputs) for name in inputs],
        [_found(name, tensors[name], graph.outputs) for name in outputs],
        _weight_types(definition, ()),
    )


def _tensor(graph: Any, name: str) -> Any:
    """Return a tensor by its name; None if there is none."""
    try:
        return graph.get_tensor_by_name(name if ":" in name else f"{name}:0")
    except (KeyError, ValueError):
        return None


def _ends(graph: Any) -> str:
    """Return what a graph begins and ends with, for a message."""
    operations = graph.get_operations()
    fed = [each.name for each in operations if each.type == "Placeholder"]
    last = [each.name for each in operations if each.outputs and not any(one.consumers() for one in each.outputs)]
    return f"placeholders {', '.join(fed[:5]) or 'none'}; ends {', '.join(last[:5]) or 'none'}"


def _found(name: str, value: Any, wanted: Iterable[Tensor]) -> FoundTensor:
    """Return a tensor as TensorFlow describes it; a shape that it does not know may be the wanted one."""
    if value.shape.rank is not None:
        return FoundTensor(name, value.dtype.name, list(value.shape))
    rank = next((len(tensor.shape) for tensor in wanted if tensor.in_file == name), 0)
    return FoundTensor(name, value.dtype.name, [None] * rank)


def _weight_types(definition: Any, variables: Iterable[Any]) -> tuple[str, ...]:
    import tensorflow

    elements = Counter[str]()
    nodes = [*definition.node, *(node for each in definition.library.function for node in each.node_def)]
    for node in nodes:
        if node.op == "Const":
            tensor = node.attr["value"].tensor
            name = tensorflow.dtypes.as_dtype(tensor.dtype).name
            elements[name] += math.prod(dim.size for dim in tensor.tensor_shape.dim)
    for variable in variables:
        elements[variable.dtype.name] += variable.shape.num_elements()
    total = elements.total()
    return tuple(_TYPES.get(name, name) for name, count in elements.most_common() if count >= _LEAST_PART * total)


def _cannot(path: Path, expected: str, error: Exception) -> ModelError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return ModelError(
        f"TensorFlow cannot load {path}",
        expected=expected,
        found=" ".join(lines)[:300],
        fix="check the path given with --model-path",
    )

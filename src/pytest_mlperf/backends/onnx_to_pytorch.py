"""Makes an exported PyTorch program of an ONNX graph.

Only the operators that occur in the tiny editions' graphs are known. Numbers that come from a shape stay Python's
numbers, so that a graph with open lengths becomes a program with open lengths. The one that is left out is LSTM: when
PyTorch 2.13 exports it, the number of its steps becomes fixed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    Operator = Callable[[Mapping[str, Any], list[Any]], Any]

#: ONNX's numbers of element types.
TYPES = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 10: torch.float16, 11: torch.float64}


class ConversionError(Exception):
    """A graph that this script does not know how to convert, or whose program gives other answers."""


class Program(nn.Module):
    """Runs an ONNX graph's nodes one by one; exporting it leaves their operators only.

    Parameters
    ----------
    graph
        The graph.
    inputs, outputs
        The names of the inputs in the order of the arguments, and of the outputs to return.
    """

    def __init__(self, graph: onnx.GraphProto, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        super().__init__()
        self._inputs, self._outputs = tuple(inputs), tuple(outputs)
        self._nodes = [(node.op_type, _attributes(node), list(node.input), list(node.output)) for node in graph.node]
        unknown = sorted({name for name, *_ in self._nodes} - OPERATORS.keys())
        if unknown:
            raise ConversionError(f"operators {', '.join(unknown)}")
        constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        #: Whole numbers are shapes, axes and indices; the rest are weights.
        self._numbers = {name: value for name, value in constants.items() if value.dtype.kind != "f"}
        self._weights = {name: f"weight_{number}" for number, name in enumerate(constants) if name not in self._numbers}
        for name, attribute in self._weights.items():
            weight = torch.from_numpy(np.array(constants[name]))
            self.register_parameter(attribute, nn.Parameter(weight, requires_grad=False))

    def forward(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs."""
        values: dict[str, Any] = {"": None, **self._numbers, **dict(zip(self._inputs, arguments, strict=True))}
        values.update((name, getattr(self, attribute)) for name, attribute in self._weights.items())
        for operator, attributes, inputs, outputs in self._nodes:
            made = OPERATORS[operator](attributes, [values[name] for name in inputs])
            values.update(zip(outputs, made if isinstance(made, tuple) else (made,), strict=False))
        # An output that is a view of an input or of a weight must not be one of the program.
        return tuple(values[name].contiguous() for name in self._outputs)


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    found = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    for name, value in found.items():
        if isinstance(value, onnx.TensorProto):
            found[name] = numpy_helper.to_array(value)
        elif isinstance(value, bytes):
            found[name] = value.decode()
    return found


def _is_tensor(*values: Any) -> bool:
    return any(isinstance(value, Tensor) for value in values)


def _tensor(value: Any, like: Tensor | None = None) -> Tensor:
    """Return numbers as a tensor, of the same element type as another one if that has fractions."""
    if isinstance(value, Tensor):
        return value
    made = torch.as_tensor(np.asarray(value))
    return made.to(like.dtype) if like is not None and like.dtype.is_floating_point else made


def _list(value: Any) -> list[Any]:
    """Return numbers as Python's, where they are known, and as the tracer's otherwise."""
    return [each if isinstance(each, torch.SymInt) else int(each) for each in np.ravel(np.asarray(value, object))]


def _pair(values: Sequence[Any]) -> tuple[Any, Any]:
    one, other = values
    if _is_tensor(one, other):
        # A single number keeps the other's element type.
        one, other = (each.item() if isinstance(each, np.ndarray) and each.ndim == 0 else each for each in (one, other))
        one, other = (_tensor(each) if isinstance(each, np.ndarray) else each for each in (one, other))
    return one, other


def _binary(function: Callable[[Any, Any], Any]) -> Operator:
    return lambda _, inputs: function(*_pair(inputs))


def _divide(one: Any, other: Any) -> Any:
    if _is_tensor(one, other):
        return one / other
    return one / other if np.asarray(one).dtype.kind == "f" else one // other


def _power(one: Any, other: Any) -> Any:
    return torch.pow(one, other) if _is_tensor(one, other) else np.power(one, other)


def _axes(attributes: Mapping[str, Any], inputs: Sequence[Any]) -> list[int]:
    """Return the axes, an attribute in old operators and an input in new ones."""
    return _list(attributes["axes"] if "axes" in attributes else inputs[1])


def _pads(attributes: Mapping[str, Any], rank: int) -> tuple[list[int], list[int]]:
    if attributes.get("auto_pad", "NOTSET") != "NOTSET":
        raise ConversionError(f"auto_pad {attributes['auto_pad']}")
    pads = list(attributes.get("pads", [0] * 2 * rank))
    return pads[:rank], pads[rank:]


def _convolution(attributes: Mapping[str, Any], inputs: list[Any]) -> Tensor:
    value, weight, bias = (*inputs, None)[:3]
    rank = weight.dim() - 2
    before, after = _pads(attributes, rank)
    if before != after:
        value = functional.pad(value, _for_torch(before, after))
        before = [0] * rank
    convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[rank - 1]
    strides, dilations = (attributes.get(name, [1] * rank) for name in ("strides", "dilations"))
    return convolve(value, weight, bias, strides, before, dilations, attributes.get("group", 1))


def _transposed(attributes: Mapping[str, Any], inputs: list[Any]) -> Tensor:
    value, weight, bias = (*inputs, None)[:3]
    rank = weight.dim() - 2
    before, after = _pads(attributes, rank)
    if before != after or "output_shape" in attributes:
        raise ConversionError("ConvTranspose with uneven padding")
    convolve = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)[rank - 1]
    strides, dilations = (attributes.get(name, [1] * rank) for name in ("strides", "dilations"))
    more = attributes.get("output_padding", [0] * rank)
    return convolve(value, weight, bias, strides, before, more, attributes.get("group", 1), dilations)


def _max_pool(attributes: Mapping[str, Any], inputs: list[Any]) -> Tensor:
    kernel = attributes["kernel_shape"]
    before, after = _pads(attributes, len(kernel))
    if before != after or len(kernel) != 2:
        raise ConversionError("MaxPool with uneven padding or another rank than 2")
    strides, dilations = (attributes.get(name, [1, 1]) for name in ("strides", "dilations"))
    return functional.max_pool2d(inputs[0], kernel, strides, before, dilations, bool(attributes.get("ceil_mode", 0)))


def _for_torch(before: Sequence[Any], after: Sequence[Any]) -> list[Any]:
    """Return paddings as `functional.pad` wants them: of the last axis first, before and after it."""
    return [each for pair in zip(reversed(before), reversed(after), strict=True) for each in pair]


def _pad(attributes: Mapping[str, Any], inputs: list[Any]) -> Tensor:
    if attributes.get("mode", "constant") != "constant":
        raise ConversionError(f"Pad of mode {attributes['mode']}")
    pads = _list(inputs[1])
    rank = len(pads) // 2
    return functional.pad(inputs[0], _for_torch(pads[:rank], pads[rank:]))


def _resize(attributes: Mapping[str, Any], inputs: list[Any]) -> Tensor:
    mode = (attributes.get("mode"), attributes.get("coordinate_transformation_mode"), attributes.get("nearest_mode"))
    if mode != ("nearest", "asymmetric", "floor"):
        raise ConversionError(f"Resize of mode {mode}")
    if len(inputs) > 3 and inputs[3] is not None:
        return functional.interpolate(inputs[0], size=_list(inputs[3])[2:], mode="nearest")
    factors = _floats(inputs[2])[2:]
    return functional.interpolate(inputs[0], scale_factor=factors, mode="nearest")


def _floats(value: Any) -> list[float]:
    return [float(each) for each in value.tolist()]


def _reshape(_: Mapping[str, Any], inputs: list[Any]) -> Any:
    value, shape = inputs[0], _list(inputs[1])
    if not isinstance(value, Tensor):
        return np.reshape(value, shape)
    return torch.reshape(value, [value.shape[axis] if _is(each, 0) else each for axis, each in enumerate(shape)])


def _is(value: Any, number: int) -> bool:
    return isinstance(value, int) and value == number


def _slice(attributes: Mapping[str, Any], inputs: list[Any]) -> Any:
    value, starts, ends = inputs[0], _list(inputs[1]), _list(inputs[2])
    axes = _list(inputs[3]) if len(inputs) > 3 and inputs[3] is not None else list(range(len(starts)))
    steps = _list(inputs[4]) if len(inputs) > 4 and inputs[4] is not None else [1] * len(starts)
    del attributes
    where = [slice(None)] * value.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        where[axis] = slice(start, end, step)
    return value[tuple(where)]


def _concat(attributes: Mapping[str, Any], inputs: list[Any]) -> Any:
    if _is_tensor(*inputs):
        return torch.cat([_tensor(each) for each in inputs], attributes["axis"])
    return np.concatenate([np.asarray(each, object) for each in inputs], attributes["axis"])


def _gather(attributes: Mapping[str, Any], inputs: list[Any]) -> Any:
    value, where = inputs
    axis = attributes.get("axis", 0)
    if not isinstance(value, Tensor) and not isinstance(where, Tensor):
        return np.take(np.asarray(value, object), np.asarray(where, np.int64), axis)
    value = _tensor(value)
    if not isinstance(where, Tensor) and np.ndim(where) == 0:
        return value.select(axis, int(where))
    where = _tensor(where)
    if axis == 0 and value.dim() == 2:
        return functional.embedding(where, value)
    taken = value.index_select(axis, where.reshape(-1))
    return taken.reshape([*value.shape[:axis], *where.shape, *value.shape[axis + 1 :]])


def _shape(attributes: Mapping[str, Any], inputs: list[Any]) -> Any:
    sizes = list(inputs[0].shape)[attributes.get("start", 0) : attributes.get("end")]
    return np.array(sizes, object)


def _cast(attributes: Mapping[str, Any], inputs: list[Any]) -> Any:
    kind = TYPES[attributes["to"]]
    if isinstance(inputs[0], Tensor):
        return inputs[0].to(kind)
    return inputs[0] if not kind.is_floating_point else _tensor(inputs[0]).to(kind)


def _squeeze(attributes: Mapping[str, Any], inputs: list[Any]) -> Any:
    axes = _axes(attributes, inputs)
    return inputs[0].squeeze(tuple(axes)) if isinstance(inputs[0], Tensor) else np.squeeze(inputs[0], tuple(axes))


def _unsqueeze(attributes: Mapping[str, Any], inputs: list[Any]) -> Any:
    value = inputs[0]
    for axis in sorted(_axes(attributes, inputs)):
        value = value.unsqueeze(axis) if isinstance(value, Tensor) else np.expand_dims(value, axis)
    return value


def _gemm(attributes: Mapping[str, Any], inputs: list[Any]) -> Tensor:
    if attributes.get("transA", 0) or attributes.get("alpha", 1.0) != 1.0 or attributes.get("beta", 1.0) != 1.0:
        raise ConversionError("Gemm with factors")
    value, weight, bias = (*inputs, None)[:3]
    return functional.linear(value, weight if attributes.get("transB", 0) else weight.t(), bias)


def _matmul(_: Mapping[str, Any], inputs: list[Any]) -> Tensor:
    return torch.matmul(*inputs)


def _mean(attributes: Mapping[str, Any], inputs: list[Any]) -> Tensor:
    return inputs[0].mean(_axes(attributes, inputs), keepdim=bool(attributes.get("keepdims", 1)))


def _layer_norm(attributes: Mapping[str, Any], inputs: list[Any]) -> Tensor:
    value, scale, bias = (*inputs, None)[:3]
    if attributes.get("axis", -1) not in (-1, value.dim() - 1):
        raise ConversionError("LayerNormalization over several axes")
    return functional.layer_norm(value, list(scale.shape), scale, bias, attributes.get("epsilon", 1e-5))


def _instance_norm(attributes: Mapping[str, Any], inputs: list[Any]) -> Tensor:
    value, scale, bias = inputs
    return functional.instance_norm(value, weight=scale, bias=bias, eps=attributes.get("epsilon", 1e-5))


def _argmax(attributes: Mapping[str, Any], inputs: list[Any]) -> Tensor:
    return torch.argmax(inputs[0], attributes.get("axis", 0), keepdim=bool(attributes.get("keepdims", 1)))


def _clip(attributes: Mapping[str, Any], inputs: list[Any]) -> Tensor:
    low, high = (*inputs[1:], None, None)[:2]
    del attributes
    return torch.clamp(inputs[0], *(None if each is None else float(each) for each in (low, high)))


def _range(_: Mapping[str, Any], inputs: list[Any]) -> Tensor:
    start, end, step = (_list(each)[0] for each in inputs)
    return torch.arange(start, end, step)


def _where(_: Mapping[str, Any], inputs: list[Any]) -> Tensor:
    return torch.where(*map(_tensor, inputs))


def _constant(attributes: Mapping[str, Any], _: list[Any]) -> Any:
    return attributes["value"]


def _mod(one: Any, other: Any) -> Any:
    return one % other


def _softmax(attributes: Mapping[str, Any], inputs: list[Any]) -> Tensor:
    return torch.softmax(inputs[0], attributes.get("axis", -1))


def _transpose(attributes: Mapping[str, Any], inputs: list[Any]) -> Tensor:
    return inputs[0].permute(attributes["perm"])


OPERATORS: dict[str, Operator] = {
    "Add": _binary(lambda one, other: one + other),
    "ArgMax": _argmax,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Constant": _constant,
    "Conv": _convolution,
    "ConvTranspose": _transposed,
    "Div": _binary(_divide),
    "Erf": lambda _, inputs: torch.erf(inputs[0]),
    "Exp": lambda _, inputs: torch.exp(inputs[0]),
    "Gather": _gather,
    "Gemm": _gemm,
    "Identity": lambda _, inputs: inputs[0],
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "MatMul": _matmul,
    "MaxPool": _max_pool,
    "Mod": _binary(_mod),
    "Mul": _binary(lambda one, other: one * other),
    "Pad": _pad,
    "Pow": _binary(_power),
    "Range": _range,
    "ReduceMean": _mean,
    "Relu": lambda _, inputs: torch.relu(inputs[0]),
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": _shape,
    "Sigmoid": lambda _, inputs: torch.sigmoid(inputs[0]),
    "Slice": _slice,
    "Softmax": _softmax,
    "Softplus": lambda _, inputs: functional.softplus(inputs[0]),
    "Squeeze": _squeeze,
    "Sub": _binary(lambda one, other: one - other),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Where": _where,
}


def convert(source: Path, inputs: Mapping[str, Sequence[int | None]], outputs: Sequence[str], example: Any) -> Any:
    """Return the exported program of a graph.

    Parameters
    ----------
    source
        The ONNX file.
    inputs
        The names and shapes of the inputs, in the order of the program's arguments; None for an open length.
    outputs
        The names of the outputs that the program returns.
    example
        An input of each name, with at least two of everything that is open.
    """
    program = Program(onnx.load(source).graph, list(inputs), outputs).eval()
    arguments = tuple(torch.from_numpy(example[name]) for name in inputs)
    open_lengths = tuple(
        {axis: torch.export.Dim.AUTO for axis, length in enumerate(shape) if length is None}
        for shape in inputs.values()
    )
    with torch.no_grad():
        exported = torch.export.export(program, arguments, dynamic_shapes=(open_lengths,), strict=False)
    # Real samples are not part of the program.
    exported.example_inputs = None
    return exported

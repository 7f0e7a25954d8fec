"""Converts an ONNX file to a SavedModel, and compares both on real inputs. It imports nothing of ours.

Arguments: the ONNX file, an .npz with some samples of each input, and the directory to write. It is run with a Python
that has tensorflow, onnx and onnxruntime. Its exit code is 0 if the outputs agree; else the last line of its output
says why not.

The graph is built again from its nodes, whose few operators are below. Images are kept with the channels last from one
convolution to the next, since that is the only order in which TensorFlow convolves on a CPU.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import tensorflow as tf
from onnx import numpy_helper

if TYPE_CHECKING:
    from collections.abc import Callable

#: How far an output may be off, over the largest value of that output, or over 1.
TOLERANCE = 1e-3
#: From the order of ONNX to that of TensorFlow, and back.
LAST, FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


def main(model: Path, inputs: Path, target: Path) -> None:
    """Convert, compare, and exit."""
    with np.load(inputs, allow_pickle=False) as file:
        samples = {name: file[name] for name in file.files}
    whole = onnx.load(model)
    module = tf.Module()
    module.serve = function(whole.graph)
    tf.saved_model.save(module, str(target), signatures={"serving_default": module.serve})
    if fault := difference(model, samples, target):
        sys.exit(fault)


def plain_name(name: str) -> str:
    """Return a name that a signature may have: ``input_tensor`` for ``input_tensor:0``."""
    return name.partition(":")[0]


def function(graph: Any) -> Any:
    """Return the graph as a function of tensors with open lengths where the file has them."""
    constants = {value.name: numpy_helper.to_array(value) for value in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    unknown = sorted({node.op_type for node in graph.node} - OPERATORS.keys())
    if unknown:
        sys.exit(f"there is no translation of the operators {', '.join(unknown)}")

    def serve(*values: Any) -> dict[str, Any]:
        known: dict[str, Any] = {"": None, **constants}
        known.update({value.name: given for value, given in zip(inputs, values, strict=True)})
        for node in graph.node:
            known[node.output[0]] = computed(node, [known[name] for name in node.input])
        return {plain_name(value.name): tensor(known[value.name]) for value in graph.output}

    return tf.function(serve, input_signature=[spec(value) for value in inputs], autograph=False)


def spec(value: Any) -> Any:
    """Return the description of an input."""
    kind = value.type.tensor_type
    shape = [dim.dim_value or None for dim in kind.shape.dim]
    return tf.TensorSpec(shape, onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type), plain_name(value.name))


@dataclass(frozen=True)
class Image:
    """A tensor of four dimensions whose channels are last."""

    value: Any


def computed(node: Any, inputs: list[Any]) -> Any:
    """Return a node's output; it is computed at once if all of its inputs are known."""
    attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    translate = OPERATORS[node.op_type]
    if node.op_type != "Shape" and all(value is None or isinstance(value, np.ndarray) for value in inputs):
        with tf.init_scope():
            return tensor(translate(attributes, *inputs)).numpy()
    if node.op_type not in AWARE:
        inputs = [tensor(value) if isinstance(value, Image) else value for value in inputs]
    return translate(attributes, *inputs)


def tensor(value: Any) -> Any:
    """Return a value in the order of ONNX."""
    return tf.transpose(value.value, FIRST) if isinstance(value, Image) else tf.convert_to_tensor(value)


def image(value: Any) -> Any:
    """Return a value with the channels last."""
    return value.value if isinstance(value, Image) else tf.transpose(value, LAST)


def along(operation: Callable[..., Any]) -> Callable[..., Any]:
    """Return the translation of an operator that treats every element alike, and keeps the order of an image."""

    def translate(_: dict[str, Any], *values: Any) -> Any:
        found = [beside(value) for value in values]
        if any(isinstance(value, Image) for value in values) and all(each is not None for each in found):
            return Image(operation(*found))
        plain = [value if isinstance(value, np.ndarray) else tensor(value) for value in values]
        return operation(*alike(plain))

    return translate


def beside(value: Any) -> Any:
    """Return what stands for a value beside an image; None if it has no such form."""
    if isinstance(value, Image):
        return value.value
    if isinstance(value, np.ndarray) and value.ndim in (0, 4):
        return value if value.ndim == 0 else value.transpose(LAST)
    return value if isinstance(value, np.ndarray) and value.size == 1 else None


def alike(values: list[Any]) -> list[Any]:
    """Return values with constants in the type of the others."""
    kinds = [value.dtype for value in values if not isinstance(value, np.ndarray)]
    return [tf.constant(each, kinds[0]) if kinds and isinstance(each, np.ndarray) else each for each in values]


def convolve(attributes: dict[str, Any], value: Any, weights: Any, bias: Any = None) -> Any:
    """Conv in two dimensions."""
    if attributes.get("auto_pad", b"NOTSET") != b"NOTSET" or not isinstance(weights, np.ndarray) or weights.ndim != 4:
        sys.exit("a Conv has another padding, other dimensions than two, or computed weights")
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    padding = [[0, 0], [top, bottom], [left, right], [0, 0]]
    kernel = weights.transpose(2, 3, 1, 0)
    steps, spread = attributes.get("strides", (1, 1)), attributes.get("dilations", (1, 1))
    groups = attributes.get("group", 1)
    parts = [
        tf.nn.conv2d(part, part_kernel, steps, padding, dilations=spread)
        for part, part_kernel in zip(
            tf.split(image(value), groups, -1) if groups > 1 else [image(value)],
            np.split(kernel, groups, -1),
            strict=True,
        )
    ]
    result = parts[0] if groups == 1 else tf.concat(parts, -1)
    return Image(result if bias is None else tf.nn.bias_add(result, bias))


def pool(attributes: dict[str, Any], value: Any) -> Any:
    """MaxPool in two dimensions."""
    if attributes.get("ceil_mode", 0) or max(attributes.get("dilations", [1])) > 1:
        sys.exit("a MaxPool has gaps, or rounds up")
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    found = image(value)
    if any((top, left, bottom, right)):
        padding = [[0, 0], [top, bottom], [left, right], [0, 0]]
        found = tf.pad(found, padding, constant_values=found.dtype.min)
    return Image(tf.nn.max_pool2d(found, attributes["kernel_shape"], attributes.get("strides", (1, 1)), "VALID"))


def resize(attributes: dict[str, Any], value: Any, _: Any = None, scales: Any = None, sizes: Any = None) -> Any:
    """Resize to the nearest pixel, by a whole factor."""
    how = (attributes.get("mode"), attributes.get("coordinate_transformation_mode"), attributes.get("nearest_mode"))
    if how != (b"nearest", b"asymmetric", b"floor"):
        sys.exit(f"a Resize is of another kind: {how}")
    found = image(value)
    if sizes is not None and not (isinstance(scales, np.ndarray) and scales.size):
        side = tf.cast(sizes[2:], tf.int32)
    else:
        side = tf.cast(tf.cast(tf.shape(found)[1:3], tf.float32) * scales[2:], tf.int32)
    return Image(tf.raw_ops.ResizeNearestNeighbor(images=found, size=side))


def cut(attributes: dict[str, Any], value: Any, *given: Any) -> Any:
    """Slice; what newer files have as inputs is an attribute in older ones."""
    names = ("starts", "ends", "axes", "steps")
    bounds = {name: attributes.get(name) for name in names} | dict(zip(names, given, strict=False))
    starts = parts(bounds["starts"])
    axes = range(len(starts)) if bounds["axes"] is None else np.asarray(bounds["axes"])
    steps = [1] * len(starts) if bounds["steps"] is None else np.asarray(bounds["steps"])
    found: list[Any] = [slice(None)] * len(value.shape)
    for axis, start, end, step in zip(axes, starts, parts(bounds["ends"]), steps, strict=True):
        found[int(axis)] = slice(bound(start), bound(end), int(step))
    return value[tuple(found)]


def parts(values: Any) -> list[Any]:
    """Return the elements of a list or a tensor."""
    return [values[place] for place in range(len(values) if isinstance(values, list) else values.shape[0])]


def bound(value: Any) -> Any:
    """Return a bound of a slice: ONNX writes the largest number for an open one."""
    if not isinstance(value, (int, np.integer)):
        return tf.cast(tf.minimum(value, 2**31 - 1), tf.int32)
    return None if abs(int(value)) >= 2**31 - 1 else int(value)


def reshape(attributes: dict[str, Any], value: Any, shape: Any) -> Any:
    """Reshape; a length of 0 is the input's."""
    del attributes
    if isinstance(shape, np.ndarray):
        same = tf.shape(value, tf.int64)
        shape = [same[place] if length == 0 else int(length) for place, length in enumerate(shape)]
    return tf.reshape(value, tf.cast(shape, tf.int64))


def shape_of(attributes: dict[str, Any], value: Any) -> Any:
    """Shape; known where all lengths are."""
    del attributes
    known = value.shape if isinstance(value, np.ndarray) else value.shape.as_list()
    return np.array(known, np.int64) if None not in known else tf.shape(value, tf.int64)


def axes_of(attributes: dict[str, Any], given: Any) -> list[int]:
    """Return the axes, which older files have as an attribute and newer ones as an input."""
    axes = attributes.get("axes") if given is None else given
    if axes is None or not isinstance(axes, (list, np.ndarray)):
        sys.exit("an operator has computed axes, or none")
    return [int(axis) for axis in axes]


def unsqueeze(attributes: dict[str, Any], value: Any, axes: Any = None) -> Any:
    """Unsqueeze."""
    for axis in sorted(axes_of(attributes, axes)):
        value = tf.expand_dims(value, axis)
    return value


def squeeze(attributes: dict[str, Any], value: Any, axes: Any = None) -> Any:
    """Squeeze."""
    return tf.squeeze(value, axes_of(attributes, axes))


def mean(attributes: dict[str, Any], value: Any, axes: Any = None) -> Any:
    """ReduceMean."""
    return tf.reduce_mean(value, axes_of(attributes, axes), keepdims=bool(attributes.get("keepdims", 1)))


def multiply_add(attributes: dict[str, Any], left: Any, right: Any, more: Any = None) -> Any:
    """Gemm."""
    if attributes.get("alpha", 1.0) != 1.0 or attributes.get("beta", 1.0) != 1.0:
        sys.exit("a Gemm has factors")
    turned = {"transpose_a": bool(attributes.get("transA", 0)), "transpose_b": bool(attributes.get("transB", 0))}
    result = tf.matmul(left, right, **turned)
    return result if more is None else result + more


def normalise(attributes: dict[str, Any], value: Any, scale: Any, bias: Any = None) -> Any:
    """LayerNormalization over the last axis."""
    if attributes.get("axis", -1) not in (-1, len(value.shape) - 1):
        sys.exit("a LayerNormalization is not of the last axis")
    average, variance = tf.nn.moments(value, [-1], keepdims=True)
    return tf.nn.batch_normalization(value, average, variance, bias, scale, attributes.get("epsilon", 1e-5))


def divide(left: Any, right: Any) -> Any:
    """Div, of whole numbers towards zero."""
    return tf.truncatediv(left, right) if left.dtype in (tf.int64, tf.int32, np.int64, np.int32) else left / right


def remainder(attributes: dict[str, Any], left: Any, right: Any) -> Any:
    """Mod, with the sign of the divisor."""
    if attributes.get("fmod", 0):
        sys.exit("a Mod has the sign of the dividend")
    return tf.math.floormod(*alike([left, right]))


def largest(attributes: dict[str, Any], value: Any) -> Any:
    """ArgMax."""
    axis, kept = attributes.get("axis", 0), attributes.get("keepdims", 1)
    found = tf.argmax(value, axis)
    return tf.expand_dims(found, axis) if kept else found


def joined(attributes: dict[str, Any], *values: Any) -> Any:
    """Concat."""
    return tf.concat(alike(list(values)), attributes["axis"])


def constant(attributes: dict[str, Any]) -> Any:
    """Constant."""
    value = next(iter(attributes.values()))
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def cast(attributes: dict[str, Any], value: Any) -> Any:
    """Cast."""
    return tf.cast(value, onnx.helper.tensor_dtype_to_np_dtype(attributes["to"]))


def numbers(attributes: dict[str, Any], start: Any, stop: Any, step: Any) -> Any:
    """Range."""
    del attributes
    return tf.range(*alike([start, stop, step]))


#: Operators that take and give images with the channels last.
AWARE = {"Conv", "MaxPool", "Resize", "Relu", "Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Sigmoid", "Tanh", "Erf"}
OPERATORS: dict[str, Callable[..., Any]] = {
    "Add": along(lambda left, right: left + right),
    "ArgMax": largest,
    "Cast": cast,
    "Concat": joined,
    "Constant": constant,
    "Conv": convolve,
    "Div": along(divide),
    "Erf": along(tf.math.erf),
    "Gather": lambda attributes, value, indices: tf.gather(value, indices, axis=attributes.get("axis", 0)),
    "Gemm": multiply_add,
    "Identity": lambda _, value: value,
    "LayerNormalization": normalise,
    "MatMul": lambda _, left, right: tf.matmul(left, right),
    "MaxPool": pool,
    "Mod": remainder,
    "Mul": along(lambda left, right: left * right),
    "Pow": along(tf.pow),
    "Range": numbers,
    "ReduceMean": mean,
    "Relu": along(tf.nn.relu),
    "Reshape": reshape,
    "Resize": resize,
    "Shape": shape_of,
    "Sigmoid": along(tf.sigmoid),
    "Slice": cut,
    "Softmax": lambda attributes, value: tf.nn.softmax(value, attributes.get("axis", -1)),
    "Sqrt": along(tf.sqrt),
    "Squeeze": squeeze,
    "Sub": along(lambda left, right: left - right),
    "Tanh": along(tf.tanh),
    "Transpose": lambda attributes, value: tf.transpose(value, attributes.get("perm")),
    "Unsqueeze": unsqueeze,
}


def difference(model: Path, samples: dict[str, Any], target: Path) -> str:
    """Return why the models do not agree on each sample and, where possible, on all at once; empty if they do."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    serve = tf.saved_model.load(str(target)).signatures["serving_default"]
    outputs = [value.name for value in session.get_outputs()]
    count = len(next(iter(samples.values())))
    spans = [slice(number, number + 1) for number in range(count)]
    spans += [] if session.get_inputs()[0].shape[0] == 1 else [slice(0, count)]
    for span in spans:
        sample = {name: value[span] for name, value in samples.items()}
        wanted = session.run(outputs, sample)
        found = serve(**{plain_name(name): tf.constant(value) for name, value in sample.items()})
        for name, value in zip(outputs, wanted, strict=True):
            if fault := off(value, found[plain_name(name)].numpy()):
                return f"samples {span.start} to {span.stop - 1}: the output {name} {fault}"
    return ""


def off(wanted: Any, found: Any) -> str:
    """Return how an output is wrong; empty if it is not."""
    if wanted.shape != found.shape or wanted.dtype != found.dtype:
        return f"is {found.dtype}{list(found.shape)}, not {wanted.dtype}{list(wanted.shape)}"
    if wanted.dtype.kind in "iub":
        return "" if np.array_equal(wanted, found) else "has other values"
    worst = float(np.abs(wanted - found).max(initial=0))
    return "" if worst <= TOLERANCE * max(1.0, float(np.abs(wanted).max(initial=0))) else f"is off by {worst:.3g}"


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))

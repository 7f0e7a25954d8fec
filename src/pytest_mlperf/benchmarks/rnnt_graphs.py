"""Writes the three ONNX graphs of an RNN-T from weights that have the names of the official checkpoint."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pytest_mlperf.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Weights = Mapping[str, NDArray[np.float32]]

FEATURES: Final = 240
STACKED: Final = 2
LABELS: Final = 28

BEFORE, AFTER, PREDICTION = "encoder.pre_rnn.lstm", "encoder.post_rnn.lstm", "prediction.dec_rnn.lstm"
EMBED: Final = "prediction.embed.weight"
JOINT: Final = ("joint.net.0", "joint.net.3")

_OPSET, _IR = 17, 8


def write_graphs(weights: Weights, directory: Path) -> None:
    """Write ``encoder.onnx``, ``prediction.onnx`` and ``joint.onnx``.

    ``encoder``: ``features`` float32 [n, frames, 240] and ``lengths`` int64 [n] to ``encoded`` [n, ceil(frames/2), H].
    ``prediction``: ``label`` int64 [n] with 28 for the start, ``hidden`` and ``cell`` [n, layers, P] to ``predicted``
    [n, P] and the next state. ``joint``: a row of both for each sample to ``logits`` [n, 29].

    Parameters
    ----------
    weights
        float32 by the names of the official checkpoint's state dict, in PyTorch's order of gates.
    directory
        Where to write; exists.

    Raises
    ------
    ModelError
        They are not the weights of an RNN-T.
    """
    check(weights)
    for name, make in (("encoder", _encoder), ("prediction", _prediction), ("joint", _joint)):
        model = make(weights)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, directory / f"{name}.onnx")


def check(weights: Weights) -> None:
    """Raise if the weights do not have the names and shapes of an RNN-T of one size.

    Raises
    ------
    ModelError
        A name is missing, unknown, or has another shape.
    """
    expected = _shapes(weights)
    found = {name: value.shape for name, value in weights.items()}
    if expected == found:
        return
    name = next(name for name in (*expected, *found) if expected.get(name) != found.get(name))
    raise ModelError(
        "these are not the weights of MLPerf's RNN-T",
        expected=f"{name} {list(expected[name])}" if name in expected else f"no {name}",
        found=f"{list(found[name])}" if name in found else "no such name",
        fix="give the checkpoint that mlcommons/inference names for rnnt",
    )


def _shapes(weights: Weights) -> dict[str, tuple[int, ...]]:
    """Return the shapes that all weights should have, given the sizes of a few of them."""
    hidden = _size(weights, f"{BEFORE}.weight_hh_l0", 1)
    predicted = _size(weights, EMBED, 1)
    joined = _size(weights, f"{JOINT[0]}.bias", 0)
    return {
        **_lstm_shapes(BEFORE, FEATURES, hidden, layers(weights, BEFORE)),
        **_lstm_shapes(AFTER, STACKED * hidden, hidden, layers(weights, AFTER)),
        EMBED: (LABELS, predicted),
        **_lstm_shapes(PREDICTION, predicted, predicted, layers(weights, PREDICTION)),
        f"{JOINT[0]}.weight": (joined, hidden + predicted),
        f"{JOINT[0]}.bias": (joined,),
        f"{JOINT[1]}.weight": (LABELS + 1, joined),
        f"{JOINT[1]}.bias": (LABELS + 1,),
    }


def _size(weights: Weights, name: str, axis: int) -> int:
    value = weights.get(name)
    return value.shape[axis] if value is not None and value.ndim > axis else 0


def _lstm_shapes(name: str, inputs: int, hidden: int, count: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(count):
        shapes[f"{name}.weight_ih_l{layer}"] = (4 * hidden, hidden if layer else inputs)
        shapes[f"{name}.weight_hh_l{layer}"] = (4 * hidden, hidden)
        shapes[f"{name}.bias_ih_l{layer}"] = shapes[f"{name}.bias_hh_l{layer}"] = (4 * hidden,)
    return shapes


def layers(weights: Weights, name: str) -> int:
    """Return the number of an LSTM's layers; at least 1, so that missing ones are noticed."""
    numbers = [re.fullmatch(re.escape(name) + r"\.weight_ih_l(\d{1,3})", key) for key in weights]
    return max((int(number[1]) + 1 for number in numbers if number is not None), default=1)


@dataclass
class _Graph:
    """A graph that grows node by node."""

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def add(self, operation: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> str:
        """Add a node, and return the name of its first output that has one."""
        self.nodes.append(helper.make_node(operation, list(inputs), list(outputs), **attributes))
        return next(filter(None, outputs))

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add a constant, and return its name."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def integers(self, name: str, *values: int) -> str:
        """Add a list of integers as a constant, and return its name."""
        return self.constant(name, np.array(values, np.int64))

    def model(self, name: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> onnx.ModelProto:
        """Return the model; inputs and outputs are float32, or int64 where they have one dimension."""
        graph = helper.make_graph(self.nodes, name, _values(inputs), _values(outputs), self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="pytest-mlperf")
        model.ir_version = _IR
        return model


def _values(shapes: Mapping[str, Any]) -> list[Any]:
    return [
        helper.make_tensor_value_info(name, TensorProto.INT64 if len(shape) == 1 else TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]


def _lstm_weights(graph: _Graph, weights: Weights, name: str, layer: int) -> tuple[list[str], int]:
    """Add the weights of a layer; PyTorch's gates are i, f, g, o, and ONNX's are i, o, f, c."""

    def gates(kind: str) -> NDArray[np.float32]:
        i, f, g, o = np.split(weights[f"{name}.{kind}_l{layer}"].astype(np.float32), 4)
        return np.concatenate([i, o, f, g])[None]

    prefix = f"{name}.{layer}"
    recurrent = gates("weight_hh")
    names = [
        graph.constant(f"{prefix}.W", gates("weight_ih")),
        graph.constant(f"{prefix}.R", recurrent),
        graph.constant(f"{prefix}.B", np.concatenate([gates("bias_ih"), gates("bias_hh")], 1)),
    ]
    return names, recurrent.shape[2]


def _layers(graph: _Graph, weights: Weights, name: str, value: str, lengths: str) -> str:
    """Add an LSTM's layers for a whole sequence ``[times, n, values]``; behind a sample's length the output is 0."""
    for layer in range(layers(weights, name)):
        matrices, hidden = _lstm_weights(graph, weights, name, layer)
        made = f"{name}.{layer}.Y"
        graph.add("LSTM", [value, *matrices, lengths], [made], hidden_size=hidden)
        value = graph.add("Squeeze", [made, "axis_1"], [f"{name}.{layer}.values"])
    return value


def _encoder(weights: Weights) -> onnx.ModelProto:
    hidden = weights[f"{BEFORE}.weight_hh_l0"].shape[1]
    graph = _Graph()
    graph.integers("axis_1", 1)
    graph.add("Cast", ["lengths"], ["lengths_32"], to=TensorProto.INT32)
    value = graph.add("Transpose", ["features"], ["by_time"], perm=[1, 0, 2])
    value = _layers(graph, weights, BEFORE, value, "lengths_32")
    graph.add("Shape", [value], ["times"], start=0, end=1)
    graph.add("Mod", ["times", graph.integers("two", STACKED)], ["odd"])
    graph.add("Concat", [graph.integers("before", 0, 0, 0), "odd", graph.integers("after", 0, 0)], ["pads"], axis=0)
    value = graph.add("Pad", [value, "pads"], ["even"])
    graph.add("Shape", [value], ["samples"], start=1, end=2)
    shape = [graph.integers("pairs", -1, STACKED), "samples", graph.integers("hidden", hidden)]
    graph.add("Concat", shape, ["by_pair"], axis=0)
    value = graph.add("Reshape", [value, "by_pair"], ["pair_values"])
    value = graph.add("Transpose", [value], ["pair_by_sample"], perm=[0, 2, 1, 3])
    value = graph.add("Reshape", [value, graph.integers("stacked_shape", 0, 0, STACKED * hidden)], ["stacked"])
    value = _layers(graph, weights, AFTER, value, "")
    graph.add("Transpose", [value], ["encoded"], perm=[1, 0, 2])
    inputs = {"features": ("n", "frames", FEATURES), "lengths": ("n",)}
    return graph.model("encoder", inputs, {"encoded": ("n", "pairs", hidden)})


def _prediction(weights: Weights) -> onnx.ModelProto:
    embed = weights[EMBED].astype(np.float32)
    graph = _Graph()
    axis_0 = graph.integers("axis_0", 0)
    # The reference begins with zeros where later it has a label's row.
    table = graph.constant(EMBED, np.concatenate([embed, np.zeros_like(embed[:1])]))
    embedded = graph.add("Gather", [table, "label"], ["embedded"])
    value = graph.add("Unsqueeze", [embedded, axis_0], ["values"])
    count = layers(weights, PREDICTION)
    for layer in range(count):
        matrices, size = _lstm_weights(graph, weights, PREDICTION, layer)
        number = graph.integers(f"layer.{layer}", layer)
        states = []
        for kind in ("hidden", "cell"):
            row = graph.add("Gather", [kind, number], [f"{kind}.{layer}"], axis=1)
            states.append(graph.add("Transpose", [row], [f"{kind}.{layer}.before"], perm=[1, 0, 2]))
        after = [f"hidden.{layer}.after", f"cell.{layer}.after"]
        graph.add("LSTM", [value, *matrices, "", *states], ["", *after], hidden_size=size)
        value = after[0]
        for kind, name in zip(("hidden", "cell"), after, strict=True):
            graph.add("Transpose", [name], [f"{kind}.{layer}.next"], perm=[1, 0, 2])
    for kind in ("hidden", "cell"):
        graph.add("Concat", [f"{kind}.{layer}.next" for layer in range(count)], [f"next_{kind}"], axis=1)
    graph.add("Squeeze", [value, axis_0], ["predicted"])
    state = ("n", count, embed.shape[1])
    outputs = {"predicted": ("n", embed.shape[1]), "next_hidden": state, "next_cell": state}
    return graph.model("prediction", {"label": ("n",), "hidden": state, "cell": state}, outputs)


def _joint(weights: Weights) -> onnx.ModelProto:
    graph = _Graph()
    hidden = weights[f"{BEFORE}.weight_hh_l0"].shape[1]
    value = graph.add("Concat", ["encoded", "predicted"], ["both"], axis=1)
    for number, name in enumerate(JOINT):
        matrix = graph.constant(f"{name}.weight", weights[f"{name}.weight"].astype(np.float32).T)
        bias = graph.constant(f"{name}.bias", weights[f"{name}.bias"].astype(np.float32))
        product = graph.add("MatMul", [value, matrix], [f"{name}.product"])
        value = graph.add("Add", [product, bias], ["logits" if number else f"{name}.sum"])
        if not number:
            value = graph.add("Relu", [value], ["joined"])
    inputs = {"encoded": ("n", hidden), "predicted": ("n", weights[EMBED].shape[1])}
    return graph.model("joint", inputs, {"logits": ("n", LABELS + 1)})

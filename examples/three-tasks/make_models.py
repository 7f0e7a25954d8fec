"""Makes the models of the three tasks, as .npz and as ONNX (package onnx)."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parent / "src"))

from mlperf_three_tasks import blobs, countdown, pairs
from mlperf_three_tasks.files import MODELS

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def save(name, graph, weights, nodes, inputs, outputs):
    path = MODELS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path.with_suffix(".npz"), graph=np.array(graph), **weights)
    initializers = [numpy_helper.from_array(value, key) for key, value in weights.items()]
    values = [[helper.make_tensor_value_info(*value) for value in some] for some in (inputs, outputs)]
    model = helper.make_model(
        helper.make_graph(nodes, graph, *values, initializers), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path.with_suffix(".onnx"))


def make_pairs():
    values = np.zeros(pairs.WORDS, np.float32)
    values[pairs.WORD] = 1
    nodes = [
        helper.make_node("Gather", ["values", "input_ids"], ["found"]),
        helper.make_node("Cast", ["token_type_ids"], ["sides"], to=FLOAT),
        helper.make_node("Constant", [], ["two"], value=helper.make_tensor("two", FLOAT, [], [2.0])),
        helper.make_node("Constant", [], ["one"], value=helper.make_tensor("one", FLOAT, [], [1.0])),
        helper.make_node("Mul", ["sides", "two"], ["doubled"]),
        helper.make_node("Sub", ["doubled", "one"], ["signs"]),
        helper.make_node("Mul", ["found", "signs"], ["signed"]),
        helper.make_node("Constant", [], ["axis"], value=helper.make_tensor("axis", INT64, [1], [1])),
        helper.make_node("ReduceSum", ["signed", "axis"], ["difference"], keepdims=1),
    ]
    inputs = [("input_ids", INT64, ["n", "length"]), ("token_type_ids", INT64, ["n", "length"])]
    save("pairs", "pairs", {"values": values}, nodes, inputs, [("difference", FLOAT, ["n", 1])])


def make_blobs():
    weights = {"kernel": np.full((1, 1, 3, 3, 3), 1 / 27, np.float32), "bias": np.array([-0.5], np.float32)}
    nodes = [helper.make_node("Conv", ["windows", "kernel", "bias"], ["said"], pads=[1] * 6)]
    shape = ["n", 1, blobs.WINDOW, blobs.WINDOW, blobs.WINDOW]
    save("blobs", "blobs", weights, nodes, [("windows", FLOAT, shape)], [("said", FLOAT, shape)])


def make_countdown():
    numbers, states = countdown.NUMBERS, countdown.NUMBERS + 1
    state = ["n", states]
    matrix = np.eye(numbers, states, dtype=np.float32)
    save(
        "countdown/encoder",
        "encoder",
        {"matrix": matrix},
        [helper.make_node("MatMul", ["features", "matrix"], ["state"])],
        [("features", FLOAT, ["n", numbers])],
        [("state", FLOAT, state)],
    )
    following = np.zeros((states, states), np.float32)
    for number in range(states):
        following[number, number - 1 if 0 < number < numbers else countdown.STOP] = 1
    nodes = [
        helper.make_node("MatMul", ["state", "out"], ["logits"]),
        helper.make_node("MatMul", ["state", "next"], ["next_state"]),
    ]
    outputs = [("logits", FLOAT, state), ("next_state", FLOAT, state)]
    weights = {"out": np.eye(states, dtype=np.float32), "next": following}
    save("countdown/decoder", "decoder", weights, nodes, [("state", FLOAT, state)], outputs)


if __name__ == "__main__":
    make_pairs()
    make_blobs()
    make_countdown()

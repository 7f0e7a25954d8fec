"""An ONNX graph with what the converted models' operators may have: groups, gaps, padding on one side, open lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def write_convolutions(target: Path, last: str = "Softmax") -> dict[str, NDArray[np.float32]]:
    """Write the graph, which ends with the operator `last`, and return inputs for it."""
    random = np.random.default_rng(0)

    def weights(*shape: int) -> NDArray[np.float32]:
        return random.normal(size=shape).astype(np.float32)

    near = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    node: Any = helper.make_node
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"], group=2, strides=[2, 2], pads=[1, 0, 2, 1], kernel_shape=[3, 3]),
        node("Relu", ["c"], ["r"]),
        node("MaxPool", ["r"], ["m"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Conv", ["m", "w2"], ["d"], dilations=[2, 2], pads=[2, 2, 2, 2], kernel_shape=[3, 3]),
        node("Resize", ["d", "", "scales"], ["u"], **near),
        node("Mul", ["u", "factor"], ["p"]),
        node("Shape", ["p"], ["lengths"]),
        node("Slice", ["lengths", "zero", "one"], ["batch"]),
        node("Concat", ["batch", "rest"], ["shape"], axis=0),
        node("Reshape", ["p", "shape"], ["f"]),
        node(last, ["f"], ["y"]),
        node("ReduceMean", ["p"], ["mean"], axes=[2, 3], keepdims=0),
    ]
    constants = {
        "w": weights(6, 2, 3, 3),
        "b": weights(6),
        "w2": weights(8, 6, 3, 3),
        "scales": np.array([1, 1, 2, 2], np.float32),
        "factor": weights(1, 8, 1, 1),
        "zero": np.array([0]),
        "one": np.array([1]),
        "rest": np.array([8, -1]),
    }
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4, 17, 15])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8, None]),
            helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["n", 8]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), target)
    return {"x": weights(5, 4, 17, 15)}

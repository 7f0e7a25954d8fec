"""What a .tflite file says of itself: that it is one, the types of its weights, and who runs its operators."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from pytest_mlperf.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

#: The identifier of the format, from byte 4 on.
IDENTIFIER = b"TFL3"
#: TensorType of schema.fbs, with MLPerf's names.
_TYPES = {0: "fp32", 1: "fp16", 2: "int32", 3: "uint8", 4: "int64", 7: "int16", 9: "int8", 10: "fp64", 17: "int4"}
#: Types with a smaller part of the elements are ignored: shapes and axes are constants, too.
_LEAST_PART = 0.01


def require_tflite(path: Path) -> None:
    """Raise unless a file begins as a .tflite file does.

    Raises
    ------
    ModelError
        It is something else.
    """
    with path.open("rb") as file:
        start = file.read(8)
    if start[4:8] != IDENTIFIER:
        raise ModelError(
            f"{path} is not a .tflite file",
            expected=f"{IDENTIFIER.decode()} from byte 4 on",
            found=repr(start[4:8])[1:],
            fix="give a .tflite file with --model-path, or an ONNX file whose name ends in .onnx, to convert it",
        )


def weight_types(path: Path) -> tuple[str, ...]:
    """Return the types of a file's constants, the most frequent first."""
    from ai_edge_litert.schema_py_generated import Model

    model = Model.GetRootAs(path.read_bytes())
    elements = Counter[str]()
    for graph in (model.Subgraphs(index) for index in range(model.SubgraphsLength())):
        for tensor in (graph.Tensors(index) for index in range(graph.TensorsLength())):
            buffer = model.Buffers(tensor.Buffer())
            if buffer.DataLength() or buffer.Size():  # those with a size lie behind the flatbuffer
                shape = [tensor.Shape(index) for index in range(tensor.ShapeLength())]
                elements[_TYPES.get(tensor.Type(), f"type {tensor.Type()}")] += math.prod(shape)
    total = elements.total()
    return tuple(name for name, count in elements.most_common() if count >= _LEAST_PART * total)


def count_outside(interpreter: Any) -> Counter[str] | None:
    """Return the operators that no delegate runs, counted by name; None where the interpreter does not tell.

    The interpreter lists the operators that a delegate took over beside the delegate's own, so the graph is followed
    from its outputs: what leads to them without a delegate is run by the interpreter itself.
    """
    details = getattr(interpreter, "_get_ops_details", None)
    if details is None:
        return None
    made_by: dict[int, Any] = {}
    for operator in details():  # the delegates' come last
        made_by.update({int(index): operator for index in operator["outputs"]})
    outside, seen = Counter[str](), set()
    open_tensors = [int(each["index"]) for each in interpreter.get_output_details()]
    while open_tensors:
        operator = made_by.get(open_tensors.pop())
        if operator is None or operator["index"] in seen:
            continue
        seen.add(operator["index"])
        if operator["op_name"] != "DELEGATE":
            outside[operator["op_name"]] += 1
        open_tensors += [int(index) for index in operator["inputs"]]
    return outside

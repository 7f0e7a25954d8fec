"""Makes recurrent layers end where a sample's sequence does, which OpenVINO's CPU device does not (seen with 2026.4.1).

In ONNX, what a layer gives behind the length of a sample is 0, and its last state is that at the length. OpenVINO's CPU
device goes on to the end of the longest sample. For a layer that goes forward, what it gives before the length is the
same, so it is enough to put zeros behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_mlperf.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

_KINDS = frozenset(("LSTMSequence", "GRUSequence", "RNNSequence"))
#: Where no lengths are given, the reader of ONNX files makes them of the shape: all as long as the longest.
_NOT_GIVEN = "Broadcast"
#: By kind: the input with the lengths. The output 0 has all times; the others are last states.
_LENGTHS = {"LSTMSequence": 3, "GRUSequence": 2, "RNNSequence": 2}


def end_sequences(path: Path, model: Any) -> None:
    """Put zeros behind the lengths of samples, in a model that was read but not compiled.

    Raises
    ------
    ModelError
        A layer with lengths goes backward, or its last state is used: these would be wrong.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() not in _KINDS:
            continue
        lengths = node.input_value(_LENGTHS[node.get_type_name()])
        if lengths.get_node().get_type_name() == _NOT_GIVEN:
            continue
        states_used = any(output.get_target_inputs() for output in node.outputs()[1:])
        if states_used or node.get_attributes()["direction"] != "forward":
            raise ModelError(
                f"OpenVINO computes {path} wrongly",
                expected="recurrent layers with lengths that go forward, and whose last state is not used",
                found=f"the layer {node.get_friendly_name()}, which is not such a one",
                fix="run this model on another --backend",
            )
        _put_zeros(node, lengths)


def _put_zeros(node: Any, lengths: Any) -> None:
    """Replace the values of a layer ``[n, 1, times, hidden]`` by 0 where the time is not below the length."""
    from openvino import Type
    from openvino import opset13 as op

    values = node.output(0)
    readers = list(values.get_target_inputs())
    times = op.gather(op.shape_of(node.input_value(0), "i64"), op.constant(1, Type.i64), op.constant(0, Type.i64))
    numbers = op.range(op.constant(0, Type.i64), times, op.constant(1, Type.i64), "i64")
    within = op.less(
        op.unsqueeze(numbers, op.constant([0, 1, 3], Type.i64)),
        op.unsqueeze(op.convert(lengths, "i64"), op.constant([1, 2, 3], Type.i64)),
    )
    zero = op.convert_like(op.constant(0.0, Type.f32), values)
    ended = op.select(within, values, zero)
    for reader in readers:
        reader.replace_source_output(ended.output(0))

"""Writes .tflite files that give scores; run where LiteRT's package is. Arguments: the source, the file, ``quantised``.

A quantised one takes and gives uint8, by two more operators around those of the source.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

UINT8, QUANTIZE, DEQUANTIZE = 3, 114, 6


def add_tensor(graph: Any, like: int, name: str, scale: float, zero: int) -> int:
    tensor = copy.copy(graph.tensors[like])
    tensor.name, tensor.type = name.encode(), UINT8
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [zero]
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def operator(model: Any, code: int, source: int, target: int) -> Any:
    kinds = [max(each.builtinCode, each.deprecatedBuiltinCode) for each in model.operatorCodes]
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = kinds.index(code), [source], [target]
    return made


def write(source: Path, target: Path, *, quantised: bool) -> None:
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(source.read_bytes()))
    graph = model.subgraphs[0]
    graph.outputs = [index for index in graph.outputs if b"softmax" in graph.tensors[index].name]
    model.signatureDefs = []
    if quantised:
        (pixels,), (scores,) = graph.inputs, graph.outputs
        given = add_tensor(graph, pixels, "input", 1.2, 120)
        taken = add_tensor(graph, scores, "scores", 1 / 256, 0)
        graph.operators.insert(0, operator(model, DEQUANTIZE, given, pixels))
        graph.operators.append(operator(model, QUANTIZE, scores, taken))
        graph.inputs, graph.outputs = [given], [taken]
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    target.write_bytes(bytes(builder.Output()))


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]), quantised="quantised" in sys.argv[3:])

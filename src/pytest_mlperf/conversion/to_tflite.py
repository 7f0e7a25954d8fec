"""Converts an ONNX file to a .tflite file with onnx2tf, and compares both on real inputs. It imports nothing of ours.

Arguments: the ONNX file, an .npz with some samples of each input, and the .tflite file to write. It is run with the
Python of onnx2tf's environment. Its exit code is 0 if the outputs agree; else the last line of its output says why not.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx

#: How far an output may be off, over the largest value of that output, or over 1.
TOLERANCE = 1e-3


def main(model: Path, inputs: Path, target: Path) -> None:
    """Convert, compare, and exit."""
    with np.load(inputs, allow_pickle=False) as file:
        samples = {name: file[name] for name in file.files}
    with tempfile.TemporaryDirectory() as place:
        plain = Path(place) / "plain.onnx"
        names = write_plain(model, samples, plain)
        convert(plain, list(names.values()), Path(place) / "out", target)
    if fault := difference(model, samples, names, target):
        sys.exit(fault)


def write_plain(model: Path, samples: dict[str, Any], target: Path) -> dict[str, str]:
    """Write the graph for one sample, with the inputs' lengths as they are, and return its inputs' names by the old.

    XNNPACK needs known shapes. With an open batch onnx2tf computes the shapes of paddings in the graph, which splits it
    into parts, some of which XNNPACK does not run; with a batch of 1 the interpreter can resize it nevertheless.
    """
    whole = onnx.load(model)
    graph = whole.graph
    constants = {value.name for value in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if sorted(value.name for value in inputs) != sorted(samples):
        sys.exit(f"the inputs are {', '.join(value.name for value in inputs)}, not {', '.join(samples)}")
    for value in inputs:
        for dim, length in zip(value.type.tensor_type.shape.dim, (1, *samples[value.name].shape[1:]), strict=True):
            dim.dim_value = length
    outputs = session(model).run(
        [value.name for value in graph.output], {name: each[:1] for name, each in samples.items()}
    )
    for value, found in zip(graph.output, outputs, strict=True):
        value.type.CopyFrom(onnx.helper.make_tensor_type_proto(value.type.tensor_type.elem_type, found.shape))
    del graph.value_info[:]
    names = {value.name: plain_name(value.name) for value in [*inputs, *graph.output]}
    for value in [*inputs, *graph.output]:
        value.name = names[value.name]
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    import onnxsim

    folded, _ = onnxsim.simplify(onnx.shape_inference.infer_shapes(whole))
    pad_with_zeros(folded)  # last: what simplifies a graph makes one of both nodes again
    onnx.save(folded, target)
    return {name: names[name] for name in samples}


def pad_with_zeros(model: Any) -> None:
    """Pad what is pooled behind a Relu with zeros, which are as small as what there is.

    onnx2tf pads with the least number instead, which XNNPACK does not run.
    """
    graph = model.graph
    relus = {node.output[0] for node in graph.node if node.op_type == "Relu"}
    for place, node in reversed(list(enumerate(graph.node))):
        pads = next((list(each.ints) for each in node.attribute if each.name == "pads"), [])
        if node.op_type != "MaxPool" or node.input[0] not in relus or not any(pads):
            continue
        kept = [each for each in node.attribute if each.name != "pads"]
        del node.attribute[:]
        node.attribute.extend(kept)
        half = len(pads) // 2
        amounts = np.array([0, 0, *pads[:half], 0, 0, *pads[half:]], np.int64)
        graph.initializer.append(onnx.numpy_helper.from_array(amounts, f"pads_{place}"))
        padded = f"padded_{place}"
        graph.node.insert(place, onnx.helper.make_node("Pad", [node.input[0], f"pads_{place}"], [padded]))
        graph.node[place + 1].input[0] = padded


def session(model: Path) -> Any:
    """Return the ONNX file, loaded."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def plain_name(name: str) -> str:
    """Return a name that onnx2tf leaves as it is: for ``input_tensor:0`` it is ``input_tensor__0``."""
    return name.replace(":", "__").replace("/", "_")


def convert(model: Path, inputs: list[str], folder: Path, target: Path) -> None:
    """Write the .tflite file; its inputs have the dimensions in the order of the ONNX file.

    onnx2tf writes the names that it gives to nodes into the file that it reads: `model` is a copy.
    """
    import onnx2tf

    onnx2tf.convert(
        input_onnx_file_path=str(model),
        output_folder_path=str(folder),
        keep_shape_absolutely_input_names=inputs,
        not_use_onnxsim=True,  # it is done
        non_verbose=True,
        verbosity="error",
    )
    made = folder / f"{model.stem}_float32.tflite"
    if not made.is_file():
        sys.exit("onnx2tf made no float32 file")
    target.write_bytes(made.read_bytes())


def difference(model: Path, samples: dict[str, Any], names: dict[str, str], target: Path) -> str:
    """Return why the two files do not agree; empty if they do."""
    from ai_edge_litert.interpreter import Interpreter

    original = session(model)
    outputs = [value.name for value in original.get_outputs()]
    interpreter = Interpreter(str(target), num_threads=1)
    interpreter.allocate_tensors()
    to = {value["name"]: value["index"] for value in interpreter.get_input_details()}
    of = {value["name"]: value["index"] for value in interpreter.get_output_details()}
    for number in range(len(next(iter(samples.values())))):
        sample = {name: value[number : number + 1] for name, value in samples.items()}
        wanted = dict(zip(outputs, original.run(outputs, sample), strict=True))
        for name, value in sample.items():
            interpreter.set_tensor(to[names[name]], value)
        interpreter.invoke()
        for name, value in wanted.items():
            found = interpreter.get_tensor(of[plain_name(name)])
            if fault := off(value, found):
                return f"sample {number}: the output {name} {fault}"
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

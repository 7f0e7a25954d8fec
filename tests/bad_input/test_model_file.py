"""A model file that cannot be used is one failed item that says why."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import pytest
from onnx import TensorProto, helper

from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.benchmarks.retinanet import TINY
from pytest_mlperf.errors import ModelError

if TYPE_CHECKING:
    from tests.bad_input.conftest import Tiny

SHIPPED = Path(str(files("pytest_mlperf").joinpath("data", "retinanet-tiny.onnx")))
WHOLE = TINY.model_file("onnx", "fp32", "")
Values = dict[str, tuple[int, list[int | str]]]
INPUTS: Values = {"images": (TensorProto.FLOAT, [1, 3, 192, 192])}
OUTPUTS: Values = {
    "boxes": (TensorProto.FLOAT, [1, 4]),
    "labels": (TensorProto.INT64, [1]),
    "scores": (TensorProto.FLOAT, [1]),
}


def detector(path: Path, inputs: Values, outputs: Values) -> Path:
    """Write a model that finds the same in every picture."""
    nodes = []
    for name, (kind, shape) in outputs.items():
        lengths = [length for length in shape if isinstance(length, int)]
        value = helper.make_tensor(name, kind, lengths, [0] * (lengths[0] * (lengths[1] if lengths[1:] else 1)))
        nodes.append(helper.make_node("Constant", [], [name], value=value))
    values = [[helper.make_tensor_value_info(name, *rest) for name, rest in v.items()] for v in (inputs, outputs)]
    graph = helper.make_graph(nodes, "detector", *values)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


#: What differs from the contract, and what the message must say of it.
OTHER_CONTRACTS: dict[str, tuple[Values, Values, str]] = {
    "another input's name": ({"pictures": INPUTS["images"]}, OUTPUTS, "found: pictures float32[1,3,192,192]"),
    "another input's type": ({"images": (TensorProto.UINT8, [1, 3, 192, 192])}, OUTPUTS, "found: images uint8"),
    "another input's size": ({"images": (TensorProto.FLOAT, [1, 3, 800, 800])}, OUTPUTS, "float32[1,3,800,800]"),
    "another input's rank": ({"images": (TensorProto.FLOAT, [3, 192, 192])}, OUTPUTS, "images float32[3,192,192]"),
    "one more input": ({**INPUTS, "scale": (TensorProto.FLOAT, [1])}, OUTPUTS, "scale float32[1]"),
    "no such output": (
        INPUTS,
        {k: v for k, v in OUTPUTS.items() if k != "scores"},
        "found: boxes float32[1,4], labels int64[1]",
    ),
    "another output's name": (INPUTS, {**OUTPUTS, "boxes": OUTPUTS["labels"]}, "found: boxes int64[1]"),
    "another output's type": (INPUTS, {**OUTPUTS, "labels": (TensorProto.INT32, [1])}, "labels int32[1]"),
    "another output's shape": (INPUTS, {**OUTPUTS, "boxes": (TensorProto.FLOAT, [1, 5])}, "boxes float32[1,5]"),
}


def test_a_model_of_the_contract_is_loaded_even_with_another_output_and_open_lengths(tmp_path: Path) -> None:
    inputs: Values = {"images": (TensorProto.FLOAT, ["n", 3, "height", "width"])}
    path = detector(tmp_path / "model.onnx", inputs, {**OUTPUTS, "features": (TensorProto.FLOAT, [7])})
    assert OnnxRuntime().load(path, WHOLE, "cpu", 1, {}).max_batch == 1  # the contract's


@pytest.mark.parametrize("fault", OTHER_CONTRACTS)
def test_another_contract_is_refused_when_the_model_is_loaded(tmp_path: Path, fault: str) -> None:
    inputs, outputs, says = OTHER_CONTRACTS[fault]
    path = detector(tmp_path / "other.onnx", inputs, outputs)
    with pytest.raises(ModelError, match=f"is not a model of this benchmark[^$]*{re.escape(says)}"):
        OnnxRuntime().load(path, WHOLE, "cpu", 1, {})


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", ["another input's name", "another input's type", "another output's shape", "one more input"]
)
def test_another_contract_is_a_failed_item_before_the_test(tiny: Tiny, tmp_path: Path, fault: str) -> None:
    inputs, outputs, says = OTHER_CONTRACTS[fault]
    path = detector(tmp_path / "other.onnx", inputs, outputs)
    session = tiny.run("--model-path", str(path))
    tiny.refuses(session, f"{path} is not a model of this benchmark", "expected: ", says, "--model-path")
    assert tiny.logs() == []


def empty(path: Path) -> None:
    path.touch()


def text(path: Path) -> None:
    path.write_text("<html>404 Not Found</html>\n")


def cut_off(path: Path) -> None:
    path.write_bytes(SHIPPED.read_bytes()[:-100])


def without_its_weights(path: Path) -> None:
    model = onnx.load(SHIPPED)
    onnx.save_model(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    path.with_name("weights.bin").unlink()


def nothing(path: Path) -> None:
    del path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (nothing, "found: nothing"),
        (Path.mkdir, "found: a directory"),
        (empty, "found: 0 bytes"),
        (text, "cannot load"),
        (cut_off, "cannot load"),
        (without_its_weights, "weights.bin"),
    ],
)
def test_a_file_that_is_no_whole_model_is_a_failed_item(tiny: Tiny, tmp_path: Path, make: Any, says: str) -> None:
    path = tmp_path / "broken.onnx"
    make(path)
    tiny.refuses(tiny.run("--model-path", str(path)), str(path), says, "expected: a")
    assert tiny.logs() == []


@pytest.mark.slow
def test_a_file_that_cannot_be_read_is_a_broken_item(tiny: Tiny) -> None:
    # Opens for everybody, but its first bytes are no memory of the process, whoever asks.
    tiny.refuses(tiny.run("--model-path", "/proc/self/mem"), "cannot read /proc/self/mem", "Input/output error")


@pytest.mark.slow
def test_a_length_that_the_file_leaves_open_does_not_widen_the_contracts_batch(tiny: Tiny, tmp_path: Path) -> None:
    model = onnx.load(SHIPPED)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
    onnx.save(model, tmp_path / "open.onnx")
    session = tiny.run("--model-path", str(tmp_path / "open.onnx"))
    assert tiny.runs(session)["layout"]["batch"] == 1

"""A conversion that fails says why before anything runs, and which file is converted follows from what is given."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pytest_mlperf.backends.base import Traits
from pytest_mlperf.backends.model_content import model_content
from pytest_mlperf.backends.model_file import ModelFile
from pytest_mlperf.backends.tensorflow import TensorFlow
from pytest_mlperf.benchmarks.resnet50 import TINY
from pytest_mlperf.conversion.recipe import SAVED_MODEL, TFLITE, ConversionRecipe, converted
from pytest_mlperf.conversion.to_tflite import off
from pytest_mlperf.environments.provide import Needs, environment, tool_environment
from pytest_mlperf.environments.pythons import Wanted
from pytest_mlperf.errors import ModelError, RequirementError
from pytest_mlperf.origin import Derived

if TYPE_CHECKING:
    from pathlib import Path


def recipe(model: Path, inputs: dict[str, Any], sha256: str = "") -> ConversionRecipe:
    found = sha256 or model_content(model, "").sha256
    return ConversionRecipe(model, found, sys.executable, TFLITE, lambda: inputs)


def doubling(place: Path) -> Path:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "g", [values[0]], [values[1]])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), place)
    return place


def test_a_file_that_is_no_onnx_file_is_refused_with_the_last_lines_of_the_tool(tmp_path: Path) -> None:
    model = tmp_path / "broken.onnx"
    model.write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"broken\.onnx cannot be converted to TensorFlow Lite") as error:
        recipe(model, {"x": np.zeros((1, 4), np.float32)}).build(tmp_path)
    assert "DecodeError" in error.value.found
    assert "--model-path" in error.value.fix


def test_a_model_with_other_inputs_is_refused(tmp_path: Path) -> None:
    model = doubling(tmp_path / "double.onnx")
    with pytest.raises(ModelError) as error:
        recipe(model, {"images": np.zeros((1, 4), np.float32)}).build(tmp_path)
    assert "the inputs are x, not images" in error.value.found


def test_an_interpreter_without_the_tool_fails_the_conversion(tmp_path: Path) -> None:
    model = doubling(tmp_path / "double.onnx")
    with pytest.raises(ModelError) as error:
        recipe(model, {"x": np.zeros((1, 4), np.float32)}).build(tmp_path)
    assert "ModuleNotFoundError" in error.value.found


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (np.array([1.0, 1000.5], np.float32), ""),
        (np.array([1.0, 1002.0], np.float32), "is off by 2"),
        (np.array([1.0, np.nan], np.float32), "is off by nan"),
        (np.array([[1.0, 1000.0]], np.float32), "is float32[1, 2], not float32[2]"),
        (np.array([1, 1000], np.int32), "is int32[2], not float32[2]"),
    ],
)
def test_what_is_off_by_more_than_a_thousandth_of_the_largest_value_is_a_fault(found: Any, fault: str) -> None:
    assert off(np.array([1.0, 1000.0], np.float32), found) == fault


def test_classes_must_be_equal() -> None:
    assert off(np.array([3]), np.array([3])) == ""
    assert off(np.array([3]), np.array([4])) == "has other values"


def test_the_file_that_ships_is_taken_unless_another_source_is_given(tmp_path: Path) -> None:
    row = TINY.model_file("tflite", "fp32", "")
    assert isinstance(row.source, Derived)
    assert row.source.ready is not None
    assert row.source.ready.name == "resnet50-tiny.tflite"
    mine = row.at(tmp_path / "mine.onnx")
    assert isinstance(mine.source, Derived)
    assert (mine.source.source, mine.source.ready) == (tmp_path / "mine.onnx", None)
    assert row.at(tmp_path / "mine.tflite").source == tmp_path / "mine.tflite"


def test_a_converted_file_keeps_the_contract_and_what_determines_it_is_in_its_key(tmp_path: Path) -> None:
    onnx_row = ModelFile("onnx", "fp32", tmp_path / "a.onnx", variant="heads")
    row = converted(onnx_row, SAVED_MODEL, "savedmodel", dict)
    assert (row.format, row.variant, row.directory) == ("savedmodel", "heads", True)
    assert isinstance(row.source, Derived)
    made = row.source.recipe(tmp_path / "a.onnx", "d1", sys.executable)
    other = row.source.recipe(tmp_path / "a.onnx", "d2", sys.executable)
    assert made.key() != other.key()
    assert "tensorflow-cpu==2.21.0" in str(made.key()["tool"])


@pytest.mark.slow
def test_a_tool_whose_python_is_not_here_is_an_error_that_names_it() -> None:
    with pytest.raises(RequirementError, match=r"Python >=3\.99") as error:
        tool_environment(TFLITE.tool.requirements, ">=3.99")
    assert "install" in error.value.fix


@pytest.mark.parametrize("also", [("pillow",), ("tokenizers>=0.20",)])
def test_tensorflow_has_one_environment_for_its_cases_and_for_converting(also: tuple[str, ...]) -> None:
    packages = (*Traits.of(TensorFlow).also_requires, *also)
    needs = Needs("tf", "cpu", TensorFlow.requirements, Wanted(), also=packages, install=True)
    assert environment(needs) in (None, tool_environment(SAVED_MODEL.tool.requirements, SAVED_MODEL.tool.python))

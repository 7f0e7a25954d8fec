"""measurements.json says what the model file says; accuracy.txt says it as the reference's scripts do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.backends.onnx_weights import weight_dtypes
from pytest_mlperf.metrics.mean_average_precision import MeanAveragePrecision
from pytest_mlperf.rules.reading.accuracy_text import PATTERNS
from pytest_mlperf.submission.measurements import measurements_of

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.submission.plan import Result


def a_model(path: Path, *weights: tuple[int, int]) -> Path:
    """Write a model with an initializer for each type and number of elements."""
    tensors = [
        onnx.helper.make_tensor(f"w{n}", t, [count], bytes(count * _width(t)), raw=True)
        for n, (t, count) in enumerate(weights)
    ]
    graph = onnx.helper.make_graph([], "graph", [], [], initializer=tensors)
    onnx.save(onnx.helper.make_model(graph), str(path))
    return path


def _width(dtype: int) -> int:
    return int(onnx.helper.tensor_dtype_to_np_dtype(dtype).itemsize)


FLOAT, HALF, INT8, INT64 = 1, 10, 3, 7


def test_the_types_of_the_weights_are_those_that_onnx_reads(tmp_path: Path) -> None:
    assert weight_dtypes(a_model(tmp_path / "a.onnx", (FLOAT, 1000), (INT64, 4))) == ("fp32",)
    assert weight_dtypes(a_model(tmp_path / "b.onnx", (FLOAT, 100), (INT8, 1000))) == ("int8", "fp32")
    assert weight_dtypes(a_model(tmp_path / "c.onnx", (HALF, 10))) == ("fp16",)
    assert weight_dtypes(a_model(tmp_path / "d.onnx")) == ()


@given(data=st.binary(min_size=1, max_size=300))
def test_what_is_no_model_is_a_value_error_or_has_no_weights(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("onnx") / "model.onnx"
    file.write_bytes(data)
    try:
        weight_dtypes(file)
    except ValueError as error:
        assert str(error)


def test_the_tiny_model_is_measured(runs: tuple[Result, ...]) -> None:
    measured = measurements_of(runs[0].performance)
    assert json.loads(measured.to_json()) == {
        "input_data_types": "fp32",
        "retraining": "no",
        "starting_weights_filename": "retinanet-tiny.onnx",
        "weight_data_types": "fp32",
        "weight_transformations": "none",
    }


def test_how_a_file_was_quantised_is_not_invented(runs: tuple[Result, ...]) -> None:
    performance = runs[0].performance
    measured = measurements_of(msgspec.structs.replace(performance, weight_types=("int8", "fp32")))
    assert measured.weight_data_types == "int8, fp32"
    assert measured.unknown == ("weight_transformations",)
    measured = measurements_of(msgspec.structs.replace(performance, weight_types=()))
    assert measured.unknown == ("weight_data_types",)
    assert all(vars(measured).values())


@given(value=st.floats(0, 100))
def test_the_official_pattern_reads_the_value_that_was_written(value: float) -> None:
    text = MeanAveragePrecision().text({"mAP": value})
    match = PATTERNS["mAP"].match(text)
    assert match is not None
    assert text.startswith("mAP=")  # before v5.1 only at the line's start
    assert float(match[1]) == pytest.approx(value, abs=0.0005)

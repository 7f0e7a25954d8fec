"""A .tflite file's tensors are found under converters' names for them, and quantised ones stand for float32."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlperf.backends.model_file import Tensor
from pytest_mlperf.backends.tensor_names import plain_name
from pytest_mlperf.backends.tflite import TFLite
from pytest_mlperf.backends.tflite_file import require_tflite
from pytest_mlperf.backends.tflite_tensors import FileTensor, match
from pytest_mlperf.errors import ModelError, OptionError

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = FileTensor("", "images", 0, np.uint8, (1, 4), (-1, 4), 0.5, 10)
LOGITS = Tensor("logits", "float32", (None, 4))
DELTAS = Tensor("deltas", "float32", (None, 4))


def named(name: str, index: int) -> FileTensor:
    return replace(IMAGE, in_file=name, index=index, dtype=np.float32, scale=0.0)


@pytest.mark.parametrize(
    ("name", "alone"),
    [
        ("serving_default_images:0", "images"),
        ("input_tensor:0", "input_tensor"),
        ("input_tensor__0", "input_tensor"),
        ("softmax_tensor__0_dequantized_output", "softmax_tensor"),
        ("output_end_logits", "output_end_logits"),
    ],
)
def test_what_converters_put_around_a_name_is_taken_off(name: str, alone: str) -> None:
    assert plain_name(name) == alone


def test_outputs_are_in_the_benchmarks_order_and_others_come_last() -> None:
    found = match((LOGITS, DELTAS), [named("deltas", 5), named("more", 6), named("logits_dequantized_output", 7)])
    assert [each.index for each in found] == [7, 5, 6]
    assert [each.name for each in found] == ["logits", "deltas", ""]


def test_a_single_tensor_may_have_any_name() -> None:
    assert match((LOGITS,), [named("StatefulPartitionedCall:0", 3)])[0].in_file == "logits"


def test_a_quantised_input_is_rounded_to_its_steps_and_cut_off() -> None:
    values = np.array([[0.2, 0.3, -99.0, 999.0]], np.float32)
    assert IMAGE.to_file(values).tolist() == [[10, 11, 0, 255]]
    assert IMAGE.to_file(values).dtype == np.uint8
    assert IMAGE.from_file(np.array([[10, 11, 0, 255]], np.uint8)).tolist() == [[0.0, 0.5, -5.0, 122.5]]
    assert IMAGE.described().dtype == "float32"


def test_an_integer_that_is_not_quantised_is_what_it_is() -> None:
    label = replace(IMAGE, dtype=np.int64, scale=0.0)
    assert label.from_file(np.array([3])).tolist() == [3]
    assert label.described().dtype == "int64"


def test_a_file_of_another_format_is_refused_before_the_runtime_sees_it(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(b"\x08\x07\x12\x07pytorch")
    with pytest.raises(ModelError, match=r"model\.tflite is not a \.tflite file"):
        require_tflite(model)


@pytest.mark.parametrize(("name", "value"), [("xnnpack", "off"), ("num_threads", "2")])
def test_an_option_that_does_not_exist_is_an_error(name: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=f"tflite has no option {name}={value}"):
        TFLite().load(tmp_path, None, "cpu", 1, {name: value})  # type: ignore[arg-type] # not reached

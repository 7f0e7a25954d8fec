from __future__ import annotations

import pytest

from pytest_mlperf.errors import OptionError
from pytest_mlperf.plugin.selection import select
from pytest_mlperf.registry import Registry
from pytest_mlperf.run.case import Case

CASE = Case("retinanet-tiny", "python", "onnxruntime", "cpu", "Offline", "accuracy")


def test_an_id_reads_from_the_benchmark_to_the_scenario() -> None:
    assert CASE.id == "retinanet-tiny-onnxruntime-cpu-Offline"


def test_another_implementation_than_python_is_part_of_the_id() -> None:
    assert (
        Case("resnet50", "cpp", "onnxruntime", "cpu", "Offline", "accuracy").id
        == "resnet50-cpp-onnxruntime-cpu-Offline"
    )


def test_another_precision_than_fp32_is_part_of_the_id() -> None:
    case = Case("resnet50", "python", "onnxruntime", "cpu", "Offline", "accuracy", precision="int8", variant="NHWC")
    assert case.id == "resnet50-onnxruntime-int8-NHWC-cpu-Offline"


def test_our_own_benchmarks_are_found_as_any_others() -> None:
    assert {"retinanet", "retinanet-tiny"} <= Registry().benchmarks.keys()
    assert "onnxruntime" in Registry().backends


def test_gpu_means_cuda_and_case_does_not_matter() -> None:
    found = select(Registry(), device=["gpu", "CPU", "cuda"], scenario=["offline", "SINGLESTREAM"])
    assert found.device == ("cuda", "cpu")
    assert found.scenario == ("Offline", "SingleStream")


@pytest.mark.parametrize(
    ("dimension", "value", "says"),
    [
        ("scenario", "Ofline", "did you mean 'Offline'?"),
        ("model", "retinanet_tiny", "did you mean 'retinanet-tiny'?"),
        ("backend", "onnxrt", "did you mean 'onnxruntime'?"),
        ("device", "tpu", "one of cpu, cuda"),
        ("device", "gpuu", "did you mean 'gpu'?"),
        ("device", "cudaa", "did you mean 'cuda'?"),
        ("device", "cpuu", "did you mean 'cpu'?"),
        ("mode", "speed", "one of accuracy, performance"),
        ("implementation", "rust", "one of cpp, nvidia, python, ray, tflite-cpp"),
    ],
)
def test_a_value_that_does_not_exist_is_refused_with_the_nearest_and_all_valid_ones(
    dimension: str, value: str, says: str
) -> None:
    with pytest.raises(OptionError) as caught:
        select(Registry(), **{dimension: [value]})
    assert f"there is no {value!r}" in str(caught.value)
    assert "expected: one of " in str(caught.value)
    assert says in str(caught.value)

"""The implementation cpp takes the cases whose answers it encodes, and only where it is named."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.benchmarks import bert, resnet50, retinanet, rnnt
from pytest_mlperf.benchmarks.retinanet_decoder import decoder_for
from pytest_mlperf.cpp.answers import answers_of, heads_words
from pytest_mlperf.implementations.cpp import CPP, TFLITE_CPP

if TYPE_CHECKING:
    from pytest_mlperf.backends.base import Outputs
    from pytest_mlperf.benchmarks.base import Benchmark, Records
    from tests.conftest import RunSession


@pytest.mark.parametrize(
    ("benchmark", "variant", "answers"),
    [
        (resnet50.OFFICIAL, "", ("label", "-1")),
        (resnet50.OFFICIAL, "opset-8", ("label", "-1")),
        (resnet50.OFFICIAL, "torchvision", ("scores", "0")),
        (resnet50.OFFICIAL, "NHWC-scores", ("scores", "-1")),
        (resnet50.TINY, "", ("label", "-1")),
        (retinanet.OFFICIAL, "", ("detections", "800")),
        (retinanet.TINY, "", ("detections", "192")),
        (retinanet.TINY, "heads", ("heads", *heads_words(decoder_for(192)))),
        (retinanet.OFFICIAL, "batched-heads", ("heads", *heads_words(decoder_for(800)))),
        (bert.OFFICIAL_99, "", ("logits",)),
        (bert.TINY_99_9, "lengths", ("logits",)),
        (rnnt.TINY, "", None),
    ],
)
def test_the_tasks_that_it_encodes(benchmark: Benchmark, variant: str, answers: tuple[str, ...] | None) -> None:
    assert answers_of(replace(benchmark, variant=variant)) == answers


@dataclass(frozen=True, kw_only=True)
class OwnAnswers(resnet50.ResNet50):
    def encode(self, outputs: Outputs, samples: Any, indices: Any) -> Records:
        return super().encode(outputs, samples, indices)


def test_a_benchmark_that_encodes_in_its_own_way_is_another() -> None:
    own = OwnAnswers(**{name: getattr(resnet50.TINY, name) for name in resnet50.TINY.__dataclass_fields__})
    assert answers_of(own) is None


def test_each_has_one_runtime() -> None:
    assert TFLITE_CPP.supports(resnet50.TINY, "tflite", "cpu", "Server")
    assert not TFLITE_CPP.supports(resnet50.TINY, "onnxruntime", "cpu", "Server")
    assert not CPP.supports(resnet50.TINY, "tflite", "cpu", "Server")
    assert CPP.supports(resnet50.TINY, "onnxruntime", "cuda", "Server")
    assert CPP.supports(resnet50.TINY, "onnxruntime", "cuda:1", "Server")
    assert not CPP.supports(resnet50.TINY, "null", "cpu", "Server")
    assert not CPP.supports(rnnt.TINY, "onnxruntime", "cpu", "Offline")


def collected(benchmarks: RunSession, *options: str) -> set[str]:
    output = benchmarks("--collect-only", "-q", "-k", "retinanet and tiny and Offline", *options).output
    return {line.partition("::")[2] for line in output.splitlines() if "::" in line and "onnxruntime" in line}


@pytest.mark.slow
def test_without_its_name_python_alone_is_collected(benchmarks: RunSession) -> None:
    usual = {f"test_{mode}[retinanet-tiny-onnxruntime-cpu-Offline]" for mode in ("accuracy", "performance")}
    assert collected(benchmarks) == usual
    named = {f"test_{mode}[retinanet-tiny-cpp-onnxruntime-cpu-Offline]" for mode in ("accuracy", "performance")}
    assert collected(benchmarks, "--implementation", "cpp") == named
    assert collected(benchmarks, "--implementation", "cpp,python") == named | usual
    assert collected(benchmarks, "--implementation", "tflite-cpp", "--backend", "onnxruntime") == set()


def test_the_plan_says_what_it_does_not_run(benchmarks: RunSession) -> None:
    models = ("--model", "resnet50-tiny,rnnt-tiny", "--backend", "onnxruntime", "--scenario", "Offline")
    output = benchmarks(*models, "--implementation", "cpp", "--mlperf-plan").output
    assert "the implementation cpp does not run its file onnx fp32" in output
    assert "resnet50-tiny-cpp-onnxruntime-cpu-Offline accuracy" in output

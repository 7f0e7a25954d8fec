"""Which model files a runtime with fixed shapes can run, and what is told where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.backends.base import Traits
from pytest_mlperf.backends.deepsparse import DeepSparse
from pytest_mlperf.backends.fixed_shapes import shapes_for, varying
from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.backends.tvm import TvmOnnx
from pytest_mlperf.registry import Registry

if TYPE_CHECKING:
    from pytest_mlperf.benchmarks.base import Benchmark
    from tests.conftest import RunSession


def benchmark(name: str) -> Benchmark:
    found = Registry().installed.benchmarks[name]
    assert not isinstance(found, Exception)
    return found


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("resnet50-tiny", [""]),
        ("retinanet-tiny", ["heads", "batched-heads"]),
        ("bert-99-tiny", [""]),
        ("rnnt-tiny", []),
        ("retinanet", ["heads", "batched-heads"]),
    ],
)
@pytest.mark.parametrize("backend", [DeepSparse, TvmOnnx])
def test_files_with_shapes_that_vary_are_refused(name: str, taken: list[str], backend: type) -> None:
    refuses = Traits.of(backend).refuses
    rows = [row for row in benchmark(name).models if row.format == "onnx" and row.precision == "fp32"]
    assert [row.variant for row in rows if not refuses(row)] == taken


def test_a_backend_without_an_opinion_takes_every_file() -> None:
    assert not any(Traits.of(OnnxRuntime).refuses(row) for row in benchmark("retinanet-tiny").models)


def test_the_reason_names_what_varies() -> None:
    whole, *_ = benchmark("retinanet-tiny").models
    assert varying(whole) == "how many boxes, labels, scores there are depends on the sample"
    lengths = benchmark("bert-99-tiny").model_file("onnx", "fp32", "lengths")
    assert varying(lengths) == "the length of input_ids, input_mask, segment_ids varies"


def test_shapes_are_those_of_the_file_for_a_batch() -> None:
    graph = benchmark("resnet50-tiny").models[0].graph
    assert shapes_for(graph, 4) == {"input_tensor:0": (4, 3, 48, 48)}


@pytest.mark.slow
def test_what_is_not_collected_says_what_varies(benchmarks: RunSession) -> None:
    session = benchmarks("--backend=tvm-onnx", "--mlperf-plan", "--scenario=Offline", "-k", "tiny and not lengths")
    assert "not collected on tvm-onnx: rnnt, rnnt-tiny (it has several graphs)" in session.output
    assert "retinanet-tiny-tvm-onnx-heads-cpu-Offline accuracy" in session.output
    whole = benchmarks("--backend=deepsparse", "--mlperf-variant=whole", "--model=retinanet-tiny", "--mlperf-plan")
    assert "(how many boxes, labels, scores there are depends on the sample)" in whole.output

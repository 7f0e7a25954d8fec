"""Which cases endpoints have, and with which address."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.backends.model_file import ENDPOINT, ModelFile
from pytest_mlperf.benchmarks import bert, resnet50, retinanet, rnnt, unet3d, yolo
from pytest_mlperf.errors import OptionError
from pytest_mlperf.origin import Url
from pytest_mlperf.plugin.matrix import Matrix
from pytest_mlperf.plugin.options import read_settings
from pytest_mlperf.registry import Registry

if TYPE_CHECKING:
    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.run.case import Case

Cases = Callable[..., list["Case"]]


@pytest.fixture
def cases(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Cases:
    """Return the accuracy cases of Offline with some options."""
    monkeypatch.delenv("PYTEST_MLPERF_CACHE", raising=False)

    def make(*options: str) -> list[Case]:
        registry = Registry()
        config = pytester.parseconfig("--model=resnet50-tiny", "--scenario=Offline", *options)
        return Matrix(registry, read_settings(config, registry)).cases("accuracy")

    return make


LOCAL, REMOTE = "resnet50-tiny-onnxruntime-cpu-Offline", "resnet50-tiny-kserve-remote-Offline"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), {LOCAL}),
        (("--endpoint=http://host/v2/models/m",), {REMOTE}),
        (("--backend=kserve",), {REMOTE}),
        (("--backend=onnxruntime,kserve",), {LOCAL, REMOTE}),
        (("--backend=onnxruntime,kserve", "--device=cpu"), {LOCAL}),
        (("--device=remote",), {REMOTE}),
        (("--backend=openai",), set()),
    ],
)
def test_endpoints_are_collected_only_if_they_are_asked_for(
    cases: Cases, options: tuple[str, ...], expected: set[str]
) -> None:
    found = {case.id for case in cases(*options)}
    # What other runtimes are installed with a format of the benchmark's is not the matter here.
    assert {name for name in found if "remote" in name or "onnxruntime" in name} == expected


@pytest.mark.parametrize(
    "options",
    [
        ("--endpoint=http://host/m",),
        ("--endpoint=resnet50-tiny=http://host/m", "--endpoint=http://other/m"),
        ("--model-path=http://host/m",),
        ("--model-path=a/file", "--endpoint=http://host/m"),
    ],
)
def test_the_address_is_that_of_the_benchmark(cases: Cases, options: tuple[str, ...]) -> None:
    [case] = cases("--backend=kserve", *options)
    assert case.plan.model.source == Url("http://host/m")


@pytest.mark.parametrize("options", [(), ("--model-path=a/file",)])
def test_without_an_address_a_case_is_an_error(cases: Cases, options: tuple[str, ...]) -> None:
    [case] = cases("--backend=kserve", *options)
    with pytest.raises(OptionError, match="kserve needs the address of an endpoint"):
        _ = case.plan


@pytest.mark.parametrize("value", ["host:80", "/a/file", "ftp://host/x", "echo="])
def test_what_is_no_address_is_refused_at_once(cases: Cases, value: str) -> None:
    with pytest.raises(OptionError, match="--endpoint cannot be"):
        cases("--backend=kserve", f"--endpoint={value}")


def test_a_local_case_keeps_its_file_beside_an_endpoint(cases: Cases) -> None:
    found = {case.id: case.plan.model for case in cases("--backend=onnxruntime,kserve", "--endpoint=http://host/m")}
    assert found[REMOTE].source == Url("http://host/m")
    assert not isinstance(found[LOCAL].source, Url)


@pytest.mark.parametrize(
    "benchmark",
    [
        *(bert.TINY_99, resnet50.TINY, retinanet.TINY, rnnt.TINY, unet3d.TINY_99, yolo.TINY_95),
        *(bert.OFFICIAL_99, resnet50.OFFICIAL, retinanet.OFFICIAL, rnnt.OFFICIAL, unet3d.OFFICIAL_99, yolo.OFFICIAL_95),
    ],
    ids=lambda benchmark: f"{benchmark.loadgen_model}-{benchmark.edition}",
)
def test_every_benchmark_with_an_onnx_file_can_be_served(benchmark: Benchmark) -> None:
    rows = benchmark.rows(ENDPOINT)
    onnx = [row for row in benchmark.models if row.format == "onnx"]
    assert onnx
    assert [(row.precision, row.variant, row.graphs) for row in rows] == [
        (row.precision, row.variant, row.graphs) for row in onnx
    ]
    found: ModelFile = benchmark.model_file(ENDPOINT, rows[0].precision, rows[0].variant)
    assert found == rows[0]

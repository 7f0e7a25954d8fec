"""DeepSparse: what can be told without it, and a session that runs it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.backends.deepsparse import CPU_INFO, require_avx2
from pytest_mlperf.errors import RequirementError
from pytest_mlperf.shipped import shipped

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession


def test_a_cpu_without_avx2_is_told(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nflags\t\t: fpu sse4_2 avx\n")
    with pytest.raises(RequirementError) as caught:
        require_avx2(info)
    assert caught.value.expected == "a CPU with AVX2"
    info.write_text("processor\t: 0\nflags\t\t: fpu sse4_2 avx avx2\n")
    require_avx2(info)
    assert CPU_INFO.is_file()


@pytest.mark.slow
def test_a_python_that_it_does_not_have_is_told(benchmarks: RunSession, shared_cache: Path) -> None:
    session = benchmarks(
        "--backend=deepsparse",
        "--model=resnet50-tiny",
        "--scenario=Offline",
        "--mode=accuracy",
        "--dataset-size=2",
        "--python-version=3.12",
        f"--mlperf-cache={shared_cache}",
    )
    assert session.outcomes().startswith("1 ")  # it fails, or is an error of the fixture
    assert "no case can run on Python 3.12" in session.output
    assert "expected: Python >=3.10,<3.12, which the backend's packages support; found: 3." in session.output


def test_offline_the_missing_package_is_told(benchmarks: RunSession, tmp_path: Path) -> None:
    options = ("--model=resnet50-tiny", "--scenario=Offline", "--mode=accuracy", "--dataset-size=2", "--mlperf-offline")
    session = benchmarks("--backend=deepsparse", f"--mlperf-cache={tmp_path / 'cache'}", *options)
    assert "the backend deepsparse needs the package deepsparse" in session.output
    assert "expected: deepsparse==1.8.0" in session.output


@pytest.mark.backends
def test_the_tasks_reach_their_targets_and_the_models_stay_as_they_are(
    benchmarks: RunSession, shared_cache: Path, tmp_path: Path
) -> None:
    models = [shipped(name) for name in ("resnet50-tiny.onnx", "bert-tiny.onnx", "retinanet-tiny.onnx")]
    before = [hashlib.sha256(path.read_bytes()).hexdigest() for path in models]
    classifier = "(resnet50 and tiny and (Offline or SingleStream))"
    session = benchmarks(
        "--backend=deepsparse",
        "--short",
        "--dataset-size=100",
        "--num-threads=1",  # on a busy machine its threads wait for each other a hundred times as long as they work
        f"--mlperf-cache={shared_cache}",
        f"--mlperf-json={tmp_path / 'results.json'}",
        "-k",
        f"{classifier} or (tiny and (bert-99-tiny or retinanet-tiny) and Offline and test_accuracy)",
    )
    assert session.outcomes().startswith("6 passed"), session.output
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in models] == before
    results = {
        (result["case"], result["mode"]): result
        for result in json.loads((tmp_path / "results.json").read_text())["results"]
    }
    assert {case for case, _ in results} == {
        "resnet50-tiny-deepsparse-cpu-Offline",
        "resnet50-tiny-deepsparse-cpu-SingleStream",
        "bert-99-tiny-deepsparse-cpu-Offline",
        "retinanet-tiny-deepsparse-heads-cpu-Offline",
    }
    for result in results.values():
        assert result["versions"]["deepsparse"] == "1.8.0"
        assert result["weight_types"] == ["fp32"]

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import onnx
import pytest

from pytest_mlperf.benchmarks.unet3d import OFFICIAL_99, TINY_99
from tests.official.unet3d import make, network

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make(tmp_path_factory.mktemp("official"))


def options(model: Path, dataset: Path, count: int = 3) -> list[str]:
    return [
        "--model=3d-unet-99",
        "--backend=onnxruntime",
        "--mode=accuracy",
        f"--model-path={model}",
        f"--dataset-path={dataset}",
        f"--dataset-size={count}",
    ]


def test_the_official_edition_runs_with_files_of_the_official_names_and_shapes(
    benchmarks: RunSession, official: tuple[Path, Path], tmp_path: Path
) -> None:
    results = tmp_path / "results.json"
    session = benchmarks(*options(*official), f"--mlperf-json={results}")
    assert session.outcomes().startswith("2 passed"), session.output
    runs = json.loads(results.read_text())["results"]
    assert {run["scenario"] for run in runs} == {"Offline", "SingleStream"}
    values = [run["accuracy"]["value"] for run in runs]
    assert values[0] == values[1] > 0.95


def test_a_file_for_one_window_gives_the_same_answers(
    benchmarks: RunSession, official: tuple[Path, Path], tmp_path: Path
) -> None:
    one = tmp_path / "3dunet_kits19_128x128x128.onnx"
    onnx.save(network(1), str(one))
    values = []
    for extra in ([], ["--mlperf-variant=batch-1"]):
        results = tmp_path / "results.json"
        session = benchmarks(*options(one, official[1], 2), "--scenario=Offline", f"--mlperf-json={results}", *extra)
        assert session.outcomes().startswith("1 passed"), session.output
        values.append(json.loads(results.read_text())["results"][0]["accuracy"]["value"])
    assert values[0] == values[1]


def test_missing_labels_end_the_run_before_the_test(
    benchmarks: RunSession, official: tuple[Path, Path], tmp_path: Path
) -> None:
    data = tmp_path / "kits19"
    shutil.copytree(official[1], data)
    (data / "data" / "case_00003" / "segmentation.nii.gz").unlink()
    session = benchmarks(*options(official[0], data), "--scenario=Offline")
    assert "1 of 3 cases are missing" in session.output
    assert "Traceback" not in session.output


def test_the_scenarios_are_those_of_mlperf() -> None:
    assert OFFICIAL_99.scenarios == TINY_99.scenarios == ("Offline", "SingleStream")
    assert OFFICIAL_99.limits(43) == ()

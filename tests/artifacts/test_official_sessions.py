from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.artifacts import standins
from tests.artifacts.web import Web, status
from tests.conftest import REPOSITORY, support_path

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession

RUN = ("--model=stand-in", "--backend=onnxruntime", "--scenario=Offline", "--dataset-size=8", "-rs")
FETCH = (*RUN, "--mlperf-fetch")


@pytest.fixture(scope="module")
def stand_ins() -> dict[str, bytes]:
    return standins.stand_ins()


@pytest.fixture
def mirror(stand_ins: dict[str, bytes], tmp_path: Path) -> Path:
    return standins.write(stand_ins, tmp_path / "mirror")


@pytest.fixture
def official(benchmarks: RunSession, mirror: Path, tmp_path: Path) -> RunSession:
    """Sessions in which official RetinaNet has the checksums of the stand-ins, with an empty cache."""
    return partial(
        benchmarks,
        PYTHONPATH=":".join([str(REPOSITORY / "tests" / "standins"), *support_path()]),
        PYTEST_MLPERF_CACHE=str(tmp_path / "cache"),
        MLPERF_TEST_MIRROR=str(mirror),
    )


@pytest.mark.slow
def test_from_an_empty_cache_to_a_finished_run_and_never_again_to_the_network(
    official: RunSession, web: Web, stand_ins: dict[str, bytes], tmp_path: Path
) -> None:
    web.files.update(stand_ins)
    web.faults[f"/validation/{standins.IMAGES[-1]}"] = [status(503)]
    results = tmp_path / "results.json"
    first = official(*FETCH, f"--mlperf-mirror={web.url}", f"--mlperf-json={results}", "--test-query-count=64")
    assert first.outcomes() == "2 passed", first.output
    assert "mAP 100.000 %" in first.output
    [accuracy] = [run for run in json.loads(results.read_text())["results"] if run["mode"] == "accuracy"]
    assert accuracy["accuracy"]["samples"] == 8
    assert len({request.path for request in web.requests}) == 1 + 1 + 8
    web.requests.clear()

    again = official(*RUN, "--mlperf-offline", "--mode=accuracy", f"--mlperf-mirror={web.url}")
    assert again.outcomes() == "1 passed, 1 deselected", again.output
    fewer = official(*RUN, "--dataset-size=3", "--mode=accuracy", "--mlperf-mirror=http://127.0.0.1:9")
    assert fewer.outcomes() == "1 passed, 1 deselected", fewer.output
    assert web.requests == []


def tool(cache: Path, *arguments: object) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest_mlperf",
        "cache",
        *map(str, arguments),
        "--cache",
        str(cache),
    ]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.slow
def test_a_directory_is_a_mirror_even_offline_and_an_exported_bundle_needs_none(
    official: RunSession, mirror: Path, tmp_path: Path
) -> None:
    session = official(*FETCH, "--mode=accuracy", "--mlperf-offline", f"--mlperf-mirror={mirror}")
    assert session.outcomes() == "1 passed, 1 deselected", session.output

    tool(tmp_path / "cache", "export", tmp_path / "bundle")
    shutil.rmtree(tmp_path / "cache")
    tool(tmp_path / "disk", "import", tmp_path / "bundle")
    carried = official(*RUN, "--mode=accuracy", "--mlperf-offline", f"--mlperf-cache={tmp_path / 'disk'}")
    assert carried.outcomes() == "1 passed, 1 deselected", carried.output


def test_nothing_large_is_fetched_unasked(official: RunSession, web: Web) -> None:
    session = official(*RUN, "--mode=accuracy", f"--mlperf-mirror={web.url}")
    assert session.outcomes().endswith("1 error"), session.output
    assert "bytes; give it with --model-path FILE, or fetch it with --mlperf-fetch" in session.output
    assert "8 JPEG files, about 2 MB; give it with --dataset-path DIR, or fetch" in session.output
    assert web.requests == []


@pytest.mark.slow
def test_offline_the_error_names_what_was_wanted(official: RunSession, web: Web) -> None:
    session = official(*FETCH, "--mode=accuracy", "--mlperf-offline", f"--mlperf-mirror={web.url}")
    assert session.outcomes().endswith("1 error"), session.output
    assert "offline, and resnext50_32x4d_fpn.onnx" in session.output
    assert "wanted from https://zenodo.org/record/6617879/files/resnext50_32x4d_fpn.onnx" in session.output
    assert "leave out --mlperf-offline" in session.output
    assert "Traceback" not in session.output
    assert web.requests == []


def test_what_cannot_be_fetched_is_tried_once_a_session(
    official: RunSession, web: Web, stand_ins: dict[str, bytes]
) -> None:
    web.files.update(stand_ins)
    model = next(path for path in stand_ins if path.startswith("/record"))
    web.always[model] = status(404)
    session = official(*FETCH, "--model=stand-in", f"--mlperf-mirror={web.url}")
    assert session.outcomes().startswith("2 errors"), session.output
    assert session.output.count("--mlperf-mirror URL|DIR") >= 2
    assert len(web.asked(model)) == 1


@pytest.mark.slow
def test_a_model_that_is_in_the_cache_goes_with_images_that_the_user_names(
    official: RunSession, mirror: Path, tmp_path: Path
) -> None:
    named = tmp_path / "named"
    (named / "annotations").mkdir(parents=True)
    (named / "annotations" / "openimages-mlperf.json").write_text(json.dumps(standins.annotation_file()))
    (named / "validation").mkdir()
    (named / "validation" / "data").symlink_to(mirror / "validation")
    session = official(*FETCH, "--mode=accuracy", f"--dataset-path={named}", f"--mlperf-mirror={mirror}")
    assert session.outcomes() == "1 passed, 1 deselected", session.output
    assert len(list((tmp_path / "cache").glob("*/*/manifest.json"))) == 1

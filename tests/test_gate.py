"""A session saves a baseline and holds later ones against it: what is worse fails, what is the same does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from pytest_mlperf.shipped import shipped

if TYPE_CHECKING:
    from tests.conftest import RunSession, Session

CASE = ("-k", "resnet50 and tiny", "--backend=onnxruntime", "--scenario=Offline")
NAME = "resnet50-tiny-onnxruntime-cpu-Offline.accuracy.json"


@pytest.fixture
def run(benchmarks: RunSession, shared_cache: Path, tmp_path: Path) -> Any:
    """Run the case with options; the results go to a JSON file."""

    def session(*options: str) -> tuple[Session, dict[str, Any]]:
        file = tmp_path / "results.json"
        mode = () if any(each.startswith("--mode") for each in options) else ("--mode=accuracy",)
        done = benchmarks(*CASE, *mode, f"--mlperf-cache={shared_cache}", f"--mlperf-json={file}", *options)
        results = json.loads(file.read_text())["results"] if file.exists() else []
        return done, results[0] if results else {}

    return session


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    """The tiny model with noise on its weights, as too few bits would make it."""
    return with_noise(tmp_path, 0.15)


def with_noise(tmp_path: Path, part: float) -> Path:
    source, target = shipped("resnet50-tiny.onnx"), tmp_path / "here" / "noisy.onnx"
    assert isinstance(source, Path)
    model, random = onnx.load(source), np.random.default_rng(0)
    for weight in model.graph.initializer:
        value = numpy_helper.to_array(weight)
        if value.dtype == np.float32 and value.ndim >= 2:
            changed = (value * (1 + part * random.standard_normal(value.shape))).astype(np.float32)
            weight.CopyFrom(numpy_helper.from_array(changed, weight.name))
    onnx.save(model, target)
    return target


def test_what_is_worse_fails_and_what_is_the_same_does_not(run: Any, noisy: Path, tmp_path: Path) -> None:
    session, _ = run("--mlperf-save=main")
    assert session.code == 0, session.output
    place = tmp_path / "here" / ".mlperf" / "baselines" / "main"
    assert sorted(path.name for path in place.iterdir()) == [NAME, NAME.replace(".json", ".npz")]

    session, result = run("--mlperf-compare=latest")
    assert session.code == 0, session.output
    assert result["comparison"]["verdict"] == "same"
    assert "compared with main: 1 same" in session.output

    session, result = run("--mlperf-compare=main", f"--model-path={noisy}")
    assert session.code == 1
    assert result["verdict"] == "worse"
    found = result["comparison"]
    assert found["lower"] > 0.1
    assert found["drop"] == pytest.approx(found["before"] - found["now"])
    assert "is worse than the baseline main [no-regression]" in session.output
    assert "--mlperf-update-baseline approves it" in session.output


@pytest.mark.slow
def test_what_a_baseline_has_of_a_benchmark_that_is_gone_is_named(run: Any, tmp_path: Path) -> None:
    session, _ = run("--mlperf-save=main")
    place = tmp_path / "here" / ".mlperf" / "baselines" / "main"
    old = (place / NAME).read_text().replace("resnet50-tiny", "resnet18-tiny")
    (place / NAME.replace("resnet50", "resnet18")).write_text(old)
    session, _ = run("--mlperf-compare=main")
    assert session.code == 0, session.output
    stale = "stale in main: resnet18-tiny-onnxruntime-cpu-Offline accuracy: there is no benchmark resnet18-tiny here"
    assert session.output.count(stale) == 1


@pytest.mark.slow
def test_a_user_allows_a_drop_or_approves_it(run: Any, noisy: Path) -> None:
    assert run("--mlperf-save=main")[0].code == 0
    allowed = ("--mlperf-compare=main", f"--model-path={noisy}", "--mlperf-max-accuracy-drop=3")
    session, result = run(*allowed)
    assert (session.code, result["comparison"]["verdict"]) == (0, "not worse"), session.output

    session, result = run("--mlperf-compare=main", f"--model-path={noisy}", "--mlperf-update-baseline")
    assert (session.code, result["comparison"]["verdict"]) == (0, "approved"), session.output
    session, result = run("--mlperf-compare=main", f"--model-path={noisy}")
    assert (session.code, result["comparison"]["verdict"]) == (0, "same"), session.output


@pytest.mark.slow
def test_what_cannot_be_decided_passes_with_a_note_or_fails(run: Any, tmp_path: Path) -> None:
    few = ("--dataset-size=1000",)
    session, _ = run("--mlperf-save", *few)
    assert session.code == 0, session.output
    options = ("--mlperf-compare=baseline", f"--model-path={with_noise(tmp_path, 0.1)}", *few)
    session, result = run(*options)
    assert (session.code, result["comparison"]["verdict"]) == (0, "undecided"), session.output
    assert "undecided: acc" in session.output
    session, result = run(*options, "--mlperf-undecided=fail")
    assert (session.code, result["verdict"]) == (1, "undecided"), session.output


@pytest.mark.slow
def test_new_cases_are_added_and_old_ones_kept(run: Any, tmp_path: Path) -> None:
    session, _ = run("--mlperf-compare=main", "--mlperf-update-baseline=new-only")
    assert session.code == 0, session.output
    assert "added to main" in session.output
    place = tmp_path / "here" / ".mlperf" / "baselines" / "main" / NAME
    first = place.read_text()
    session, _ = run("--mlperf-compare=main", "--mlperf-update-baseline=new-only", "--precision=int8")
    assert session.code == 0, session.output
    assert place.read_text() == first
    assert len(list(place.parent.glob("*.json"))) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--mlperf-compare=main",), "there is no baseline main"),
        (("--mlperf-update-baseline",), "--mlperf-compare NAME beside it"),
        (("--mlperf-max-accuracy-drop=-1", "--mlperf-compare=main"), "a number, 0 or more"),
        (("--mlperf-save", "../here"), "write --mlperf-save=NAME before the path of tests"),
    ],
    ids=["no baseline", "nothing to update", "a negative drop", "a path for a name"],
)
def test_an_option_that_cannot_be_followed_is_told_before_the_runs(run: Any, options: Any, words: str) -> None:
    session, _ = run(*options)
    assert session.code == 4
    assert words in session.output


@pytest.mark.slow
def test_two_models_are_compared_in_one_session(run: Any, noisy: Path) -> None:
    old = shipped("resnet50-tiny.onnx")
    both = ("--mode=accuracy,performance", "--mlperf-max-slowdown=200", f"--mlperf-compare-model={old}")
    session, result = run(*both, f"--model-path={noisy}")
    assert session.code == 1, session.output
    assert "is worse than the baseline resnet50-tiny.onnx [no-regression]" in session.output
    assert "compared with resnet50-tiny.onnx: 1 worse, 1 not worse" in session.output
    assert result["comparison"]["lower"] > 0.1


@pytest.mark.slow
def test_a_model_to_compare_with_that_cannot_be_run_fails_the_item(run: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    session, _ = run(f"--mlperf-compare-model={broken}")
    assert session.code == 1
    assert f"the model to compare with, {broken}" in session.output
    session, _ = run(f"--mlperf-compare-model={tmp_path / 'none.onnx'}")
    assert session.code == 1
    assert "none.onnx is not a file" in session.output


@pytest.mark.slow
def test_what_the_project_states_fails_a_result(run: Any, tmp_path: Path) -> None:
    project = tmp_path / "here" / "pyproject.toml"
    project.write_text('[tool.pytest-mlperf.reference."resnet50-*"]\naccuracy = [99.9, -0.001, 0, "%"]\n')
    root = f"--rootdir={project.parent}"
    session, result = run(root)
    assert (session.code, result["verdict"]) == (1, "not as stated"), session.output
    assert "[stated-reference]" in session.output
    project.write_text('[tool.pytest-mlperf.reference."resnet50-*"]\naccuracy = 99.9\n')
    assert run(root)[0].code == 4

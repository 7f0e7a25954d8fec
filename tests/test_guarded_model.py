"""The example repository with a guarded model: a change that harms the model fails, and one that does not passes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.explain.explanation import read_explanation
from tests.conftest import REPOSITORY, run_benchmarks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Session

CASE = (
    "-k",
    "retinanet-tiny",
    "--backend=onnxruntime",
    "--scenario=Offline",
    "--mode=accuracy",
    "--mlperf-json=results.json",
)


@pytest.fixture
def changed(tmp_path: Path, shared_cache: Path) -> Callable[..., tuple[Session, dict[str, Any]]]:
    """Change the model in a copy of the repository, and hold it against the baseline."""
    here = tmp_path / "guarded-model"
    shutil.copytree(REPOSITORY / "examples" / "guarded-model", here)

    def check(*change: str) -> tuple[Session, dict[str, Any]]:
        subprocess.run([sys.executable, "change.py", *change, "model.onnx"], cwd=here, check=True)
        options = (f"--mlperf-cache={shared_cache}", "--mlperf-compare=main", "--model-path=model.onnx")
        session = run_benchmarks(*CASE, *options, directory=here)
        [result] = json.loads((here / "results.json").read_text())["results"]
        return session, result

    return check


@pytest.mark.slow
def test_too_few_bits_fail_with_the_drop_and_its_interval(changed: Any) -> None:
    session, result = changed("--bits=4")
    assert session.code == 1
    assert result["verdict"] == "worse"
    found = result["comparison"]
    assert 5 < found["lower"] < found["drop"] < found["upper"] < 10
    assert "is worse than the baseline main [no-regression]" in session.output
    assert "cause: weights of few bits" in session.output
    assert len(list(Path(result["explanation"]).parent.glob("*.png"))) == 40  # what was expected and what was given
    assert session.output.count("cause: weights of few bits: 20 of 23 weight tensors have at most 14") == 1
    explanation = read_explanation(Path(result["explanation"]))
    assert len(explanation.samples) == 20
    for sample in explanation.samples:
        assert sample.before is not None
        assert sample.now < sample.before
        assert len(sample.images) == 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.thorough) for n in range(2, 21))])
def test_noise_passes(changed: Any, seed: int) -> None:
    session, result = changed(f"--noise={seed}")
    assert session.code == 0, session.output
    assert result["comparison"]["verdict"] in ("same", "not worse")


@pytest.mark.slow
def test_eight_bits_pass(changed: Any) -> None:
    session, result = changed("--bits=8")
    assert session.code == 0, session.output
    assert result["comparison"]["verdict"] in ("not worse", "undecided")

"""A session explains what fails for its accuracy, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import helper

from pytest_mlperf.explain.explanation import read_explanation
from tests.explain.runs import shipped_model, with_output

if TYPE_CHECKING:
    from tests.conftest import RunSession, Session

CASE = ("-k", "resnet50-tiny", "--backend=onnxruntime", "--scenario=Offline", "--mode=accuracy", "--dataset-size=300")


@pytest.fixture
def session(benchmarks: RunSession, shared_cache: Path, tmp_path: Path) -> Any:
    def run(*options: str) -> tuple[Session, dict[str, Any]]:
        file = tmp_path / "results.json"
        done = benchmarks(*CASE, f"--mlperf-cache={shared_cache}", f"--mlperf-json={file}", *options)
        return done, json.loads(file.read_text())["results"][0]

    return run


@pytest.fixture
def shifted(tmp_path: Path) -> Path:
    """The model whose classes are one too high, as with a background that the labels do not have."""
    nodes = [helper.make_node("Add", ["ArgMax:0_before", "one_more"], ["ArgMax:0"])]
    target = tmp_path / "shifted.onnx"
    return with_output(shipped_model("resnet50"), target, "ArgMax:0", lambda *_: nodes, {"one_more": np.int64(1)})


@pytest.mark.slow
def test_a_run_below_its_target_says_why(session: Any, shifted: Path) -> None:
    done, result = session(f"--model-path={shifted}")
    assert done.code == 1
    assert (
        "cause: labels shifted by one: on 300 images acc is 0 %, with every class one lower 99 %; 99 % is the reference"
        in done.output
    )
    assert "20 samples that lost most" in done.output
    path = Path(result["explanation"])
    assert path.parent.parent == Path(result["output"])
    found = read_explanation(path)
    assert [len(sample.images) for sample in found.samples] == [1] * 20
    assert found.samples[0].text[1:] == (
        ("expected class", str(int(found.samples[0].text[1][1]))),
        ("given class", str(int(found.samples[0].text[1][1]) + 1)),
    )


@pytest.mark.slow
def test_a_run_is_explained_by_what_it_is_compared_with(session: Any, shifted: Path, tmp_path: Path) -> None:
    done, result = session("--mlperf-save=main")
    assert (done.code, result["explanation"]) == (0, "")
    assert not list(tmp_path.rglob("explanation"))
    done, result = session("--mlperf-compare=main", f"--model-path={shifted}")
    assert done.code == 1
    assert done.output.count("cause: labels shifted by one") == 1
    assert "in the baseline" in done.output
    samples = read_explanation(Path(result["explanation"])).samples
    assert {(sample.before, sample.now) for sample in samples} == {(100.0, 0.0)}

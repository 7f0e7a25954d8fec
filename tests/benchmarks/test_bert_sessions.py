"""Sessions of BERT: the official names and layout, the tiny edition as it ships."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import onnx
import pytest

from pytest_mlperf.benchmarks.bert import TINY_99
from tests.official.bert import SEQUENCE, make, network

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession

pytestmark = pytest.mark.slow
RUN = ("--backend=onnxruntime", "--dataset-size=20", "-rs")


def test_the_official_edition_runs_with_real_lengths(benchmarks: RunSession, tmp_path: Path) -> None:
    model, data = make(tmp_path / "official")
    named = (f"--model-path={model}", f"--dataset-path={data}", f"--mlperf-cache={tmp_path / 'cache'}")
    accuracy = ("--scenario=Offline", "--mode=accuracy", f"--mlperf-json={tmp_path / 'results.json'}")
    session = benchmarks("--model=bert-99", *RUN, *named, *accuracy)
    assert session.outcomes() == "1 passed, 1 deselected", session.output
    [result] = json.loads((tmp_path / "results.json").read_text())["results"]
    assert result["variant"] == "lengths"
    assert "model-lengths.onnx was made from" in session.output
    assert "bert-99 was scored on other data than its reference is known for" in session.output


def test_a_model_of_fixed_positions_is_run_as_it_is(benchmarks: RunSession, tmp_path: Path) -> None:
    _, data = make(tmp_path / "official")
    model = tmp_path / "fixed.onnx"
    onnx.save(network(positions=SEQUENCE), model)
    named = (f"--model-path={model}", f"--dataset-path={data}", f"--mlperf-cache={tmp_path / 'cache'}")
    session = benchmarks("--model=bert-99.9", *RUN, *named, "--scenario=Offline", "--mode=accuracy")
    assert session.outcomes() == "1 passed, 1 deselected", session.output
    assert "bert-99.9 runs as onnx fp32: fixed.onnx cannot be run at other lengths" in session.output


def test_another_vocabulary_is_one_failed_item(benchmarks: RunSession, tmp_path: Path) -> None:
    model, data = make(tmp_path / "official")
    (data / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n", encoding="utf-8")
    named = (f"--model-path={model}", f"--dataset-path={data}", f"--mlperf-cache={tmp_path / 'cache'}")
    session = benchmarks("--model=bert-99", *RUN, *named, "--scenario=Offline", "--mode=accuracy")
    assert session.outcomes().startswith("1 failed"), session.output
    assert "is not the vocabulary of this model" in session.output
    assert "Traceback" not in session.output


def test_the_tiny_edition_reaches_the_higher_target_on_all_its_samples(benchmarks: RunSession) -> None:
    run = ("--model=bert-99.9-tiny", "--backend=onnxruntime", "--scenario=Offline", "--mode=accuracy")
    session = benchmarks(*run, f"--dataset-size={TINY_99.dataset.size}")
    assert session.outcomes() == "1 passed, 1 deselected", session.output
    assert "reached" in session.output

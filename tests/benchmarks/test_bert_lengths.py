"""BERT's graph for windows of any length: the whole one's logits, or the whole one is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from pytest_mlperf.artifacts.disk import file_sha256
from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.benchmarks.bert import LENGTHS, OFFICIAL_99
from pytest_mlperf.benchmarks.bert_lengths import LengthsRecipe, open_lengths
from pytest_mlperf.errors import ModelError
from tests.official.bert import SEQUENCE, network

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    onnx.save(network(), path)
    return path


def made(whole: Path, cache: Path) -> Path:
    [path] = Store(cache).get(LengthsRecipe(whole, file_sha256(whole), SEQUENCE)).path.iterdir()
    return path


def test_only_the_declared_shapes_change(whole: Path, tmp_path: Path) -> None:
    before, after = onnx.load(whole), onnx.load(made(whole, tmp_path / "cache"))
    onnx.checker.check_model(after, full_check=True)
    for value in (*after.graph.input, *after.graph.output):
        assert [each.dim_param for each in value.type.tensor_type.shape.dim] == ["batch", "length"]
    assert list(after.graph.value_info) == []
    for graph in (before.graph, after.graph):
        del graph.input[:], graph.output[:], graph.value_info[:]
    assert after == before


def test_short_windows_have_the_logits_of_padded_ones(whole: Path, tmp_path: Path) -> None:
    backend = OnnxRuntime()
    original = backend.load(whole, OFFICIAL_99.model_file("onnx", "fp32", ""), "cpu", 1, {})
    relaxed = backend.load(
        made(whole, tmp_path / "cache"), OFFICIAL_99.model_file("onnx", "fp32", LENGTHS), "cpu", 1, {}
    )
    random = np.random.default_rng(0)
    ids = np.zeros((2, SEQUENCE), np.int64)
    ids[:, :50] = random.integers(0, 30_000, (2, 50))
    inputs = {"input_ids": ids, "input_mask": (ids > 0).astype(np.int64), "segment_ids": np.zeros_like(ids)}
    padded = original.run(inputs)
    for length in (50, 90, SEQUENCE):
        short = relaxed.run({name: value[:, :length] for name, value in inputs.items()})
        for one, other in zip(padded, short, strict=True):
            np.testing.assert_allclose(other[:, :50], one[:, :50], atol=1e-5)


def test_the_same_file_is_made_once(whole: Path, tmp_path: Path) -> None:
    first = made(whole, tmp_path / "cache")
    written = first.stat().st_mtime_ns
    assert made(whole, tmp_path / "cache") == first
    assert first.stat().st_mtime_ns == written


def test_a_graph_with_fixed_positions_is_run_as_it_is(tmp_path: Path) -> None:
    onnx.save(network(positions=SEQUENCE), tmp_path / "model.onnx")
    with pytest.raises(ModelError) as caught:
        made(tmp_path / "model.onnx", tmp_path / "cache")
    assert str(caught.value).startswith("model.onnx cannot be run at other lengths")
    assert "--mlperf-variant whole" in str(caught.value)
    row = OFFICIAL_99.model_file("onnx", "fp32", LENGTHS)
    assert row.instead is OFFICIAL_99.model_file("onnx", "fp32", "")


def test_what_is_no_such_model(whole: Path, tmp_path: Path) -> None:
    model = onnx.load(whole)
    model.graph.input[0].name = "ids"
    onnx.save(model, tmp_path / "renamed.onnx")
    (tmp_path / "empty.onnx").touch()
    (tmp_path / "text.onnx").write_text("not a model" * 100)
    (tmp_path / "half.onnx").write_bytes(whole.read_bytes()[:10_000])
    for name in ("renamed", "empty", "text", "half", "absent"):
        with pytest.raises(ModelError, match="cannot be run at other lengths"):
            open_lengths(tmp_path / f"{name}.onnx", tmp_path / "out.onnx", SEQUENCE)


def test_weights_in_other_files_stay_there(whole: Path, tmp_path: Path) -> None:
    onnx.save(onnx.load(whole), tmp_path / "outside.onnx", save_as_external_data=True, location="weights.bin")
    with pytest.raises(ModelError, match="all weights in one file"):
        open_lengths(tmp_path / "outside.onnx", tmp_path / "out.onnx", SEQUENCE)

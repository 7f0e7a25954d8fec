"""The tiny edition's accuracy means something: the right pipeline reaches the target, each broken one does not.

How far each falls is measured here and stated in docs/rnnt.md.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.backends.onnxruntime import OnnxRuntime, OnnxRuntimeModel
from pytest_mlperf.benchmarks import rnnt_decoder, rnnt_features
from pytest_mlperf.benchmarks.rnnt import TINY
from pytest_mlperf.benchmarks.rnnt_features import FEATURES, SPLICED
from pytest_mlperf.benchmarks.tiny import tiny_record
from pytest_mlperf.datasets.data_content import data_content
from pytest_mlperf.datasets.spoken_numbers import generate
from pytest_mlperf.datasets.spoken_numbers_recipe import SpokenNumbersRecipe
from pytest_mlperf.metrics.accuracy_log import Record
from pytest_mlperf.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

UTTERANCES, FEW, BATCH = 400, 60, 20
[LIMIT] = TINY.limits(UTTERANCES)
assert LIMIT.reference is not None
assert LIMIT.minimum is not None
REFERENCE, TARGET = LIMIT.reference, LIMIT.minimum


def not_normalised(monkeypatch: pytest.MonkeyPatch) -> None:
    def plain(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        count = rnnt_features.frame_count(len(waveform))
        return rnnt_features._spliced(rnnt_features.log_mel(waveform))[:count]

    monkeypatch.setattr(rnnt_features, "features", plain)


def spliced_by_band(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the three frames of a band side by side, instead of the bands of a frame."""
    right = rnnt_features._spliced

    def wrong(frames: NDArray[np.float32]) -> NDArray[np.float32]:
        spliced = right(frames)
        return spliced.reshape(len(spliced), SPLICED, -1).transpose(0, 2, 1).reshape(len(spliced), FEATURES)

    monkeypatch.setattr(rnnt_features, "_spliced", wrong)


def amplified_and_clipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Amplify eight times, and cut off what is louder than half of the full scale."""
    right = rnnt_features.log_mel
    monkeypatch.setattr(rnnt_features, "log_mel", lambda waveform: right(np.clip(waveform * np.float32(8), -0.5, 0.5)))


def htk_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 82) / 2595) - 1)
    bins = np.linspace(0, 8000, 257)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    matrix = np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    monkeypatch.setattr(rnnt_features, "mel_matrix", lambda: matrix.astype(np.float32))


def one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rnnt_decoder, "MOST_STEPS", 1)


@dataclass(frozen=True)
class Broken:
    """A broken pipeline, and the least that the accuracy must fall by, in points."""

    change: Callable[[pytest.MonkeyPatch], None]
    falls: float


BROKEN = {
    "features not normalised": Broken(not_normalised, 60.0),
    "splicing by band": Broken(spliced_by_band, 60.0),
    "amplified and clipped": Broken(amplified_and_clipped, 8.0),
    "HTK's mel scale": Broken(htk_scale, 10.0),
    "one step for each frame": Broken(one_step, 18.0),
}


@pytest.fixture(scope="module")
def numbers(shared_cache: Path) -> Path:
    return Store(shared_cache).get(SpokenNumbersRecipe(UTTERANCES)).path


@pytest.fixture(scope="module")
def model() -> OnnxRuntimeModel:
    return OnnxRuntime().load(shipped("rnnt-tiny"), TINY.models[0], "cpu", 1, {})


def score(model: OnnxRuntimeModel, numbers: Path, count: int) -> float:
    """Return the accuracy of the first utterances, through the benchmark's own records and metric."""
    samples: Any = TINY.dataset.open(numbers, count, "")
    answers = []
    for start in range(0, count, BATCH):
        indices = range(start, min(start + BATCH, count))
        records = TINY.answer(model, [samples[index] for index in indices], indices, lambda *_: None)
        parts = zip(indices, records.offsets, records.offsets[1:], strict=False)
        answers += [Record(index, records.data[first:last].tobytes()) for index, first, last in parts]
    return TINY.metric.score(answers, numbers)["word accuracy"]


def test_the_reference_is_hard_enough_to_mean_something() -> None:
    assert 80 <= REFERENCE <= 98
    assert len(tiny_record("rnnt-tiny")["reference_by_count"]) == UTTERANCES


def test_the_right_pipeline_reproduces_the_reference_of_a_part(tmp_path: Path, model: OnnxRuntimeModel) -> None:
    generate(tmp_path, "validation", FEW)
    [limit] = TINY.limits(FEW)
    # PyTorch in float32 against ONNX Runtime in float32: at most one word of about 180 differs.
    assert score(model, tmp_path, FEW) == pytest.approx(limit.reference, abs=0.6)


@pytest.mark.slow
def test_the_right_pipeline_reproduces_the_recorded_reference(numbers: Path, model: OnnxRuntimeModel) -> None:
    assert score(model, numbers, UTTERANCES) == pytest.approx(REFERENCE, abs=0.2)


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_pipeline_falls_below_the_target(
    name: str, numbers: Path, model: OnnxRuntimeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    BROKEN[name].change(monkeypatch)
    found = score(model, numbers, UTTERANCES)
    assert found < TARGET
    assert REFERENCE - found >= BROKEN[name].falls


@pytest.mark.slow
def test_the_utterances_made_here_are_those_that_the_reference_is_of(numbers: Path) -> None:
    for count in (1, 8, UTTERANCES):
        assert data_content(TINY.dataset, numbers, count).sha256 == TINY.reference_data(count)
    assert TINY.reference_data(UTTERANCES + 1) == ""


def test_the_record_is_of_the_shipped_graphs() -> None:
    record = json.loads(shipped("rnnt-tiny.json").read_text())
    files = sorted(shipped("rnnt-tiny").glob("*.onnx"))
    assert record["sha256"] == {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    assert sum(file.stat().st_size for file in files) < 2_500_000

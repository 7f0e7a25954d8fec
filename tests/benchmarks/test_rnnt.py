"""RNN-T's features, graphs and decoding give what the official code gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlperf.backends.model_file import ModelFile
from pytest_mlperf.backends.onnxruntime import OnnxRuntime, OnnxRuntimeModel
from pytest_mlperf.benchmarks.rnnt import OFFICIAL, Sizes, graphs
from pytest_mlperf.benchmarks.rnnt_decoder import decode
from pytest_mlperf.benchmarks.rnnt_features import batch_features, features, frame_count, hann, mel_matrix
from pytest_mlperf.benchmarks.rnnt_graphs import check, write_graphs
from pytest_mlperf.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

GOLDEN = Path(__file__).parent / "golden" / "rnnt"
ARRAYS = dict(np.load(GOLDEN / "features.npz"))
CASES: dict[str, Any] = json.loads((GOLDEN / "features.json").read_text())["cases"]
CLIPS = [name.removesuffix("_pcm") for name in ARRAYS if name.endswith("_pcm")]
#: The official code gives rounding noise for silence, and NaN for a single frame: see docs/rnnt.md.
ORDINARY = [clip for clip in CLIPS if not clip.startswith("zero") and CASES[clip]["n"] > 480]
STATE = (2, 8)


def waveform(clip: str) -> NDArray[np.float32]:
    samples: NDArray[np.float32] = ARRAYS[f"{clip}_pcm"].astype(np.float32) / np.float32(32768)
    return samples


def weights() -> dict[str, NDArray[np.float32]]:
    return {name: value.astype(np.float32) for name, value in np.load(GOLDEN / "tiny_model_state_dict.npz").items()}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> OnnxRuntimeModel:
    directory = tmp_path_factory.mktemp("graphs")
    write_graphs(weights(), directory)
    file = ModelFile("onnx", "fp32", directory, graphs(Sizes(16, 8, 2)), directory=True)
    return OnnxRuntime().load(directory, file, "cpu", 1, {})


def labels(model: OnnxRuntimeModel, inputs: NDArray[np.float32], lengths: NDArray[np.int64]) -> list[list[int]]:
    [encoded] = model.run({"features": inputs, "lengths": lengths}, "encoder")
    return decode(model, encoded, (lengths + 1) // 2, STATE, lambda *_: None)


def test_window_and_filters_are_the_official_ones() -> None:
    np.testing.assert_allclose(hann(), ARRAYS["window_320"].ravel(), atol=3e-7)
    np.testing.assert_allclose(mel_matrix(), ARRAYS["mel_filterbank_80x257"], atol=1e-8)


@pytest.mark.parametrize("clip", CLIPS)
def test_there_are_as_many_frames_as_in_the_official_code(clip: str) -> None:
    assert features(waveform(clip)).shape == (CASES[clip]["len"], 240)
    assert frame_count(CASES[clip]["n"]) == CASES[clip]["len"]


@pytest.mark.parametrize("clip", ORDINARY)
def test_features_are_within_a_thousandth_alone_and_in_a_batch(clip: str) -> None:
    expected = ARRAYS[f"{clip}_features"].T
    assert np.abs(features(waveform(clip)) - expected).max() <= 1e-3
    together, lengths = batch_features([waveform(each) for each in CLIPS])
    row = CLIPS.index(clip)
    assert np.abs(together[row, : lengths[row]] - expected).max() <= 1e-3
    assert not together[row, lengths[row] :].any()


@pytest.mark.parametrize("samples", [1, 2, 159, 160, 161, 256, 257, 400, 480])
def test_a_single_frame_has_features_of_zero(samples: int) -> None:
    noise = np.random.default_rng(samples).standard_normal(samples, np.float32)
    assert np.array_equal(features(noise), np.zeros((1, 240), np.float32))


@pytest.mark.parametrize("samples", [481, 2400, 7680])
def test_silence_has_features_of_zero_where_no_frame_is_missing(samples: int) -> None:
    found = features(np.zeros(samples, np.float32))
    assert np.isfinite(found).all()
    assert not found[:, :80].any()


@given(st.lists(st.integers(1, 4000), min_size=1, max_size=4))
@settings(deadline=None, max_examples=20)
def test_features_do_not_depend_on_the_rest_of_the_batch(samples: list[int]) -> None:
    clips = [np.random.default_rng(count).standard_normal(count, np.float32) / np.float32(8) for count in samples]
    together, lengths = batch_features(clips)
    for row, clip in enumerate(clips):
        assert np.array_equal(together[row, : lengths[row]], features(clip))


@pytest.mark.parametrize("clip", [clip for clip in CLIPS if CASES[clip]["n"] > 480])
def test_official_weights_and_features_give_the_official_output_and_labels(clip: str, model: OnnxRuntimeModel) -> None:
    given_features = ARRAYS[f"{clip}_features"].T[None]
    lengths = np.array([given_features.shape[1]])
    [encoded] = model.run({"features": given_features, "lengths": lengths}, "encoder")
    np.testing.assert_allclose(encoded[0], ARRAYS[f"{clip}_encoder"], atol=1e-5)
    assert labels(model, given_features, lengths) == [CASES[clip]["labels"]]


def test_a_batch_gives_the_official_labels_from_waveforms(model: OnnxRuntimeModel) -> None:
    inputs, lengths = batch_features([waveform(clip) for clip in ORDINARY])
    assert labels(model, inputs, lengths) == [CASES[clip]["labels"] for clip in ORDINARY]


@given(st.lists(st.integers(1, 40), min_size=2, max_size=6), st.integers(0, 1000))
@settings(deadline=None, max_examples=25)
def test_a_sample_has_the_same_labels_in_every_batch(model: OnnxRuntimeModel, frames: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    lengths = np.array(frames)
    inputs = random.standard_normal((len(frames), max(frames), 240), np.float32)
    # What is behind a sample's end does not matter.
    together = labels(model, inputs, lengths)
    for row, count in enumerate(frames):
        assert labels(model, inputs[row : row + 1, :count], lengths[row : row + 1]) == [together[row]]


class Talkative:
    """Never says blank before `before` labels at each frame."""

    def __init__(self, before: int) -> None:
        self.before, self.said, self.predictions = before, 0, 0

    def run(self, inputs: dict[str, NDArray[Any]], graph: str) -> list[NDArray[Any]]:
        if graph == "prediction":
            self.predictions += 1
            return [np.zeros((1, 8), np.float32), inputs["hidden"], inputs["cell"]]
        logits = np.zeros((1, 29), np.float32)
        blank = self.said == self.before
        logits[0, 28 if blank else 3] = 1
        self.said = 0 if blank else self.said + 1
        return [logits]


@pytest.mark.parametrize(("before", "expected"), [(0, 0), (29, 58), (1 << 30, 60)])
def test_a_frame_has_at_most_thirty_steps_with_the_one_of_the_blank(before: int, expected: int) -> None:
    model = Talkative(before)
    found = decode(model, np.zeros((1, 2, 4), np.float32), np.array([2]), (1, 8), lambda *_: None)  # type: ignore[arg-type]
    assert found == [[3] * expected]
    assert model.predictions == 1 + expected  # not again after a blank


def test_other_weights_are_refused() -> None:
    wrong = weights()
    del wrong["joint.net.3.bias"]
    with pytest.raises(ModelError, match=r"joint\.net\.3\.bias"):
        check(wrong)
    with pytest.raises(ModelError, match="not the weights"):
        check({})
    with pytest.raises(ModelError, match="no more"):
        check({**weights(), "more": np.zeros(1, np.float32)})
    with pytest.raises(ModelError, match=r"\[12, 23\]"):
        check({**weights(), "joint.net.0.weight": np.zeros((12, 23), np.float32)})


def test_the_official_network_has_the_official_sizes() -> None:
    encoder, prediction, joint = OFFICIAL.models[0].graphs
    assert encoder.outputs[0].shape == (None, None, 1024)
    assert prediction.inputs[1].shape == (None, 2, 320)
    assert joint.outputs[0].shape == (None, 29)

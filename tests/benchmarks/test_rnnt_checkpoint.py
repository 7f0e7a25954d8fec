"""The official checkpoint becomes graphs; what is no checkpoint is a clear error."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_mlperf.backends.model_content import model_content
from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.benchmarks.rnnt import OFFICIAL, OFFICIAL_SIZES, TINY
from pytest_mlperf.benchmarks.rnnt_checkpoint import CheckpointRecipe
from pytest_mlperf.benchmarks.rnnt_graphs import AFTER, BEFORE, EMBED, JOINT, PREDICTION
from pytest_mlperf.environments import installed
from pytest_mlperf.errors import ModelError, RequirementError

if TYPE_CHECKING:
    from numpy.typing import NDArray

GOLDEN = Path(__file__).parent / "golden" / "rnnt"


def golden() -> dict[str, NDArray[np.float32]]:
    return {name: value.astype(np.float32) for name, value in np.load(GOLDEN / "tiny_model_state_dict.npz").items()}


def official_shapes() -> dict[str, NDArray[np.float32]]:
    """Return weights of the official sizes, all zero."""
    shapes: dict[str, tuple[int, ...]] = {EMBED: (28, 320)}
    for name, inputs, hidden, count in (
        (BEFORE, 240, 1024, 2),
        (AFTER, 2048, 1024, 3),
        (PREDICTION, 320, 320, 2),
    ):
        for layer in range(count):
            shapes[f"{name}.weight_ih_l{layer}"] = (4 * hidden, hidden if layer else inputs)
            shapes[f"{name}.weight_hh_l{layer}"] = (4 * hidden, hidden)
            shapes[f"{name}.bias_ih_l{layer}"] = shapes[f"{name}.bias_hh_l{layer}"] = (4 * hidden,)
    for name, shape in zip(JOINT, ((512, 1344), (29, 512)), strict=True):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, shape[:1]
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


def save(path: Path, weights: dict[str, NDArray[np.float32]], *, old: bool = False) -> Path:
    """Write a checkpoint as the published one is laid out."""
    torch = pytest.importorskip("torch")
    state = {name.replace("joint.net", "joint_net"): torch.from_numpy(value) for name, value in weights.items()}
    state["audio_preprocessor.featurizer.fb"] = torch.zeros(1, 80, 257)
    state["audio_preprocessor.featurizer.window"] = torch.zeros(320)
    content = {"epoch": 100, "state_dict": state, "optimizer": {"state": {}, "param_groups": []}}
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    return path


def build(checkpoint: Path, directory: Path) -> Path:
    directory.mkdir()
    CheckpointRecipe(checkpoint, model_content(checkpoint, "onnx").sha256).build(directory)
    return directory


@pytest.mark.parametrize("old", [False, True])
def test_both_formats_of_pytorch_become_the_graphs(tmp_path: Path, old: bool) -> None:
    made = build(save(tmp_path / "model.pt", golden(), old=old), tmp_path / "made")
    assert sorted(path.name for path in made.iterdir()) == ["encoder.onnx", "joint.onnx", "prediction.onnx"]


@pytest.mark.slow
def test_a_checkpoint_of_the_official_size_has_the_official_graphs(tmp_path: Path) -> None:
    made = build(save(tmp_path / "model.pt", official_shapes()), tmp_path / "made")
    model = OnnxRuntime().load(made, OFFICIAL.models[0], "cpu", 1, {})
    waveform = np.zeros(16_000, np.float32)
    assert OFFICIAL.answer(model, [waveform], [0], lambda *_: None).data.size == 17 * 30 * 8  # all logits are equal


def test_a_model_of_another_size_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    made = build(save(tmp_path / "model.pt", golden()), tmp_path / "made")
    with pytest.raises(ModelError, match="not a model of this benchmark"):
        OnnxRuntime().load(made, OFFICIAL.models[0], "cpu", 1, {})
    assert TINY.sizes != OFFICIAL_SIZES


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_checkpoint_is_an_error(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("torch")
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(ModelError, match="cannot read"):
        build(tmp_path / "model.pt", tmp_path / "made")


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"state_dict": Path("x")}, tmp_path / "model.pt")
    with pytest.raises(ModelError, match="cannot read"):
        build(tmp_path / "model.pt", tmp_path / "made")


@pytest.mark.parametrize("content", [{"model": {}}, {"state_dict": {"a": 1}}, [1]])
def test_a_checkpoint_without_weights_is_an_error(tmp_path: Path, content: Any) -> None:
    torch = pytest.importorskip("torch")
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(ModelError, match="has no weights"):
        build(tmp_path / "model.pt", tmp_path / "made")


@pytest.mark.parametrize("package", ["torch", "onnx"])
def test_without_the_packages_it_says_what_to_install(
    tmp_path: Path, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = installed._version
    monkeypatch.setattr(installed, "_version", lambda name: None if name == package else version(name) or "9")
    (tmp_path / "model.pt").write_bytes(b"x")
    with pytest.raises(RequirementError, match=f"{sys.executable} -m pip install '{package}"):
        build(tmp_path / "model.pt", tmp_path / "made")

"""The official checkpoint becomes graphs, in an environment with PyTorch; what is no checkpoint is a clear error."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.backends.model_content import model_content
from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.benchmarks.rnnt import OFFICIAL, OFFICIAL_SIZES, TINY
from pytest_mlperf.benchmarks.rnnt_checkpoint import CheckpointRecipe
from pytest_mlperf.benchmarks.rnnt_graphs import AFTER, BEFORE, EMBED, JOINT, PREDICTION
from pytest_mlperf.conversion.steps import PYTORCH
from pytest_mlperf.environments.commands import clean_environment
from pytest_mlperf.environments.provide import tool_environment
from pytest_mlperf.environments.venv import executable
from pytest_mlperf.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Save = Callable[..., Path]

pytestmark = pytest.mark.backends

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


@pytest.fixture(scope="module")
def python(shared_cache: Path) -> str:
    """The interpreter that a session converts with."""
    return str(executable(Store(shared_cache).get(tool_environment(PYTORCH.requirements, PYTORCH.python)).path))


@pytest.fixture
def save(python: str, tmp_path: Path) -> Save:
    """Write a checkpoint of some kind with PyTorch."""

    def write(kind: str, weights: dict[str, NDArray[np.float32]] | None = None) -> Path:
        arguments: list[str | Path] = [
            python,
            Path(__file__).with_name("write_checkpoint.py"),
            kind,
            tmp_path / "model.pt",
        ]
        if weights is not None:
            np.savez(tmp_path / "weights.npz", allow_pickle=False, **weights)
            arguments.append(tmp_path / "weights.npz")
        subprocess.run(arguments, check=True, env=clean_environment())
        return tmp_path / "model.pt"

    return write


@pytest.fixture
def build(python: str, tmp_path: Path) -> Callable[[Path], Path]:
    """Convert a checkpoint."""

    def make(checkpoint: Path) -> Path:
        made = tmp_path / "made"
        made.mkdir()
        CheckpointRecipe(checkpoint, model_content(checkpoint, "onnx").sha256, python).build(made)
        return made

    return make


@pytest.mark.parametrize("kind", ["new", "old"])
def test_both_formats_of_pytorch_become_the_graphs(save: Save, build: Callable[[Path], Path], kind: str) -> None:
    made = build(save(kind, golden()))
    assert sorted(path.name for path in made.iterdir()) == ["encoder.onnx", "joint.onnx", "prediction.onnx"]
    with pytest.raises(ModelError, match="not a model of this benchmark"):  # it is smaller
        OnnxRuntime().load(made, OFFICIAL.models[0], "cpu", 1, {})
    assert TINY.sizes != OFFICIAL_SIZES


def test_a_checkpoint_of_the_official_size_has_the_official_graphs(save: Save, build: Callable[[Path], Path]) -> None:
    made = build(save("new", official_shapes()))
    model = OnnxRuntime().load(made, OFFICIAL.models[0], "cpu", 1, {})
    waveform = np.zeros(16_000, np.float32)
    assert OFFICIAL.answer(model, [waveform], [0], lambda *_: None).data.size == 17 * 30 * 8  # all logits are equal


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_checkpoint_is_an_error(
    tmp_path: Path, build: Callable[[Path], Path], content: bytes
) -> None:
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(ModelError, match="cannot be converted to ONNX") as error:
        build(tmp_path / "model.pt")
    assert "Traceback" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("code", "Unsupported global|Weights only"),
        ("a dictionary with model", "no state_dict of tensors, but a dictionary with model"),
        ("numbers", "no state_dict of tensors, but a dictionary with state_dict"),
        ("a list", "no state_dict of tensors, but a list"),
    ],
)
def test_a_checkpoint_without_weights_is_an_error(
    save: Save, build: Callable[[Path], Path], kind: str, found: str
) -> None:
    with pytest.raises(ModelError, match=found):
        build(save(kind))


def test_a_layer_that_is_missing_is_named(save: Save, build: Callable[[Path], Path]) -> None:
    weights = {name: value for name, value in golden().items() if not name.startswith(EMBED)}
    with pytest.raises(ModelError, match=EMBED):
        build(save("new", weights))

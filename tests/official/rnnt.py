"""A stand-in for official RNN-T: graphs of its names and shapes, and the beginning of LibriSpeech in its layout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.benchmarks.rnnt import OFFICIAL
from pytest_mlperf.datasets.digit_speech import RATE, speak
from pytest_mlperf.datasets.flac import flac
from pytest_mlperf.metrics.word_error_rate import ALPHABET

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

UTTERANCES = 12
CHAPTER = "2277-149896"
ENCODER, PREDICTION, LAYERS, LABELS, INSIDE = 1024, 320, 2, 29, 4


def make(directory: Path) -> tuple[Path, Path]:
    """Write the stand-in, and return the paths of the model and of the data set."""
    model, dataset = directory / "rnnt-graphs", directory / "librispeech"
    model.mkdir(parents=True)
    for graph in (_encoder(), _prediction(), _joint()):
        onnx.save(graph, model / f"{graph.graph.name}.onnx")
    folder = write_chapter(dataset / "LibriSpeech" / "dev-clean", CHAPTER, UTTERANCES)
    lines = [f"{CHAPTER}-{index:04d} {words}\n" for index, words in enumerate(_heard(model, dataset))]
    (folder / f"{CHAPTER}.trans.txt").write_text("".join(lines))
    return model, dataset


def _heard(model: Path, dataset: Path) -> list[str]:
    """Return what the stand-in says, so that a run with it is a right one."""
    file = OFFICIAL.models[0]
    session = OnnxRuntime().load(model, file, "cpu", 1, {})
    waveforms = [*map(OFFICIAL.dataset.open(dataset, UTTERANCES, "").__getitem__, range(UTTERANCES))]
    records = OFFICIAL.answer(session, waveforms, range(UTTERANCES), lambda *_: None)
    parts = zip(records.offsets, records.offsets[1:], strict=False)
    labels = [np.frombuffer(records.data[start:end].tobytes(), np.int64) for start, end in parts]
    return ["".join(ALPHABET[label] for label in each).upper() for each in labels]


def write_chapter(root: Path, chapter: str, count: int) -> Path:
    """Write a chapter of spoken numbers in LibriSpeech's layout, and return its directory."""
    folder = root.joinpath(*chapter.split("-"))
    folder.mkdir(parents=True)
    lines = []
    for index in range(count):
        spoken = speak("validation", index)
        (folder / f"{chapter}-{index:04d}.flac").write_bytes(flac(spoken.samples, RATE))
        lines.append(f"{chapter}-{index:04d} {spoken.words.upper()}\n")
    (folder / f"{chapter}.trans.txt").write_text("".join(lines))
    return folder


def _weights(seed: int, *shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def _model(
    name: str,
    nodes: list[onnx.NodeProto],
    constants: Mapping[str, NDArray[Any]],
    inputs: Mapping[str, tuple[str | int, ...]],
    outputs: Mapping[str, tuple[str | int, ...]],
) -> onnx.ModelProto:
    """Return a model; what has one dimension is int64, as labels and lengths are."""
    values = [
        [
            helper.make_tensor_value_info(key, TensorProto.INT64 if len(shape) == 1 else TensorProto.FLOAT, shape)
            for key, shape in side.items()
        ]
        for side in (inputs, outputs)
    ]
    held = [numpy_helper.from_array(value, key) for key, value in constants.items()]
    graph = helper.make_graph(nodes, name, *values, held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def _encoder() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Slice", ["features", "start", "end", "axis", "step"], ["every_second"]),
        helper.make_node("MatMul", ["every_second", "narrow"], ["inside"]),
        helper.make_node("Tanh", ["inside"], ["bent"]),
        helper.make_node("MatMul", ["bent", "wide"], ["encoded"]),
    ]
    slices = {"start": 0, "end": 1 << 40, "axis": 1, "step": 2}
    constants = {name: np.array([value], np.int64) for name, value in slices.items()}
    weights = {"narrow": _weights(1, 240, INSIDE), "wide": _weights(2, INSIDE, ENCODER)}
    inputs = {"features": ("n", "frames", 240), "lengths": ("n",)}
    return _model("encoder", nodes, {**constants, **weights}, inputs, {"encoded": ("n", "pairs", ENCODER)})


def _prediction() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Gather", ["table", "label"], ["embedded"]),
        helper.make_node("MatMul", ["embedded", "wide"], ["predicted"]),
        helper.make_node("Tanh", ["hidden"], ["next_hidden"]),
        helper.make_node("Tanh", ["cell"], ["next_cell"]),
    ]
    constants = {"table": _weights(3, LABELS, INSIDE), "wide": _weights(4, INSIDE, PREDICTION)}
    state = ("n", LAYERS, PREDICTION)
    outputs = {"predicted": ("n", PREDICTION), "next_hidden": state, "next_cell": state}
    return _model("prediction", nodes, constants, {"label": ("n",), "hidden": state, "cell": state}, outputs)


def _joint() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Concat", ["encoded", "predicted"], ["both"], axis=1),
        helper.make_node("MatMul", ["both", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["logits"]),
    ]
    # The blank is the most probable in most frames, as in speech.
    bias = np.zeros(LABELS, np.float32)
    bias[LABELS - 1] = 3
    constants: dict[str, NDArray[Any]] = {"weights": _weights(5, ENCODER + PREDICTION, LABELS) / 50, "bias": bias}
    inputs = {"encoded": ("n", ENCODER), "predicted": ("n", PREDICTION)}
    return _model("joint", nodes, constants, inputs, {"logits": ("n", LABELS)})

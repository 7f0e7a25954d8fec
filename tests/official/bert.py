"""A stand-in for the official BERT and SQuAD: names, shapes and layout, a network of few weights, few questions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pytest_mlperf.datasets.vocabulary_form import UNCASED

if TYPE_CHECKING:
    from pathlib import Path

SEQUENCE = 384
WORDS = (
    *("the", "a", "of", "in", "is", "was", "river", "city", "bridge", "stone", "island", "planet", "engine"),
    *("doctor", "forest", "harbor", ".", "?", ",", "1", "2", "3", "##s", "##0", "##1"),
)


def make(directory: Path) -> tuple[Path, Path]:
    """Write both; return the model's file and the data set's directory."""
    directory.mkdir(parents=True, exist_ok=True)
    model = directory / "model.onnx"
    onnx.save(network(), model)
    dataset = directory / "squad"
    dataset.mkdir(exist_ok=True)
    (dataset / "vocab.txt").write_text("".join(f"{piece}\n" for piece in vocabulary()), encoding="utf-8")
    (dataset / "dev-v1.1.json").write_text(json.dumps(questions()), encoding="utf-8")
    return model, dataset


def vocabulary() -> list[str]:
    """Return as many lines as the official vocabulary has, with the special tokens in their places."""
    lines = [f"[unused{number}]" for number in range(UNCASED.lines)]
    for piece, number in UNCASED.special:
        lines[number] = piece
    lines[1000 : 1000 + len(WORDS)] = WORDS
    return lines


def questions() -> dict[str, object]:
    """Return SQuAD's form: paragraphs of one window and of several."""
    random = np.random.default_rng(0)
    words = [word for word in WORDS if word.isalpha()]
    paragraphs = []
    for number, length in enumerate((20, 150, 600, 40, 90, 300)):
        text = " ".join(words[n] for n in random.integers(len(words), size=length))
        qas = [
            {
                "id": f"{number}-{place}",
                "question": f"where is the {words[place]} ?",
                "answers": [{"text": text.split()[place], "answer_start": 0}],
            }
            for place in range(3)
        ]
        paragraphs.append({"context": text, "qas": qas})
    return {"version": "1.1", "data": [{"title": "stand-in", "paragraphs": paragraphs}]}


def network(positions: int | None = None) -> onnx.ModelProto:
    """Return a graph of the official names and shapes: each place's logits depend on its piece, and on all others.

    With `positions` it adds a constant of so many places, so that it runs at no other length.
    """
    random = np.random.default_rng(1)
    weights = {
        "pieces": random.normal(size=(UNCASED.lines, 4)).astype(np.float32),
        "kinds": random.normal(size=(2, 4)).astype(np.float32),
        "head": random.normal(size=(4, 2)).astype(np.float32),
        "axis": np.array([1], np.int64),
        "last": np.array([2], np.int64),
        "split": np.array([1, 1], np.int64),
        **({"places": random.normal(size=(1, positions, 4)).astype(np.float32)} if positions else {}),
    }
    nodes = [
        helper.make_node("Gather", ["pieces", "input_ids"], ["embedded"]),
        helper.make_node("Gather", ["kinds", "segment_ids"], ["kind"]),
        helper.make_node("Add", ["embedded", "kind"], ["summed" if positions else "hidden"]),
        *([helper.make_node("Add", ["summed", "places"], ["hidden"])] if positions else []),
        helper.make_node("Cast", ["input_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["wide"]),
        helper.make_node("Mul", ["hidden", "wide"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "axis"], ["all"], keepdims=1),
        helper.make_node("Add", ["masked", "all"], ["mixed"]),
        helper.make_node("Tanh", ["mixed"], ["bent"]),
        helper.make_node("MatMul", ["bent", "head"], ["logits"]),
        helper.make_node("Split", ["logits", "split"], ["starts", "ends"], axis=2),
        helper.make_node("Squeeze", ["starts", "last"], ["output_start_logits"]),
        helper.make_node("Squeeze", ["ends", "last"], ["output_end_logits"]),
    ]
    shape = ["batch", SEQUENCE]
    graph = helper.make_graph(
        nodes,
        "bert",
        [
            helper.make_tensor_value_info(n, TensorProto.INT64, shape)
            for n in ("input_ids", "input_mask", "segment_ids")
        ],
        [helper.make_tensor_value_info(f"output_{n}_logits", TensorProto.FLOAT, shape) for n in ("start", "end")],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
        value_info=[helper.make_tensor_value_info("hidden", TensorProto.FLOAT, [*shape, 4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    return model

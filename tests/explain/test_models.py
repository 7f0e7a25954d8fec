"""Faults at the inputs and outputs of a model are named by asking it again."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from pytest_mlperf.explain.explanation import cause_text
from tests.explain.runs import run, scaled_input, shipped_model, swapped_channels, with_input, with_output

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.explain.conftest import Healthy

    Of = Callable[[str], Healthy]

_MEANS = np.array([0.485, 0.456, 0.406], np.float32).reshape(3, 1, 1)
_DEVIATIONS = np.array([0.229, 0.224, 0.225], np.float32).reshape(3, 1, 1)


def wants_normalised(source: Path, target: Path) -> Path:
    """The model as it is where the benchmark's inputs should be normalised: the first thing it does undoes that."""

    def nodes(name: str, to: str) -> list[Any]:
        return [
            helper.make_node("Mul", [name, "the_deviations"], ["a_product"]),
            helper.make_node("Add", ["a_product", "the_means"], [to]),
        ]

    return with_input(source, target, nodes, {"the_deviations": _DEVIATIONS, "the_means": _MEANS})


def wants_unit(source: Path, target: Path) -> Path:
    """ResNet-50 as it is where its preprocessing, less the mean grey levels, is in the model as well."""
    levels = np.array([123.68, 116.78, 103.94], np.float32).reshape(3, 1, 1)

    def nodes(name: str, to: str) -> list[Any]:
        return [
            helper.make_node("Mul", [name, "a_range"], ["a_product"]),
            helper.make_node("Sub", ["a_product", "the_levels"], [to]),
        ]

    return with_input(source, target, nodes, {"a_range": np.float32(255), "the_levels": levels})


def wants_levels(source: Path, target: Path) -> Path:
    return scaled_input(source, target, 1 / 255, 0.0)


def rows_of_yolo(matrix: Any) -> Callable[[Path, Path], Path]:
    """YOLO with other rows in its output: each is a sum of its own rows."""

    def make(source: Path, target: Path) -> Path:
        nodes = [helper.make_node("MatMul", ["a_matrix", "output0_before"], ["output0"])]
        return with_output(source, target, "output0", lambda *_: nodes, {"a_matrix": matrix.astype(np.float32)})

    return make


def corners() -> Any:
    matrix = np.eye(24)
    matrix[:4, :4] = [[1, 0, -0.5, 0], [0, 1, 0, -0.5], [1, 0, 0.5, 0], [0, 1, 0, 0.5]]
    return matrix


def exchanged_inputs(source: Path, target: Path) -> Path:
    model = onnx.load(source)
    other = {"input_mask": "segment_ids", "segment_ids": "input_mask"}
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = other.get(name, name)
    onnx.save(model, target)
    return target


def blank_first(source: Path, target: Path) -> Path:
    """RNN-T whose labels begin with the blank."""
    shutil.copytree(source, target)
    order = np.array([28, *range(28)], np.int64)
    joint, prediction = target / "joint.onnx", target / "prediction.onnx"
    gather = [helper.make_node("Gather", ["logits_before", "an_order"], ["logits"], axis=1)]
    with_output(joint, joint, "logits", lambda *_: gather, {"an_order": order})
    with_input(
        prediction,
        prediction,
        lambda name, to: [helper.make_node("Gather", ["an_order", name], [to], axis=0)],
        {"an_order": order},
    )
    return target


def constant(source: Path, target: Path) -> Path:
    return scaled_input(source, target, 0.0, 0.0)


def not_numbers(source: Path, target: Path) -> Path:
    return rows_of_yolo(np.where(np.eye(24) > 0, np.nan, 0))(source, target)


def few_bits(source: Path, target: Path) -> Path:
    """The model with weights of 3 bits."""
    model = onnx.load(source)
    for weight in model.graph.initializer:
        value = numpy_helper.to_array(weight)
        if value.dtype == np.float32 and value.ndim == 4:
            scale = np.abs(value).max(axis=(1, 2, 3), keepdims=True) / 3
            weight.CopyFrom(numpy_helper.from_array((np.round(value / scale) * scale).astype(np.float32), weight.name))
    onnx.save(model, target)
    return target


def noisy(source: Path, target: Path) -> Path:
    """The model with noise on its weights: it is worse, and no usual fault is the cause."""
    model, random = onnx.load(source), np.random.default_rng(0)
    for weight in model.graph.initializer:
        value = numpy_helper.to_array(weight)
        if value.dtype == np.float32 and value.ndim >= 2:
            changed = value * (1 + 0.3 * random.standard_normal(value.shape))
            weight.CopyFrom(numpy_helper.from_array(changed.astype(np.float32), weight.name))
    onnx.save(model, target)
    return target


OTHER = "normalisation left out or another one"
FAULTS: dict[str, tuple[str, Any, list[str]]] = {
    "resnet50, channels": ("resnet50", swapped_channels, ["channels swapped"]),
    "resnet50, normalisation": ("resnet50", wants_unit, [OTHER]),
    "resnet50, always the same": ("resnet50", constant, ["always the same answer"]),
    "retinanet, channels": ("retinanet", swapped_channels, ["channels swapped"]),
    "retinanet, normalisation": ("retinanet", wants_normalised, [OTHER, "no detections"]),
    "retinanet, grey levels": ("retinanet", wants_levels, [OTHER, "no detections"]),
    "retinanet, few bits": ("retinanet", few_bits, ["weights of few bits"]),
    "yolo, channels": ("yolo", swapped_channels, ["channels swapped"]),
    "yolo, corners": ("yolo", rows_of_yolo(corners()), ["boxes in another order"]),
    "yolo, fractions": ("yolo", rows_of_yolo(np.diag([1 / 192] * 4 + [1] * 20)), ["boxes in another scale"]),
    "yolo, not a number": ("yolo", not_numbers, ["no detections", "outputs that are not numbers"]),
    "bert, inputs": ("bert", exchanged_inputs, ["inputs exchanged"]),
    "rnnt, blank": ("rnnt", blank_first, ["labels shifted by one"]),
    "retinanet, noise": ("retinanet", noisy, []),
    "yolo, noise": ("yolo", noisy, []),
    "resnet50, noise": ("resnet50", noisy, []),
}


@pytest.mark.slow
@pytest.mark.parametrize(("task", "make", "causes"), FAULTS.values(), ids=FAULTS)
def test_a_fault_of_the_model_is_named(healthy: Of, tmp_path: Path, task: str, make: Any, causes: list[str]) -> None:
    good = healthy(task)
    model = make(shipped_model(task), tmp_path / "model.onnx")
    log = run(task, tmp_path / "run", good.dataset, model)
    found = good.explained(log, baseline=task != "resnet50")
    assert [each.name for each in found.causes] == causes, cause_text(found)
    assert found.notes == ()
    assert found.samples


@pytest.mark.slow
@pytest.mark.parametrize("task", ["retinanet", "yolo", "resnet50", "bert", "rnnt", "3d-unet"])
def test_a_quantised_model_has_no_fault(healthy: Of, tmp_path: Path, task: str) -> None:
    good = healthy(task)
    log = run(task, tmp_path / "run", good.dataset, precision="int8")
    found = good.explained(log)
    assert (found.causes, found.notes) == ((), ()), cause_text(found)

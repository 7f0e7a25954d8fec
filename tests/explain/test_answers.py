"""Faults that show in the answers are named, and only those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_mlperf.explain.explanation import cause_text, read_explanation
from pytest_mlperf.metrics.accuracy_log import Answers
from tests.explain.runs import changed_log, metric_of, write_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.explain.conftest import Healthy

    Of = Callable[[str], Healthy]


def rows(change: Any) -> Any:
    """Change the rows of detections: sample, ymin, xmin, ymax, xmax, score, label."""

    def changed(values: Any) -> Any:
        found = values.reshape(-1, 7).copy()
        change(found)
        return found.reshape(-1)

    return changed


def exchanged(found: Any) -> None:
    found[:, 1:5] = found[:, [2, 1, 4, 3]]


def sides(found: Any) -> None:
    found[:, 3:5] -= found[:, 1:3]


def centres(found: Any) -> None:
    found[:, 3:5] -= found[:, 1:3]
    found[:, 1:3] += found[:, 3:5] / 2


def fractions(found: Any) -> None:
    found[:, 1:5] /= 192


def smaller(found: Any) -> None:
    found[:, 1:5] *= 0.8


def labels(found: Any) -> None:
    found[:, 6] += 1


def far_labels(found: Any) -> None:
    found[:, 6] += 1000


def one_label(found: Any) -> None:
    found[:, 6] = 3


def next_of_yolo(found: Any) -> None:
    """The next of YOLO's classes: warm 0, cold 0, warm 1, ..."""
    digit, cold = found[:, 6] % 10, found[:, 6] >= 10
    found[:, 6] = np.where(cold, (digit + 1) % 10, found[:, 6] + 10)


FAULTS: dict[str, tuple[str, str, Any, str]] = {
    "x and y exchanged": ("retinanet", "<f4", rows(exchanged), "boxes in another order"),
    "sides for corners": ("retinanet", "<f4", rows(sides), "boxes in another order"),
    "centres for corners": ("retinanet", "<f4", rows(centres), "boxes in another order"),
    "fractions for pixels": ("retinanet", "<f4", rows(fractions), "boxes in another scale"),
    "any other scale": ("retinanet", "<f4", rows(smaller), "boxes in another scale"),
    "labels of detections": ("retinanet", "<f4", rows(labels), "labels shifted by one"),
    "labels of YOLO in its own order": (
        "yolo",
        "<f4",
        rows(next_of_yolo),
        "labels shifted by one",
    ),
    "classes": ("resnet50", "<f4", lambda values: values + 1, "labels shifted by one"),
    "logits one place late": (
        "bert",
        "<f4",
        lambda values: np.roll(values.reshape(-1, 2), 1, axis=0).reshape(-1),
        "answers shifted by one piece",
    ),
    "logits exchanged": ("bert", "<f4", lambda values: values.reshape(-1, 2)[:, ::-1].reshape(-1), "start and end"),
    "no spaces": ("rnnt", "<i8", lambda values: values[values != 0], "no spaces"),
    "letters": ("rnnt", "<i8", lambda values: (values + 1) % 28, "labels shifted by one"),
    "kidney for tumor": ("3d-unet", "u1", lambda values: np.array([0, 2, 1], np.uint8)[values], "classes in another"),
}


@pytest.mark.parametrize(("task", "dtype", "change", "cause"), FAULTS.values(), ids=FAULTS)
def test_a_fault_whose_correction_brings_the_metric_back_is_named(
    healthy: Of, tmp_path: Path, task: str, dtype: str, change: Any, cause: str
) -> None:
    run = healthy(task)
    log = run.copied(tmp_path / "run")
    changed_log(log, dtype, change)
    baseline = dtype == "<f4"  # the others are held against the reference
    found = run.explained(log, baseline=baseline)
    assert [each.name for each in found.causes if cause not in each.name] == []
    assert found.causes, cause_text(found)
    assert " in the baseline" in found.causes[0].evidence if baseline else " is the reference" in cause_text(found)
    assert found.samples
    assert all(each.before is not None for each in found.samples) == baseline
    assert len(found.samples) <= 20
    lost = [(each.before or 0.0) - each.now for each in found.samples]
    assert lost == sorted(lost, reverse=True)
    assert read_explanation(log.parent / "explanation" / "explanation.json") == found
    for sample in found.samples:
        for image in sample.images:
            assert (log.parent / "explanation" / image.file).read_bytes().startswith(b"\x89PNG")


SYMPTOMS: dict[str, tuple[str, str, Any, str]] = {
    "no detections": ("retinanet", "<f4", lambda values: values[:0], "no detections"),
    "unknown labels": ("retinanet", "<f4", rows(far_labels), "unknown classes"),
    "one label": ("yolo", "<f4", rows(one_label), "always the same answer"),
    "one class": ("resnet50", "<f4", lambda values: values * 0 + 7, "always the same answer"),
    "flat logits": ("bert", "<f4", lambda values: values * 0, "always the same answer"),
    "no text": ("rnnt", "<i8", lambda values: values[:0], "empty transcripts"),
    "one text": ("rnnt", "<i8", lambda values: np.array([1, 2, 3]), "always the same answer"),
    "all background": ("3d-unet", "u1", lambda values: values * 0, "always the same answer"),
}


@pytest.mark.parametrize(("task", "dtype", "change", "cause"), SYMPTOMS.values(), ids=SYMPTOMS)
def test_a_symptom_that_is_the_cause_is_named(
    healthy: Of, tmp_path: Path, task: str, dtype: str, change: Any, cause: str
) -> None:
    run = healthy(task)
    log = run.copied(tmp_path / "run")
    changed_log(log, dtype, change)
    (log.parent / "run.json").unlink()  # the model, which has no fault, is not asked
    found = run.explained(log)
    assert [each.name for each in found.causes] == [cause]
    assert ["were not tried with the model" in note for note in found.notes] == [True]


@pytest.mark.parametrize(("axes", "name"), [((2, 1, 0), "axes in another order"), (None, "volumes mirrored")])
def test_axes_in_another_order_and_mirrored_volumes_are_named(
    healthy: Of, tmp_path: Path, axes: Any, name: str
) -> None:
    run = healthy("3d-unet")
    log = run.copied(tmp_path / "run")
    metric = metric_of("3d-unet")
    answers = []
    for index, data in Answers(log):
        volume = np.frombuffer(data, np.uint8).reshape(metric.volumes.truth(run.dataset, index).shape)
        changed = volume.transpose(axes) if axes else volume[::-1]
        answers.append((index, np.ascontiguousarray(changed).tobytes()))
    write_log(log, answers)
    assert [each.name for each in run.explained(log).causes] == [name]


@pytest.mark.parametrize("task", ["retinanet", "yolo", "resnet50", "bert", "rnnt", "3d-unet"])
def test_a_healthy_run_has_no_cause(healthy: Of, tmp_path: Path, task: str) -> None:
    run = healthy(task)
    for baseline in (True, False):
        log = run.copied(tmp_path / f"run-{baseline}")
        found = run.explained(log, baseline=baseline)
        assert (found.causes, found.notes) == ((), ())
        assert not (baseline and found.samples)
        assert cause_text(found) == "cause: none of the usual ones explains it"

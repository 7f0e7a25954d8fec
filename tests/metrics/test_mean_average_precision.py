"""The score of a log is the reference's, whichever library computes it."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pytest_mlperf.datasets.coco import Annotations, read_annotations
from pytest_mlperf.errors import AccuracyLogError, DatasetError
from pytest_mlperf.metrics import coco_evaluation
from pytest_mlperf.metrics.accuracy_log import Answers
from pytest_mlperf.metrics.mean_average_precision import COCO_STATS, MeanAveragePrecision, Scorer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCORERS: tuple[Scorer, ...] = ("hotcoco", "pycocotools")
both = pytest.mark.parametrize("scorer", SCORERS)

# A detection in a log: ymin, xmin, ymax, xmax as fractions, score, label.
Row = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Scored:
    percent: float
    stats: tuple[float, ...]
    images: int
    detections: float


def score(log: Path, annotations: Path | Annotations, scorer: Scorer = "hotcoco") -> Scored:
    truth = read_annotations(annotations) if isinstance(annotations, Path) else annotations
    answers = Answers(log)
    values = MeanAveragePrecision(scorer).score_against(answers, truth)
    return Scored(values["mAP"], tuple(values[name] for name in COCO_STATS), answers.count, values["detections"])


def write_log(path: Path, answers: Mapping[int, Sequence[Sequence[float]]]) -> Path:
    entries = []
    for index, rows in answers.items():
        values = np.array([[index, *row] for row in rows], "<f4")
        entries.append(f'{{ "seq_id" : 0, "qsl_idx" : {index}, "data" : "{values.tobytes().hex().upper()}" }}')
    path.write_text("[\n" + ",\n".join(entries) + "\n]\n")
    return path


def write_annotations(
    path: Path, sizes: Sequence[tuple[int, int]], boxes: Sequence[tuple[int, int, Sequence[float], int]]
) -> Path:
    """Images of (width, height), with the ids 10, 11 ...; boxes as (image's index, category, xywh, crowd)."""
    content = {
        "images": [
            {"id": 10 + index, "file_name": f"{index}.jpg", "width": width, "height": height}
            for index, (width, height) in enumerate(sizes)
        ],
        "categories": [{"id": id_, "name": str(id_)} for id_ in (0, 1, 2, 5)],
        "annotations": [
            {
                "id": index + 1,
                "image_id": 10 + image,
                "category_id": category,
                "bbox": list(box),
                "area": box[2] * box[3],
                "iscrowd": crowd,
            }
            for index, (image, category, box, crowd) in enumerate(boxes)
        ],
    }
    path.write_text(json.dumps(content))
    return path


def by_reference(log: Path, annotations: Path) -> list[float]:
    """COCO's figures by pycocotools, box by box, the way accuracy-openimages.py goes about it."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        seen: dict[int, bytes] = {}
        for entry in json.loads(log.read_text()):
            seen.setdefault(entry["qsl_idx"], bytes.fromhex(entry["data"]))
        found: list[dict[str, Any]] = []
        for index, data in seen.items():
            image = truth.dataset["images"][index]
            scale = (image["height"], image["width"]) * 2
            for row in np.frombuffer(data, "<f4").reshape(-1, 7).tolist():
                top, left, bottom, right = (edge * side for edge, side in zip(row[1:5], scale, strict=True))
                box = [left, top, right - left, bottom - top]
                found.append({"image_id": image["id"], "category_id": int(row[6]), "bbox": box, "score": row[5]})
        evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluation.params.imgIds = [truth.dataset["images"][index]["id"] for index in seen]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats]


def random_case(
    folder: Path, seed: int, images: int, most_boxes: int, most_detections: int, ties: bool, crowds: float
) -> tuple[Path, Path]:
    """Boxes and detections near them or anywhere, some images without the one, the other or both."""
    random = np.random.default_rng(seed)
    sizes = [(int(width), int(height)) for width, height in random.integers(20, 400, (images, 2))]
    boxes: list[tuple[int, int, Sequence[float], int]] = []
    answers: dict[int, list[Sequence[float]]] = {}
    for index in random.permutation(images).tolist():
        corner = random.random((int(random.integers(0, most_boxes + 1)), 2)) * 0.6
        edges = np.concatenate((corner, corner + random.random(corner.shape) * 0.4), axis=1)
        labels = random.choice((0, 1, 2), len(edges))  # category 5 has no annotation
        width, height = sizes[index]
        for (left, top, right, bottom), label in zip(edges, labels, strict=True):
            xywh = [left * width, top * height, (right - left) * width, (bottom - top) * height]
            boxes.append((index, int(label), xywh, int(random.random() < crowds)))
        count = int(random.integers(0, most_detections + 1)) if random.random() < 0.8 else 0
        anywhere = random.random((count, 2)) * 0.6
        found = np.concatenate((anywhere, anywhere + random.random((count, 2)) * 0.4), axis=1)
        found_labels = random.choice((0, 1, 2, 5, 77), count)  # 77 is no category
        if len(edges):
            near = np.flatnonzero(random.random(count) < 0.8)
            which = random.integers(0, len(edges), len(near))
            blur = random.choice((0, 0.005, 0.02, 0.1), (len(near), 1))
            found[near] = edges[which] + random.normal(0, 1, (len(near), 4)) * blur
            found_labels[near] = labels[which]
        scores = np.round(random.random(count), 1 if ties else 9)
        answers[index] = np.column_stack((found[:, [1, 0, 3, 2]], scores, found_labels)).tolist()
    boxes.append((0, 0, [1, 1, 9, 9], 0))
    answers.setdefault(0, []).append([0.1, 0.1, 0.4, 0.4, 0.5, 0.0])
    return write_log(folder / "log.json", answers), write_annotations(folder / "truth.json", sizes, boxes)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    images=st.integers(1, 12),
    most_boxes=st.integers(0, 9),
    most_detections=st.integers(0, 30),
    ties=st.booleans(),
    crowds=st.sampled_from((0, 0.2, 1)),
    batch=st.sampled_from((1, 3, 500)),
)
def test_all_twelve_figures_are_the_reference_s(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    images: int,
    most_boxes: int,
    most_detections: int,
    ties: bool,
    crowds: float,
    batch: int,
) -> None:
    folder = tmp_path_factory.mktemp("case")
    log, annotations = random_case(folder, seed, images, most_boxes, most_detections, ties, crowds)
    expected = by_reference(log, annotations)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coco_evaluation, "_BATCH_IMAGES", batch)
        for scorer in SCORERS:
            assert score(log, annotations, scorer).stats == pytest.approx(expected, abs=1e-9), scorer


@pytest.mark.parametrize("seed", range(3))
def test_more_than_a_hundred_detections_of_a_category_are_cut_alike(tmp_path: Path, seed: int) -> None:
    log, annotations = random_case(tmp_path, seed, 4, 60, 600, ties=True, crowds=0.2)
    expected = by_reference(log, annotations)
    assert expected[8] > expected[7] > expected[6] > 0  # 100, 10 and 1 detections differ: the cut matters
    for scorer in SCORERS:
        assert score(log, annotations, scorer).stats == pytest.approx(expected, abs=1e-9)


PERFECT: Row = (0.25, 0.5, 0.75, 1.0, 0.9, 1)  # in an image of 80 × 40: left 40, top 10, 40 × 20
BOX = (40, 10, 40, 20)


@both
def test_perfect_detections_score_100_percent(tmp_path: Path, scorer: Scorer) -> None:
    annotations = write_annotations(tmp_path / "truth.json", [(80, 40)], [(0, 1, BOX, 0)])
    found = score(write_log(tmp_path / "log.json", {0: [PERFECT]}), annotations, scorer)
    # 800 square pixels are a small object; there is no medium or large one.
    assert found.percent == pytest.approx(100)
    assert found.stats == pytest.approx((1, 1, 1, 1, -1, -1, 1, 1, 1, 1, -1, -1))
    assert (found.images, found.detections) == (1, 1)


@both
@pytest.mark.parametrize(
    ("shift", "percent"),
    # Shifted by a share s of its width a box has an IoU of (1 - s) / (1 + s).
    [(1 / 2, 0.0), (1 / 4, 30.0), (1 / 8, 60.0), (1 / 16, 80.0), (1 / 64, 100.0)],
)
def test_a_shifted_box_counts_at_the_thresholds_that_its_overlap_reaches(
    tmp_path: Path, scorer: Scorer, shift: float, percent: float
) -> None:
    annotations = write_annotations(tmp_path / "truth.json", [(80, 40)], [(0, 1, BOX, 0)])
    top, left, bottom, right, confidence, label = PERFECT
    moved = (top, left - shift / 2, bottom, right - shift / 2, confidence, label)
    found = score(write_log(tmp_path / "log.json", {0: [moved]}), annotations, scorer)
    assert found.percent == pytest.approx(percent, abs=1e-9)


@both
def test_one_of_two_objects_found_scores_51_of_101_recall_points(tmp_path: Path, scorer: Scorer) -> None:
    boxes = [(0, 1, BOX, 0), (0, 1, (0, 0, 10, 10), 0)]
    annotations = write_annotations(tmp_path / "truth.json", [(80, 40)], boxes)
    found = score(write_log(tmp_path / "log.json", {0: [PERFECT]}), annotations, scorer)
    assert found.percent == pytest.approx(100 * 51 / 101)
    assert found.stats[8] == pytest.approx(0.5)


@both
def test_a_false_detection_with_a_higher_score_halves_the_precision(tmp_path: Path, scorer: Scorer) -> None:
    annotations = write_annotations(tmp_path / "truth.json", [(80, 40)], [(0, 1, BOX, 0)])
    log = write_log(tmp_path / "log.json", {0: [(0, 0, 0.1, 0.1, 0.95, 1), PERFECT]})
    assert score(log, annotations, scorer).percent == pytest.approx(50)


@both
def test_a_detection_in_a_crowd_is_neither_right_nor_wrong(tmp_path: Path, scorer: Scorer) -> None:
    boxes = [(0, 1, BOX, 0), (0, 1, (0, 0, 30, 30), 1)]
    annotations = write_annotations(tmp_path / "truth.json", [(80, 40)], boxes)
    log = write_log(tmp_path / "log.json", {0: [(0, 0, 0.2, 0.2, 0.95, 1), PERFECT]})
    assert score(log, annotations, scorer).percent == pytest.approx(100)


@both
def test_no_detection_at_all_is_0_percent(tmp_path: Path, scorer: Scorer) -> None:
    annotations = write_annotations(tmp_path / "truth.json", [(80, 40)] * 2, [(0, 1, BOX, 0)])
    found = score(write_log(tmp_path / "log.json", {1: [], 0: []}), annotations, scorer)
    assert found == Scored(0.0, (0, 0, 0, 0, -1, -1, 0, 0, 0, 0, -1, -1), 2, 0)


@both
@pytest.mark.parametrize("label", [264, -3, 3e38, -3e38])
def test_only_detections_of_unknown_categories_are_0_percent(tmp_path: Path, scorer: Scorer, label: float) -> None:
    annotations = write_annotations(tmp_path / "truth.json", [(80, 40)], [(0, 1, BOX, 0)])
    log = write_log(tmp_path / "log.json", {0: [(*PERFECT[:5], label)]})
    found = score(log, annotations, scorer)
    assert (found.percent, found.detections) == (0.0, 1)


@both
def test_only_images_in_the_log_are_scored(tmp_path: Path, scorer: Scorer) -> None:
    annotations = write_annotations(tmp_path / "truth.json", [(80, 40)] * 3, [(index, 1, BOX, 0) for index in range(3)])
    partial = score(write_log(tmp_path / "log.json", {2: [PERFECT]}), annotations, scorer)
    assert partial.percent == pytest.approx(100)
    assert partial.images == 1
    unanswered = score(write_log(tmp_path / "log.json", {2: [PERFECT], 1: []}), annotations, scorer)
    assert unanswered.percent == pytest.approx(100 * 51 / 101)
    assert unanswered.images == 2


@both
def test_an_annotation_numbered_0_can_be_found(tmp_path: Path, scorer: Scorer) -> None:
    truth = read_annotations(write_annotations(tmp_path / "truth.json", [(80, 40)], [(0, 1, BOX, 0)]))
    truth = replace(truth, boxes=replace(truth.boxes, ids=truth.boxes.ids - 1))
    assert score(write_log(tmp_path / "log.json", {0: [PERFECT]}), truth, scorer).percent == pytest.approx(100)


@both
def test_scoring_prints_nothing(tmp_path: Path, scorer: Scorer, capfd: pytest.CaptureFixture[str]) -> None:
    annotations = write_annotations(tmp_path / "truth.json", [(80, 40)], [(0, 1, BOX, 0)])
    score(write_log(tmp_path / "log.json", {0: [PERFECT, (*PERFECT[:5], 264)]}), annotations, scorer)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({2: [PERFECT]}, "answers sample 2"),
        ({0: [(*PERFECT[:4], float("nan"), 1)]}, "sample 0 is not a box"),
        ({0: [(float("inf"), *PERFECT[1:])]}, "sample 0 is not a box"),
        ({0: [(*PERFECT[:5], float("nan"))]}, "sample 0 is not a box"),
        ({1: [PERFECT]}, "cannot be scored"),
    ],
)
def test_a_log_that_does_not_fit_is_refused(tmp_path: Path, answers: dict[int, list[Row]], message: str) -> None:
    annotations = write_annotations(tmp_path / "truth.json", [(80, 40)] * 2, [(0, 1, BOX, 0)])
    with pytest.raises(AccuracyLogError, match=message):
        score(write_log(tmp_path / "log.json", answers), annotations)


def test_an_answer_that_names_another_sample_is_refused(tmp_path: Path) -> None:
    annotations = write_annotations(tmp_path / "truth.json", [(80, 40)] * 2, [(0, 1, BOX, 0)])
    log = write_log(tmp_path / "log.json", {0: [PERFECT], 1: [PERFECT]})
    log.write_text(log.read_text().replace('"qsl_idx" : 0', '"qsl_idx" : 1'))
    with pytest.raises(AccuracyLogError, match="sample 1 has a detection of another sample"):
        score(log, annotations)


def test_broken_annotations_are_refused(tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"truth\.json"):
        score(write_log(tmp_path / "log.json", {0: [PERFECT]}), tmp_path / "truth.json")

"""The score of YOLO's log is that of the official accuracy-coco.py, with its boxes in single precision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.benchmarks.yolo import OFFICIAL_95, OFFICIAL_99
from pytest_mlperf.datasets.coco import Annotations, Boxes, ImageInfo
from pytest_mlperf.datasets.coco_val import coco_truth
from pytest_mlperf.errors import AccuracyLogError
from pytest_mlperf.metrics.accuracy_log import Answers, Record
from pytest_mlperf.metrics.detections import read_detections
from pytest_mlperf.metrics.mean_average_precision import MeanAveragePrecision, Scorer
from pytest_mlperf.rules.reading.accuracy_text import PATTERNS
from pytest_mlperf.rules.round import find_round

if TYPE_CHECKING:
    from collections.abc import Sequence

GOLDEN = Path(__file__).parent / "golden" / "yolo"
SCORERS: tuple[Scorer, ...] = ("hotcoco", "pycocotools")
fractions = st.floats(-0.5, 1.5, width=32)


@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize("case", ["a", "b", "c"])
def test_the_line_is_the_official_scripts(case: str, scorer: Scorer) -> None:
    folder = GOLDEN / case
    assert isinstance(OFFICIAL_99.metric, MeanAveragePrecision)
    metric = OFFICIAL_99.metric.with_scorer(scorer)
    values = metric.score(Answers(folder / "mlperf_log_accuracy.json"), folder)
    line = metric.text(values)
    assert line == (folder / "accuracy.txt").read_text()
    assert PATTERNS["mAP"].search(line)


def truth(height: int, width: int) -> Annotations:
    boxes = Boxes(*(np.zeros(0, np.int64),) * 3, np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64))
    return Annotations(Path("none"), (ImageInfo(7, "a.jpg", width, height),), (1,), boxes)


@given(
    height=st.integers(1, 5000),
    width=st.integers(1, 5000),
    edges=st.lists(fractions, min_size=4, max_size=4),
)
def test_boxes_are_multiplied_and_subtracted_in_single_precision(
    height: int, width: int, edges: Sequence[float]
) -> None:
    row = np.array([0, *edges, 0.5, 18.9], np.float32)
    logged = read_detections([Record(0, row.tobytes())], truth(height, width), "float32")
    found = logged.of_images(logged.image_ids)
    # What accuracy-coco.py does with scalars of numpy, under NumPy 2, which its requirements ask for.
    top, left, bottom, right = (
        edge * np.float32(side) for edge, side in zip(row[1:5], (height, width) * 2, strict=True)
    )
    assert found.xywh.tolist() == [[float(left), float(top), float(right - left), float(bottom - top)]]
    assert (found.image_ids.tolist(), found.category_ids.tolist()) == ([7], [18])


def score(rows: Sequence[Sequence[float]], index: int = 0) -> float:
    data = np.array(rows, np.float32).tobytes()
    return OFFICIAL_99.metric.score([Record(index, data)], GOLDEN / "a")["mAP"]


@pytest.mark.parametrize("place", [1, 4, 5, 6])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_box_that_is_none_is_an_error(place: int, value: float) -> None:
    row = [0, 0.1, 0.1, 0.5, 0.5, 0.9, 1]
    row[place] = value
    with pytest.raises(AccuracyLogError, match="a detection of sample 0 is not a box"):
        score([row])


def test_answers_that_are_not_of_this_data_set_are_errors() -> None:
    with pytest.raises(AccuracyLogError, match=r"expected: samples 0 to 11.*; found: sample 12"):
        score([[12, 0, 0, 1, 1, 0.9, 1]], 12)
    with pytest.raises(AccuracyLogError, match="another sample"):
        score([[1, 0, 0, 1, 1, 0.9, 1]])
    with pytest.raises(AccuracyLogError, match="a multiple of 28 bytes"):
        OFFICIAL_99.metric.score([Record(0, bytes(27))], GOLDEN / "a")


def test_images_of_other_licences_are_not_counted_as_samples(tmp_path: Path) -> None:
    content: dict[str, Any] = json.loads((GOLDEN / "a" / "annotations" / "instances_val2017.json").read_text())
    content["licenses"].append({"id": 1, "url": "http://creativecommons.org/licenses/by-nc/2.0/"})
    content["images"].insert(0, {**content["images"][0], "id": 1, "file_name": "other.jpg", "license": 1})
    content["annotations"].append({**content["annotations"][0], "id": 999_999, "image_id": 1, "bbox": [1, 1, 9, 9]})
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_val2017.json").write_text(json.dumps(content))
    log = GOLDEN / "a" / "mlperf_log_accuracy.json"
    assert len(coco_truth(tmp_path).images) == 12
    assert OFFICIAL_99.metric.score(Answers(log), tmp_path) == OFFICIAL_99.metric.score(Answers(log), GOLDEN / "a")


@pytest.mark.parametrize("name", ["v6.0", "v6.1"])
def test_the_rounds_limits_name_this_metric(name: str) -> None:
    for benchmark in (OFFICIAL_95, OFFICIAL_99):
        rules = find_round(name).benchmarks[benchmark.official_name]
        assert [limit.value for limit in rules.limits] == [benchmark.metric.name]
        assert not benchmark.limits(500)
        assert (rules.dataset_size, benchmark.dataset.size) == (1525, None)

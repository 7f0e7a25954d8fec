"""YOLO's records are those of the official SUT; the decoding agrees with a plain loop over boxes."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.benchmarks.base import MissingFile, Remote
from pytest_mlperf.benchmarks.suppression import suppress
from pytest_mlperf.benchmarks.yolo import (
    COCO_CATEGORIES,
    OFFICIAL_95,
    OFFICIAL_99,
    SCENE_CATEGORIES,
    TINY_95,
    TINY_99,
)
from pytest_mlperf.benchmarks.yolo_decoder import Detections, YoloDecoder
from pytest_mlperf.datasets.letterbox import Letterbox
from pytest_mlperf.errors import ModelError
from tests.benchmarks.yolo_raw import raw_output
from tests.official.yolo import SIZES, make, model_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

GOLDEN = Path(__file__).parent / "golden" / "yolo"
CASES = json.loads((GOLDEN / "cases.json").read_text())


def rows(raw: NDArray[np.float32], shapes: list[tuple[int, int]], first: int = 0) -> list[NDArray[np.float32]]:
    samples = [{"shape": np.array(shape, np.int64)} for shape in shapes]
    data, offsets = OFFICIAL_99.encode([raw], samples, range(first, first + len(shapes)))
    return [np.frombuffer(data[start:end].tobytes(), "<f4").reshape(-1, 7) for start, end in pairwise(offsets)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['points']} points")
def test_records_are_byte_for_byte_the_references(case: dict[str, int]) -> None:
    raw = raw_output(case["seed"], case["points"], 80, 640)
    [found] = rows(raw, [(case["height"], case["width"])], case["index"])
    with np.load(GOLDEN / "records.npz") as records:
        expected = records[f"records{case['index']}"]
    assert len(found) == case["detections"]
    assert found.tobytes() == expected.tobytes()


def overlap(one: NDArray[np.float32], other: NDArray[np.float32]) -> np.float32:
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    width, height = np.maximum(high - low, np.float32(0))
    shared = width * height
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.float32(shared / (areas[0] + areas[1] - shared))


def one_by_one(raw: NDArray[np.float32], box: Letterbox, decoder: YoloDecoder) -> Detections:
    """Decode box after box, as the steps are described."""
    found: list[tuple[np.float32, int, NDArray[np.float32]]] = []
    for column in raw.T:
        kind = int(column[4:].argmax())
        if column[4 + kind] > np.float32(decoder.score_threshold):
            half = column[2:4] / np.float32(2)
            corners = np.concatenate((column[:2] - half, column[:2] + half))
            found.append((column[4 + kind], kind, corners))
    found.sort(key=lambda item: -item[0])
    kept: list[tuple[np.float32, int, NDArray[np.float32]]] = []
    for score, kind, corners in found:
        moved = corners + np.float32(7680 * kind)
        if all(not overlap(other + np.float32(7680 * k), moved) > np.float32(0.7) for _, k, other in kept):
            kept.append((score, kind, corners))
    kept = kept[: decoder.most]
    top, left = box.corner
    gains = np.array([box.inner[1] / box.width, box.inner[0] / box.height] * 2, np.float32)
    border = np.array([left, top, left, top], np.float32)
    sides = np.array([box.width, box.height] * 2, np.float32)
    boxes = [((corners - border) / gains).clip(0, sides) for _, _, corners in kept]
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array([score for score, _, _ in kept], np.float32),
        np.array([kind for _, kind, _ in kept], np.int64),
    )


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    points=st.integers(1, 80),
    height=st.integers(1, 900),
    width=st.integers(1, 900),
    most=st.sampled_from((1, 7, 300)),
    threshold=st.sampled_from((0.001, 0.1, 0.9)),
)
def test_decoding_is_that_of_a_plain_loop(
    seed: int, points: int, height: int, width: int, most: int, threshold: float
) -> None:
    raw = raw_output(seed, points, 20, 192)
    box, decoder = Letterbox(height, width, 192), YoloDecoder(threshold, most=most)
    [found] = decoder.decode(raw, [box])
    expected = one_by_one(raw[0], box, decoder)
    assert np.array_equal(found.boxes, expected.boxes)
    assert np.array_equal(found.scores, expected.scores)
    assert np.array_equal(found.classes, expected.classes)


def test_a_batch_is_answered_as_its_images_one_by_one() -> None:
    raw = np.concatenate([raw_output(seed, 300, 80, 640) for seed in range(4)])
    raw[2, 4:] = 0  # nothing is found there
    shapes = [(480, 640), (640, 427), (100, 100), (375, 500)]
    together = rows(raw, shapes, 5)
    assert [len(found) > 0 for found in together] == [True, True, False, True]
    for place, shape in enumerate(shapes):
        [alone] = rows(raw[place : place + 1], [shape], 5 + place)
        assert np.array_equal(together[place], alone)


def test_columns_are_index_edges_score_and_category() -> None:
    raw = np.zeros((1, 84, 2), np.float32)
    # In a square of 640 an image of 320 x 160 lies between the rows 160 and 480, twice as large.
    raw[0, :4, 0] = [320, 320, 320, 160]
    raw[0, 4 + 79, 0] = 0.5
    raw[0, :4, 1] = [0, 160, 40, 40]
    raw[0, 4 + 11, 1] = 0.75
    [found] = rows(raw, [(160, 320)], 9)
    assert found.tolist() == [
        [9, 0, 0, np.float32(10 / 160), np.float32(10 / 320), 0.75, 13],
        [9, 0.25, 0.25, 0.75, 0.75, 0.5, 90],
    ]


def test_points_without_a_number_find_nothing_and_boxes_without_one_are_left_to_the_metric() -> None:
    raw = raw_output(1, 50, 80, 640)
    raw[0, 4:, :10] = np.nan
    [found] = rows(raw, [(480, 640)])
    [without] = rows(raw[:, :, 10:], [(480, 640)])
    assert np.array_equal(found, without)
    raw[0, 0, 20] = np.nan
    raw[0, 4, 20] = 0.999
    [found] = rows(raw, [(480, 640)])
    assert np.isnan(found[0]).tolist() == [False, False, True, False, True, False, False]


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("row", range(4))
def test_a_box_without_an_end_is_none_and_does_not_disturb_the_others(row: int, value: float) -> None:
    raw = raw_output(1, 50, 80, 640)
    [expected] = rows(raw[:, :, 1:], [(480, 640)])
    raw[0, row, 0] = value
    raw[0, 4, 0] = 0.999
    [found] = rows(raw, [(480, 640)])
    assert np.isnan(found[0]).any()
    assert np.array_equal(found[1:], expected)


def test_cocos_ids_leave_ten_numbers_out() -> None:
    # COCO_80_TO_91 of yolo_loadgen.py: places from which it skips a number.
    skips = [0, 11, 24, 26, 40, 60, 61, 62, 73, 79, 80]
    assert len(COCO_CATEGORIES) == 80
    assert [COCO_CATEGORIES[place] for place in (0, 10, 11, 23, 24, 25, 26, 39, 40, 59, 60, 61, 62, 72, 73, 79)] == [
        *(1, 11, 13, 25, 27, 28, 31, 44, 46, 65, 67, 70, 72, 82, 84, 90)
    ]
    assert skips[-1] == len(COCO_CATEGORIES)
    assert sorted(SCENE_CATEGORIES) == list(range(20))


@pytest.mark.parametrize(("benchmark", "share"), [(TINY_95, 0.95), (TINY_99, 0.99)])
def test_the_tiny_editions_share_a_model_and_differ_in_their_target(benchmark: Any, share: float) -> None:
    [limit] = benchmark.limits(500)
    assert limit.minimum == pytest.approx(share * limit.reference)
    assert benchmark.models == TINY_99.models
    assert benchmark.scenarios == OFFICIAL_99.scenarios == ("Offline", "SingleStream", "MultiStream")


def test_the_official_edition_says_what_is_missing_and_never_fetches_the_weights() -> None:
    assert OFFICIAL_95.models == OFFICIAL_99.models
    model = OFFICIAL_99.models[0].source
    assert isinstance(model, MissingFile)
    assert "AGPL-3.0" in str(model)
    assert "yolo export model=yolo11l.pt format=onnx" in str(model)
    assert "give it with --model-path FILE" in str(model)
    images = OFFICIAL_99.dataset.source(1525)
    assert isinstance(images, Remote)
    assert "1,525 JPEG files and the annotations, about 501 MB" in str(images)


def test_the_stand_in_runs_in_batches_of_its_file(tmp_path: Path) -> None:
    model, data = make(tmp_path)
    samples = OFFICIAL_99.dataset.open(data, len(SIZES), "")
    one = OnnxRuntime().load(model, OFFICIAL_99.models[0], "cpu", 1, {})
    assert one.max_batch == 1
    model.write_bytes(model_bytes(batch="n"))
    many = OnnxRuntime().load(model, OFFICIAL_99.models[0], "cpu", 1, {})
    assert many.max_batch is None
    inputs = OFFICIAL_99.collate([samples[0], samples[1]])
    assert inputs.keys() == {"images"}
    assert many.run(inputs)[0].shape == (2, 84, 8400)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [((1, 84, 8400), (None, 84, 8401)), ((1, 84, 8400), (None, 85, 8400)), ((1, 84, 8400), (None, 300, 6))],
)
def test_an_output_of_another_shape_is_no_model_of_this_benchmark(
    tmp_path: Path, found: tuple[int, ...], wanted: tuple[int | None, ...]
) -> None:
    model, _ = make(tmp_path)
    file = OFFICIAL_99.models[0]
    output = replace(file.graph.outputs[0], shape=wanted)
    other = replace(file, graphs=(replace(file.graph, outputs=(output,)),))
    with pytest.raises(ModelError, match=rf"its outputs differ\n.*output0 float32\[{','.join(map(str, found))}\]"):
        OnnxRuntime().load(model, other, "cpu", 1, {})


def test_a_box_with_negative_sides_overlaps_with_nothing() -> None:
    boxes = np.array([[0, 0, 10, 10], [9, 9, 1, 1], [0, 0, 10, 10], [30, 30, 20, 40]], np.float32)
    assert suppress(boxes, np.zeros(4, np.int64), 0.5, 10).tolist() == [0, 1, 3]

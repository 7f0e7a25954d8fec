"""What a metric says of each sample is what the metric is made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.benchmarks import bert, resnet50, retinanet, rnnt, unet3d, yolo
from pytest_mlperf.datasets.coco import Annotations, Boxes
from pytest_mlperf.metrics.accuracy_log import Record
from pytest_mlperf.metrics.average_precision import Matches
from pytest_mlperf.metrics.coco_evaluation import coco_stats
from pytest_mlperf.metrics.detections import Detections
from pytest_mlperf.metrics.matching import match
from pytest_mlperf.metrics.outcomes import GivesOutcomes
from pytest_mlperf.worker.completion import ignore

if TYPE_CHECKING:
    from pytest_mlperf.benchmarks.base import Benchmark

TINY = {
    "resnet50": (resnet50.TINY, 40),
    "retinanet": (retinanet.TINY, 12),
    "yolo": (yolo.TINY_95, 12),
    "bert": (bert.TINY_99, 30),
    "rnnt": (rnnt.TINY, 8),
    "3d-unet": (unet3d.TINY_99, 3),
}


@pytest.mark.parametrize(("benchmark", "count"), TINY.values(), ids=TINY)
def test_the_outcomes_have_the_metrics_value(benchmark: Benchmark, count: int, shared_cache: Path) -> None:
    source: Any = benchmark.dataset.source(count)
    dataset = source if isinstance(source, Path) else Store(shared_cache).get(source).path
    answers = answered(benchmark, dataset, count)
    metric: Any = benchmark.metric.over(count) if hasattr(benchmark.metric, "over") else benchmark.metric
    found = metric.outcomes(iter(answers), dataset)
    assert isinstance(benchmark.metric, GivesOutcomes)
    assert found.value() == pytest.approx(metric.score(iter(answers), dataset)[metric.name], abs=1e-9)
    half = found.take(np.arange(0, len(found.ids), 2))
    assert half.ids.tolist() == found.ids[::2].tolist()


def answered(benchmark: Benchmark, dataset: Path, count: int) -> list[Record]:
    file = benchmark.model_file("onnx", "fp32", "")
    assert isinstance(file.source, Path)
    model = OnnxRuntime().load(file.source, file, "cpu", 2, {})
    plain = replace(benchmark, variant="")
    samples = benchmark.dataset.open(dataset, count, "")
    records = []
    for index in range(count):
        found = plain.answer(model, [samples[index]], [index], ignore)
        records.append(Record(index, np.asarray(found.data).tobytes()))
    return records


boxes = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(0, 2), st.integers(0, 6), st.integers(0, 6), st.integers(1, 6), st.booleans()
    ),
    min_size=1,
    max_size=14,
)


@settings(deadline=None, max_examples=60)
@given(boxes, boxes, st.randoms(use_true_random=False))
def test_map_from_matches_is_cocos(there: list[Any], seen: list[Any], random: Any) -> None:
    truth = annotated(there)
    images = np.arange(1, 5, dtype=np.int64)
    rows = np.array([row[:5] for row in seen], np.float64)
    xywh = np.column_stack([rows[:, 2], rows[:, 3], rows[:, 4], rows[:, 4]])
    scores = np.array([random.choice([0.1, 0.5, 0.5, 0.9]) for _ in seen])
    found = Detections.of(rows[:, 0].astype(np.int64) + 1, rows[:, 1].astype(np.int64) + 1, xywh, scores)
    expected = coco_stats(truth, images, found, "pycocotools")[0]
    matches = match(truth, images, found)
    value = matches.value() / 100
    assert value == pytest.approx(expected, abs=1e-9) if expected >= 0 else np.isnan(value)


def annotated(there: list[Any]) -> Annotations:
    rows = np.array([row[:5] for row in there], np.float64)
    crowd = np.array([row[5] for row in there], np.int64)
    xywh = np.column_stack([rows[:, 2], rows[:, 3], rows[:, 4], rows[:, 4]])
    ids = np.arange(1, len(there) + 1)
    images, categories = rows[:, 0].astype(np.int64) + 1, rows[:, 1].astype(np.int64) + 1
    return Annotations(
        Path("none"), (), (1, 2, 3), Boxes(ids, images, categories, xywh, xywh[:, 2] * xywh[:, 3], crowd)
    )


def test_a_part_of_the_images_has_the_map_of_that_part() -> None:
    random = np.random.default_rng(5)
    truth = annotated([(i, c, random.integers(6), random.integers(6), 3, False) for i in range(4) for c in range(3)])
    images = np.arange(1, 5, dtype=np.int64)
    number = 60
    xywh = np.column_stack([random.integers(0, 6, (number, 2)), np.full((number, 2), 3)]).astype(np.float64)
    found = Detections.of(
        random.integers(1, 5, number), random.integers(1, 4, number), xywh, random.random(number).round(1)
    )
    part = match(truth, images, found).take(np.array([0, 2]))
    assert isinstance(part, Matches)
    kept = np.isin(found.image_ids, [1, 3])
    alone = Detections.of(found.image_ids[kept], found.category_ids[kept], found.xywh[kept], found.scores[kept])
    assert part.value() == pytest.approx(100 * coco_stats(truth, np.array([1, 3]), alone, "pycocotools")[0], abs=1e-9)

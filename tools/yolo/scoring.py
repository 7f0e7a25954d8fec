"""The mean average precision of raw outputs, through the benchmark's own records and metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.benchmarks.yolo import TINY_99 as BENCHMARK
from pytest_mlperf.datasets.coco import read_annotations
from pytest_mlperf.datasets.layout import ANNOTATIONS
from pytest_mlperf.errors import AccuracyLogError
from pytest_mlperf.metrics.accuracy_log import Record
from pytest_mlperf.metrics.mean_average_precision import MeanAveragePrecision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlperf.datasets.coco import Annotations


def record(raw: NDArray[np.float32], sample: Mapping[str, NDArray[Any]], index: int) -> Record:
    """Return what the benchmark logs for the raw output [1, 24, n] of a sample."""
    return Record(index, BENCHMARK.encode([raw], [sample], [index]).data.tobytes())


def by_count(records: Sequence[Record], scenes: Path) -> list[float | None]:
    """Return the mAP in percent on the first 1, 2, 3 ... scenes; None where those have nothing to be found."""
    truth = read_annotations(scenes / ANNOTATIONS)
    return [_score(records[:count], truth) for count in range(1, len(records) + 1)]


def _score(records: Sequence[Record], truth: Annotations) -> float | None:
    try:
        return MeanAveragePrecision().score_against(records, truth)["mAP"]
    except AccuracyLogError:
        return None

"""The Dice coefficients of a network on the validation volumes, through the benchmark's own windows and metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.benchmarks.sliding_window import segment
from pytest_mlperf.benchmarks.unet3d import TINY_99
from pytest_mlperf.metrics.accuracy_log import Record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


def answer(network: Callable[[NDArray[np.float32]], NDArray[np.float32]], directory: Path, count: int) -> list[Record]:
    """Return a network's answers to the first volumes."""
    volumes = TINY_99.dataset.open(directory, count, "")
    segmented = (segment(network, [volumes[index]["input"]], TINY_99.window, 8)[0] for index in range(count))
    return [Record(index, classes.tobytes()) for index, classes in enumerate(segmented)]


def by_count(answers: list[Record], directory: Path) -> list[float]:
    """Return the mean Dice coefficient of the first 1, 2, 3 ... volumes."""
    metric = TINY_99.metric
    return [metric.score(answers[:count], directory)[metric.name] for count in range(1, len(answers) + 1)]

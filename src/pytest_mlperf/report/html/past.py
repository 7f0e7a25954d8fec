"""A case's figures in earlier sessions, with their commits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.report.html import plots

if TYPE_CHECKING:
    from datetime import datetime

    from pytest_mlperf.report.html.plot import Plot
    from pytest_mlperf.run.result import RunResult

#: The plot and the table have so many runs at most, the newest.
MOST = 60


class Point(NamedTuple):
    """A figure of an earlier run: when, at which commit (empty if unknown), and what it was."""

    time: datetime
    commit: str
    value: float


#: Returns the points of a case in a mode, the oldest first.
Series = Callable[[str, str], Sequence[Point]]


@dataclass(frozen=True)
class Past:
    """The earlier figures of one case."""

    case: str
    mode: str
    unit: str
    plot: Plot
    points: Sequence[Point]


def past(results: Sequence[RunResult], series: Series | None) -> list[Past]:
    """Return the earlier figures of the cases of a session; a case with fewer than two is left out."""
    if series is None:
        return []
    found = []
    for result in {(result.case, result.mode): result for result in results}.values():
        points = list(series(result.case, result.mode))[-MOST:]
        label = _label(result)
        if len(points) > 1 and label:
            plot = plots.history([point.value for point in points], label)
            found.append(Past(result.case, result.mode, label, plot, points[::-1]))
    return found


def _label(result: RunResult) -> str:
    if result.performance is not None:
        figures = result.performance
        return f"{figures.short}, {figures.unit}" if figures.short else figures.unit
    if result.accuracy is not None:
        return f"{result.accuracy.metric}, {result.accuracy.unit}" if result.accuracy.unit else result.accuracy.metric
    return ""

"""One stored result as a point of a series: its figure, and the conditions under which it was found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.run.case import ACCURACY

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from pytest_mlperf.run.result import RunResult

#: Verdicts of performance runs whose figure says nothing of the speed.
_NO_FIGURE = ("INVALID", "not comparable", "failed", "TEST FAIL")


class Figure(NamedTuple):
    """What is kept of a result as its number; the value is None where the run has none."""

    metric: str = ""
    unit: str = ""
    value: float | None = None


def figure_of(result: RunResult) -> Figure:
    """Return the number of a result: its metric's value, or its figure of speed."""
    if result.accuracy is not None:
        found = Figure(result.accuracy.metric, result.accuracy.unit, result.accuracy.value)
    elif result.performance is not None:
        found = Figure(result.performance.words, result.performance.unit, result.performance.value)
    else:
        return Figure()
    return found if found.value is not None and math.isfinite(found.value) else found._replace(value=None)


class Series(NamedTuple):
    """What the points of one series have in common: everything but the time, the code, the model and the versions.

    Attributes
    ----------
    project
        The project's directory.
    case, mode, test, run_length
        See `RunResult`.
    metric, unit
        Of the figure; they name the percentile and the bound of a latency.
    machine
        The fingerprint, as JSON.
    dataset_sha256
        The digest of the data: a part of it has other figures.
    """

    project: str
    case: str
    mode: str
    test: str
    run_length: str
    metric: str
    unit: str
    machine: str
    dataset_sha256: str


@dataclass(frozen=True)
class Point:
    """One stored result.

    Attributes
    ----------
    series
        Which series it belongs to.
    time
        When its session started, in UTC.
    commit
        Of the project, with a plus sign if files differed from it; empty if unknown.
    round, verdict
        See `RunResult`.
    value
        The figure in the series' unit; None for a run without one.
    model_sha256
        The digest of the model.
    versions
        Of the packages.
    """

    series: Series
    time: datetime
    commit: str
    round: str
    verdict: str
    value: float | None
    model_sha256: str
    versions: dict[str, str]

    @property
    def counts(self) -> bool:
        """Whether its value says what the others of the series say."""
        if self.value is None or self.verdict == "failed":
            return False
        return self.series.mode == ACCURACY or (self.value > 0 and self.verdict not in _NO_FIGURE)


def by_series(points: Iterable[Point]) -> dict[Series, list[Point]]:
    """Return points by their series, in the order of case, mode and test; a run without a figure joins the others.

    A failed run knows no metric and no data: it stands in each series of its case, or in one of its own.
    """
    found: dict[Series, list[Point]] = {}
    without: list[Point] = []
    for point in points:
        if point.series.metric:
            found.setdefault(point.series, []).append(point)
        else:
            without.append(point)
    for point in without:
        its = [series for series in found if series[:5] == point.series[:5] and series.machine == point.series.machine]
        for series in its or [point.series]:
            found.setdefault(series, []).append(point)
    return {series: sorted(found[series], key=lambda each: each.time) for series in sorted(found)}

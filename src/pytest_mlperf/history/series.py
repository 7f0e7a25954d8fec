"""What a series says: the change from point to point, and the steps in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

from pytest_mlperf.history.steps import LEAST, steps
from pytest_mlperf.run.case import ACCURACY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from pytest_mlperf.history.point import Point


@dataclass(frozen=True)
class FoundStep:
    """A step in a series.

    Attributes
    ----------
    point
        The first result after it.
    before, after
        The means until then and since, each as far as the next step, in the series' unit; of performance the geometric
        ones.
    count_before, count_after
        Of how many results they are.
    """

    point: Point
    before: float
    after: float
    count_before: int
    count_after: int

    @property
    def change(self) -> float:
        """See `change`."""
        return change(self.point, self.before, self.after)


def change(point: Point, before: float, after: float) -> float:
    """Return a change of the figure: of performance in percent, of accuracy the difference in the metric's unit."""
    return after - before if point.series.mode == ACCURACY else 100 * (after / before - 1)


def changes(points: Sequence[Point]) -> list[float | None]:
    """Return each point's change from the one before it; None where one of both does not count."""
    found: list[float | None] = []
    last: float | None = None
    for point in points:
        if not point.counts or point.value is None:
            found.append(None)
            continue
        found.append(change(point, last, point.value) if last is not None else None)
        last = point.value
    return found


def _of_sessions(points: Sequence[Point]) -> Iterator[Point]:
    """Yield a point for each session with points that count: the first one with the median of their values."""
    sessions: dict[datetime, list[Point]] = {}
    for point in points:
        if point.counts:
            sessions.setdefault(point.time, []).append(point)
    for found in sessions.values():
        yield replace(found[0], value=median(point.value or 0.0 for point in found))


def steps_of(points: Sequence[Point]) -> list[FoundStep]:
    """Return the steps in the points of one series, in the order of time; what does not count is left out.

    Repeated runs of one session are one point, their median: what they have in common is no evidence of a step.
    """
    counting = list(_of_sessions(points))
    if len(counting) < 2 * LEAST:
        return []
    rate = counting[0].series.mode != ACCURACY
    values = [point.value or 0.0 for point in counting]
    return [
        FoundStep(
            point=counting[step.at],
            before=math.exp(step.before) if rate else step.before,
            after=math.exp(step.after) if rate else step.after,
            count_before=step.count_before,
            count_after=step.count_after,
        )
        for step in steps([math.log(value) for value in values] if rate else values)
    ]

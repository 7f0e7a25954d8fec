"""How results stand to a baseline, each with its interval drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlperf.report.row import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.gate.comparison import Comparison
    from pytest_mlperf.run.result import RunResult

INTERVAL_WIDTH = 150
_MARGIN = 6.0


@dataclass(frozen=True)
class Interval:
    """An interval as drawn: where its ends, its middle, 0 and what is allowed stand."""

    low: float
    middle: float
    high: float
    zero: float
    allowed: float
    alt: str


@dataclass(frozen=True)
class Compared:
    """One comparison.

    Attributes
    ----------
    number, result, comparison
        The run's number in the session, the run, and its comparison.
    drop, bounds
        In words; a dash where nothing can be said.
    interval
        None where nothing can be said.
    """

    number: int
    result: RunResult
    comparison: Comparison
    drop: str
    bounds: str
    interval: Interval | None

    @property
    def figure(self) -> str:
        """What is compared, with its unit where the name does not say it: ``samples per second`` does."""
        figure, unit = self.comparison.figure, self.comparison.unit
        return figure if not unit or unit.endswith("/s") else f"{figure}, {unit}"


def compared(results: Sequence[RunResult]) -> list[Compared]:
    """Return the comparisons of the runs that have one."""
    return [
        _compared(place, result, result.comparison)
        for place, result in enumerate(results)
        if result.comparison is not None
    ]


def _compared(place: int, result: RunResult, comparison: Comparison) -> Compared:
    unit = "% slower" if result.performance is not None else "points" if comparison.unit == "%" else comparison.unit
    drop = "–" if comparison.drop is None else f"{signed(comparison.drop)} {unit}".strip()
    if comparison.lower is None or comparison.upper is None or comparison.drop is None:
        return Compared(place, result, comparison, drop, "–", None)
    bounds = f"{signed(comparison.lower)} to {signed(comparison.upper)}"
    return Compared(place, result, comparison, drop, bounds, _interval(comparison, bounds))


def _interval(comparison: Comparison, bounds: str) -> Interval | None:
    lower, upper, drop = comparison.lower, comparison.upper, comparison.drop
    if lower is None or upper is None or drop is None or not all(map(math.isfinite, (lower, upper, drop))):
        return None
    low = min(lower, 0.0, comparison.allowed)
    high = max(upper, 0.0, comparison.allowed)
    width = (high - low) or 1.0

    def at(value: float) -> float:
        return round(_MARGIN + (value - low) / width * (INTERVAL_WIDTH - 2 * _MARGIN), 1)

    alt = f"a drop of {signed(drop)}, {bounds} on all data; {number(comparison.allowed)} is allowed"
    return Interval(at(lower), at(drop), at(upper), at(0.0), at(comparison.allowed), alt)


def signed(value: float) -> str:
    """Return a number with its sign, a minus of the right length among them."""
    if not math.isfinite(value):
        return "unknown"
    return "0" if not value else f"{value:+.3g}".replace("-", "−")

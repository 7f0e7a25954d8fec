"""The axes of a plot: where a value stands on paper, and which values are written beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Steps between ticks, times a power of ten.
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
#: Values that lie further apart than this factor are drawn on a logarithmic scale.
_WIDE = 30.0


class Tick(NamedTuple):
    """A value that is written beside an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Axis:
    """An axis from `low` to `high`, drawn from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Return where a value stands; what lies beyond the axis stands at its end."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        part = (self._scaled(value) - low) / (high - low)
        return round(self.start + min(1.0, max(0.0, part)) * (self.end - self.start), 1)

    def _scaled(self, value: float) -> float:
        return math.log10(max(value, self.low)) if self.logarithmic else value

    def ticks(self, count: int = 4) -> list[Tick]:
        """Return about so many round values."""
        values = _powers(self.low, self.high) if self.logarithmic else _round_values(self.low, self.high, count)
        step = values[1] - values[0] if len(values) > 1 else values[0] if values else 1.0
        return [Tick(self.at(value), _written(value, value if self.logarithmic else step)) for value in values]


def from_zero(values: Iterable[float], start: float, end: float) -> Axis:
    """Return an axis from 0 to a round value that holds all values."""
    high = max((value for value in values if math.isfinite(value)), default=1.0)
    if high <= 0:
        high = 1.0
    step = _step(high / 4)
    return Axis(0.0, step * math.ceil(high / step - 1e-9), start, end)


def around(values: Iterable[float], start: float, end: float) -> Axis:
    """Return an axis between round values around all values; it need not have 0."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    if high == low:
        low, high = low - abs(low) * 0.05 - 1e-9, high + abs(high) * 0.05 + 1e-9
    step = _step((high - low) / 3)
    return Axis(step * math.floor(low / step + 1e-9), step * math.ceil(high / step - 1e-9), start, end)


def for_latencies(values: Iterable[float], start: float, end: float) -> Axis:
    """Return an axis from 0, or a logarithmic one where the values are far apart."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    if low <= 0 or high / low < _WIDE:
        return from_zero(finite, start, end)
    bounds = 10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high))
    return Axis(bounds[0], bounds[1], start, end, logarithmic=True)


def _step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in _STEPS if step * power >= rough * (1 - 1e-9))


def _round_values(low: float, high: float, count: int) -> list[float]:
    step = _step((high - low) / count)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _powers(low: float, high: float) -> list[float]:
    first, last = round(math.log10(low)), round(math.log10(high))
    every = max(1, (last - first) // 4)
    return [10.0**power for power in range(first, last + 1, every)]


def _written(value: float, step: float) -> str:
    """Return a tick with the digits that its step has."""
    if not value:
        return "0"
    digits = max(0, -math.floor(math.log10(abs(step)) + 1e-9))
    if not math.isclose(step * 10**digits, round(step * 10**digits), rel_tol=1e-6):
        digits += 1  # 2.5 has one digit more than its power of ten
    if abs(value) >= 1e6 or digits > 5:
        places = math.floor(math.log10(abs(value))) - math.floor(math.log10(abs(step)) + 1e-9)
        return f"{value:.{max(3, places + 2)}g}"
    return f"{value:,.{digits}f}"

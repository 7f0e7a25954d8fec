"""The search for the highest rate at which a Server run is VALID; it knows neither LoadGen nor processes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pytest_mlperf.run.peak_curve import Point, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.run.peak_curve import Curve

#: Short probes close in on the peak until it is between rates that differ by this factor; at most so many.
CLOSE = 1.12
MOST_SHORT = 8
#: Full probes around it then measure how steep and how noisy it is: so many, until no more than LOSS is given away.
LEAST_FULL, MOST_FULL = 5, 9
LOSS = 0.025
#: Where the full probes lie around the middle, in turn: on both sides, the sure one more often.
_OFFSETS = (-0.015, 0.008, -0.008, 0.0, -0.02, 0.008, -0.015, 0.0, 0.0)
#: A run that answers less than this part of what is offered does not keep up: its throughput is what the system can do.
_KEEPS_UP = 0.96
_BELOW_THROUGHPUT = 0.93
#: The next short probe lies the further away the further the latency is from its bound.
_STRIDE, _LEAST_STRIDE, _LARGEST_STRIDE = 0.35, 1.04, 2.0
#: The excess that is assumed where only the side is known, and the least that is.
_UNKNOWN, _LEAST = 2.0, 0.02
#: If a part of the rate is late by the same time, it is not the rate.
_PART, _SAME = 0.5, 0.05
#: However noisy the probes were, no more than this is given away.
MOST_LOSS = 0.15
#: The step down after a run at the chosen rate that was late.
STEP = 0.03


class Probing(Protocol):
    """Makes a probe."""

    def __call__(self, rate: float, *, full: bool) -> Point:
        """Run at a rate, as long as the runs that are to be VALID or shorter, and say what came of it."""
        ...


@dataclass
class Search:
    """A search for the peak.

    Attributes
    ----------
    probing
        Makes a probe.
    steadier
        The noise of the run that is to be VALID as a part of that of a full probe, which may be shorter.
    points
        What the probes said so far.
    """

    probing: Probing
    steadier: float = 1.0
    points: list[Point] = field(default_factory=list)

    @property
    def is_hopeless(self) -> bool:
        """Whether no rate is valid: the system takes longer than the bound even when little is asked of it.

        That is so if all probes were late, and either there were many, or the fastest answer was late, or a much lower
        rate changed nothing.
        """
        if any(not point.late for point in self.points):
            return False
        last = self.points[-1]
        more = [point for point in self.points if point.kept_up >= _KEEPS_UP and last.rate <= _PART * point.rate]
        alike = last.excess is not None and any(_excess(point) - _excess(last) < _SAME for point in more)
        return alike or len(self.points) >= MOST_SHORT or any(point.hopeless for point in self.points)

    def find(self, first: Point) -> float:
        """Return the rate to confirm: the highest at which a run is VALID with the probability `SURE`.

        If no rate is valid, it is the lowest that was tried.

        Parameters
        ----------
        first
            What the first probe said.
        """
        self.points.append(first)
        around = self._close()
        if self.is_hopeless:
            return min(point.rate for point in self.points)
        return self._chosen(self._measured(around))

    def below(self, failed: Point) -> float:
        """Return the next rate to confirm, after a run that was late."""
        self.points.append(failed)
        return min(self._chosen(self._fit(failed.rate)), failed.rate * (1 - STEP))

    @property
    def middle(self) -> float:
        """The rate at which half of the runs are VALID, as far as is known."""
        return self._fit(self.points[-1].rate).middle

    @property
    def is_open(self) -> bool:
        """Whether no rate that was tried in full length is too high: short probes may have been disturbed."""
        return not any(point.late for point in self._full or self.points)

    def _chosen(self, curve: Curve) -> float:
        if self.is_open:
            return max(point.rate for point in self._full or self.points)
        return max(curve.sure(self.steadier), curve.middle * (1 - MOST_LOSS))

    def _probe(self, rate: float, *, full: bool) -> None:
        self.points.append(self.probing(rate, full=full))

    def _close(self) -> float:
        """Probe until the peak is between two rates that are close; return the likeliest between them."""
        while len(self.points) < MOST_SHORT and not self.is_hopeless:
            low, high = _sides(self.points)
            if low and high and high.rate / low.rate <= CLOSE:
                break
            self._probe(_next(self.points, _LARGEST_STRIDE), full=False)
        return _next(self.points, CLOSE)

    def _measured(self, rate: float) -> Curve:
        """Probe around the peak, beginning at a rate near it, until it is known well enough."""
        for made in range(MOST_FULL):
            self._probe(rate, full=True)
            curve = self._fit(rate)
            if made + 1 >= LEAST_FULL and curve.sure(self.steadier) >= curve.middle * (1 - LOSS):
                break
            low, high = _sides(self._full)
            # The peak of full probes may lie beside that of short ones.
            rate = curve.middle * (1 + _OFFSETS[made]) if low and high else _next(self._full, CLOSE)
        return curve

    @property
    def _full(self) -> list[Point]:
        return [point for point in self.points if point.full]

    def _fit(self, around: float) -> Curve:
        """Return the curve by the full probes: the boundary of a shorter run may lie far from theirs."""
        curve = fit(self._full, around)
        return fit(self._full, curve.middle) if abs(math.log(curve.middle / around)) > STEP else curve


def _sides(points: Sequence[Point]) -> tuple[Point | None, Point | None]:
    """Return the highest rate that was in time, and the lowest late one above it."""
    low = max((point for point in points if not point.late), key=lambda point: point.rate, default=None)
    above = [point for point in points if point.late and (low is None or point.rate > low.rate)]
    return low, min(above, key=lambda point: point.rate, default=None)


def _next(points: Sequence[Point], largest: float) -> float:
    """Return the rate that is likeliest to be the peak, by some probes; below all of them at most by a factor.

    Above them it may be far away: a probe in time is no accident.
    """
    low, high = _sides(points)
    if low is not None and high is not None:
        return _between(low, high)
    if low is not None:
        return low.rate * min(_LARGEST_STRIDE, max(_LEAST_STRIDE, math.exp(-_STRIDE * _excess(low))))
    if high is None:
        raise ValueError("there is no probe yet")
    if high.kept_up < _KEEPS_UP:
        return high.rate * max(_BELOW_THROUGHPUT * high.kept_up, 1 / _LARGEST_STRIDE**4)
    return high.rate / min(largest, max(_LEAST_STRIDE, math.exp(_STRIDE * _excess(high))))


def _between(low: Point, high: Point) -> float:
    """Return where the peak is between two rates: the reciprocal of a queue's latency falls about straight."""
    above, below = math.exp(-_excess(low)), math.exp(-_excess(high))
    part = 0.5 if low.excess is None else (above - 1) / (above - below)
    return low.rate + (high.rate - low.rate) * min(0.85, max(0.15, part))


def _excess(point: Point) -> float:
    """Return a point's excess; where only the side is known, one that is clear but not far."""
    excess = abs(_UNKNOWN if point.excess is None else point.excess)
    return max(excess, _LEAST) if point.late else -max(excess, _LEAST)

"""Where the highest valid rate of a Server run is, and how certainly: what a few probes around it tell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

#: The probability of VALID that a chosen rate has. A fit to a handful of probes is a little too certain, so this is
#: more than the 0.99 that is promised.
SURE = 0.993
#: So near to the bound, the logarithm of the latency is taken for a straight line over that of the rate; further away,
#: only the side counts.
NEAR = 0.4
#: The line bends: so much of the excess may be due to that alone.
_BEND = 0.4
#: The share of runs that something else on the machine disturbs; they are late, and say nothing of the rate.
_DISTURBED = 0.03
#: How probable the outcome of a disturbed run is: a latency near the bound, late, and in time after all.
_NEAR_WHEN_DISTURBED, _LATE_WHEN_DISTURBED, _IN_TIME_WHEN_DISTURBED = 0.3, 0.6, 0.05
#: The logarithms of the rates that are looked at, and their distance.
_AROUND, _STEP = 0.3, 0.0015
#: The noise of a machine, as a part of the rate: from that of a sleeping system on an idle one to a busy one's.
_LEAST_NOISE, _MOST_NOISE, _NOISES = 0.003, 0.06, 8
#: Above this, a noise twice as large is half as probable before anything is known.
_USUAL_NOISE = 0.01
#: How much faster than the rate the latency grows: from a shallow queue to a cliff.
_LEAST_SLOPE, _MOST_SLOPE, _SLOPES = 1.0, 128.0, 8


@dataclass(frozen=True)
class Point:
    """What a probe says of the peak.

    Attributes
    ----------
    rate
        The rate that was offered, in queries per second.
    late
        Whether more queries were late than a valid run may have.
    excess
        The logarithm of the latency that decides, over its bound; None if only the side is known.
    kept_up
        The part of the offered rate that was answered while the run lasted; about 1 for a system that keeps up.
    full
        Whether it was long enough to be compared with the runs that are to be VALID.
    hopeless
        Whether even the fastest answer was late.
    """

    rate: float
    late: bool
    excess: float | None = None
    kept_up: float = 1.0
    full: bool = True
    hopeless: bool = False


@dataclass(frozen=True)
class Curve:
    """Where the peak may be: boundaries, as logarithms of rates, and noises, with the weight of each pair."""

    boundaries: NDArray[np.float64]
    noises: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def middle(self) -> float:
        """The rate at which a run is as likely VALID as not."""
        return math.exp(float(self.boundaries @ self.weights.sum(axis=1)))

    def chance(self, rate: float, steadier: float = 1.0) -> float:
        """Return the probability that an undisturbed run at a rate is VALID.

        Parameters
        ----------
        rate
            The rate, in queries per second.
        steadier
            The noise of such a run, as a part of that of the probes.
        """
        scaled = (self.boundaries[:, None] - math.log(rate)) / (steadier * self.noises[None, :])
        return float((self.weights * _below(scaled)).sum())

    def sure(self, steadier: float = 1.0) -> float:
        """Return the highest rate at which a run is VALID with the probability `SURE`."""
        low, high = float(self.boundaries[0]) - 1.0, float(self.boundaries[-1])
        while high - low > _STEP / 10:
            middle = (low + high) / 2
            low, high = (middle, high) if self.chance(math.exp(middle), steadier) >= SURE else (low, middle)
        return math.exp(low)


def fit(points: Sequence[Point], around: float) -> Curve:
    """Return where the peak may be after some probes.

    Each run has a boundary of its own: the rate up to which it would have been VALID. These scatter around the peak by
    the noise of the machine, which is not known either. Near the peak a run's latency says how far its boundary was;
    elsewhere only the side counts. Every peak, noise and slope is weighed by how well it explains the probes, so few
    probes, or probes that disagree, leave a wide curve.

    Parameters
    ----------
    points
        The probes.
    around
        A rate near the peak.
    """
    import numpy as np

    boundaries = np.arange(math.log(around) - _AROUND, math.log(around) + _AROUND, _STEP)
    noises = np.geomspace(_LEAST_NOISE, _MOST_NOISE, _NOISES)
    slopes = np.geomspace(_LEAST_SLOPE, _MOST_SLOPE, _SLOPES)
    logs = np.zeros((len(boundaries), _NOISES, _SLOPES))
    logs -= np.log(np.maximum(1.0, noises / _USUAL_NOISE))[None, :, None]
    for point in points:
        logs += np.log(_likelihood(point, boundaries[:, None, None], noises[None, :, None], slopes[None, None, :]))
    weights = np.exp(logs - logs.max()).sum(axis=2)
    return Curve(boundaries, noises, weights / weights.sum())


def _likelihood(
    point: Point, boundary: NDArray[np.float64], noise: NDArray[np.float64], slope: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how probable the outcome of a probe is, by boundary, noise and slope."""
    import numpy as np

    middle = slope * (math.log(point.rate) - boundary)
    if point.excess is not None and abs(point.excess) <= NEAR:
        scale = np.hypot(slope * noise, _BEND * point.excess)
        expected = np.exp(-0.5 * ((point.excess - middle) / scale) ** 2) / (scale * math.sqrt(2 * math.pi))
        disturbed = _NEAR_WHEN_DISTURBED if point.late else _IN_TIME_WHEN_DISTURBED
    else:
        edge = 0.0 if point.excess is None else math.copysign(NEAR, point.excess)
        beyond = _below((middle - edge) / (slope * noise))
        expected = beyond if point.late else 1 - beyond
        disturbed = _LATE_WHEN_DISTURBED if point.late else _IN_TIME_WHEN_DISTURBED
    probable: NDArray[np.float64] = (1 - _DISTURBED) * expected + _DISTURBED * disturbed
    return probable


def _below(scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of less under the standard normal distribution, within 2e-4."""
    import numpy as np

    x = np.clip(scaled, -8, 8)
    below: NDArray[np.float64] = 1 / (1 + np.exp(-1.5976 * x - 0.07056 * x**3))
    return below

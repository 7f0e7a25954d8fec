"""How much slower a model is than another, from bursts of calls of both that take turns in one process."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlperf.gate.verdict import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray


#: Rounds of a comparison. On the noise of a busy machine (tests/gate/speed_noise.npy) 5 % are found in 99 of 100 cases
#: with 20, and in 83 with 10; ALPHA is half of what a session allows, since bursts are not quite independent.
ROUNDS, ALPHA = 20, 0.005


def slowdown(baseline: NDArray[np.float64], current: NDArray[np.float64], alpha: float) -> Estimate:
    """Return by how many percent the current model is slower.

    Bursts of one round are neighbours in time, so that what the machine did meanwhile cancels: the logarithms of their
    ratios are treated as a t sample. What disturbs a call only ever makes it longer; so a burst counts by its fastest
    call.

    Parameters
    ----------
    baseline, current
        ``float64[rounds]``, the fastest call of each round's burst, in seconds.
    alpha
        See `Estimate`.

    Returns
    -------
    Estimate
        In percent of the baseline's time. ``spread`` is that of a round, in percent.
    """
    from scipy import special  # the environment of a backend, whose worker reads `ROUNDS`, may not have it

    logs = np.log(current / baseline)
    rounds, middle = len(logs), float(logs.mean())
    if rounds < 2:
        return Estimate(_percent(middle), -100.0, math.inf, alpha, "one round", rounds, math.inf)
    spread = float(logs.std(ddof=1))
    margin = float(special.stdtrit(rounds - 1, 1 - alpha)) * spread / math.sqrt(rounds)
    return Estimate(
        drop=_percent(middle),
        lower=_percent(middle - margin),
        upper=_percent(middle + margin),
        alpha=alpha,
        method=f"ratios of the fastest calls in {rounds} rounds",
        samples=rounds,
        spread=100 * spread,
    )


def detectable(spread: float, rounds: int, alpha: float) -> float:
    """Return the least slowdown in percent that so many rounds find in nine of ten cases, by the spread of a round."""
    from scipy import special

    factor = float(special.stdtrit(rounds - 1, 1 - alpha)) + float(special.ndtri(0.9))
    return _percent(factor * spread / 100 / math.sqrt(rounds))


def _percent(log_ratio: float) -> float:
    return 100 * math.expm1(log_ratio)

"""How much a metric dropped between two runs on the same samples: one function for each kind of metric."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from pytest_mlperf.gate.verdict import Estimate
from pytest_mlperf.metrics.average_precision import Matches
from pytest_mlperf.metrics.outcomes import Errors, Right, Scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlperf.metrics.outcomes import Outcomes

#: Below so many samples a rank test has more power than a t test where the differences have heavy tails.
FEW = 100
#: Groups of the jackknife, and resamples of the bootstrap.
GROUPS, RESAMPLES = 25, 4000
_SEED = 1


def estimate(baseline: Outcomes, current: Outcomes, alpha: float) -> Estimate:
    """Return how much a metric dropped, from the outcomes of the same samples in the same order.

    Raises
    ------
    TypeError
        They are of different metrics.
    """
    if isinstance(baseline, Right) and isinstance(current, Right):
        return proportion(baseline, current, alpha)
    if isinstance(baseline, Scores) and isinstance(current, Scores):
        return mean(baseline, current, alpha)
    if isinstance(baseline, Errors) and isinstance(current, Errors):
        return rate(baseline, current, alpha)
    if isinstance(baseline, Matches) and isinstance(current, Matches):
        return average_precision(baseline, current, alpha)
    raise TypeError(f"{type(baseline).__name__} cannot be compared with {type(current).__name__}")


def proportion(baseline: Right, current: Right, alpha: float) -> Estimate:
    """Compare what is right, in percentage points.

    Only the samples tell that were right once and wrong once. A drop above 0 is certain where McNemar's test with the
    mid-p value says so (Fagerland, Lydersen and Laake 2013); the bounds are those of Tango's score interval (Tango
    1998), the lower one not above 0 where that test is not certain.
    """
    lost = int(np.count_nonzero(baseline.right & ~current.right))
    won = int(np.count_nonzero(~baseline.right & current.right))
    samples = len(baseline.right)
    lower, upper = (100 * _tango(lost, won, samples, alpha, side) for side in (-1, 1))
    if _mid_p(lost, won) > alpha:
        lower = min(lower, 0.0)
    if _mid_p(won, lost) > alpha:
        upper = max(upper, 0.0)
    share = (lost - won) / samples
    return Estimate(
        drop=100 * share,
        lower=lower,
        upper=upper,
        alpha=alpha,
        method=f"McNemar's test and Tango's interval: {lost} lost, {won} won",
        samples=samples,
        spread=100 * math.sqrt(max((lost + won) / samples - share**2, 0.0)),
    )


def mean(baseline: Scores, current: Scores, alpha: float) -> Estimate:
    """Compare means of scores, in the metric's unit: a paired t test; with few samples Wilcoxon's test as well.

    A drop is certain where one of both says so at half of `alpha`. Wilcoxon's bound is that of Hodges and Lehmann.
    """
    differences = baseline.scores - current.scores
    samples, drop = len(differences), float(differences.mean())
    spread = float(differences.std(ddof=1)) if samples > 1 else math.inf
    few = samples < FEW
    error = spread / math.sqrt(samples)

    def bound(part: float) -> float:
        return float(special.stdtrit(samples - 1, 1 - part)) * error if samples > 1 else math.inf

    lower, upper = drop - bound(alpha / 2 if few else alpha), drop + bound(alpha)
    method = "paired t test"
    if few and samples > 1:
        lower = max(lower, _hodges_lehmann(differences, alpha / 2))
        method = "paired t test and Wilcoxon's signed-rank test"
    return Estimate(drop, lower, upper, alpha, method, samples, spread)


def rate(baseline: Errors, current: Errors, alpha: float) -> Estimate:
    """Compare rates of errors, in percentage points: a bootstrap over samples (Bisani and Ney 2004)."""
    more, words = current.errors - baseline.errors, baseline.words
    samples, total = len(words), float(words.sum())
    drop = 100 * float(more.sum()) / total
    random = np.random.default_rng(_SEED)
    found = np.empty(RESAMPLES)
    for number in range(RESAMPLES):
        rows = random.integers(0, samples, samples)
        found[number] = 100 * more[rows].sum() / max(1, words[rows].sum())
    lower, upper = np.quantile(found, (alpha, 1 - alpha))
    # What each utterance adds to the rate, with the rate's own change taken off: its variance is that of the rate.
    parts = 100 * (more - drop / 100 * words) / (total / samples)
    return Estimate(
        drop, float(lower), float(upper), alpha, f"bootstrap over {samples} samples", samples, float(parts.std(ddof=1))
    )


def average_precision(baseline: Matches, current: Matches, alpha: float) -> Estimate:
    """Compare mAP, in percentage points: a jackknife that leaves out one of 25 groups of images at a time.

    mAP is no mean over images; the differences of all groups but one are treated as a t variate with 24 degrees of
    freedom (Efron and Tibshirani 1993, 11.5 for groups).
    """
    samples = len(baseline.ids)
    groups = min(GROUPS, samples)
    drop = baseline.value() - current.value()
    if groups < 2:
        return Estimate(drop, -math.inf, math.inf, alpha, "one image", samples, math.inf)
    left = np.array([_without(baseline, group, groups) - _without(current, group, groups) for group in range(groups)])
    error = math.sqrt((groups - 1) / groups * float(((left - left.mean()) ** 2).sum()))
    margin = float(special.stdtrit(groups - 1, 1 - alpha)) * error
    return Estimate(
        drop,
        drop - margin,
        drop + margin,
        alpha,
        f"jackknife over {groups} groups of images",
        samples,
        error * math.sqrt(samples),
    )


def _without(matches: Matches, group: int, groups: int) -> float:
    """Return mAP without every `groups`-th image, from number `group`."""
    return matches.take(np.flatnonzero(np.arange(len(matches.ids)) % groups != group)).value()


def _mid_p(lost: int, won: int) -> float:
    """Return the probability of so many losses or more among equally likely ones, with half that of so many."""
    both = lost + won
    return float(special.bdtrc(lost, both, 0.5)) + math.comb(both, lost) / 2 ** (both + 1) if both else 1.0


def _tango(lost: int, won: int, samples: int, alpha: float, side: int) -> float:
    """Return a bound of the difference of paired proportions: where Tango's score is that of `alpha`."""
    critical = float(special.ndtri(1 - alpha))

    def score(difference: float) -> float:
        linear = -lost - won + (2 * samples - lost + won) * difference
        last = -won * difference * (1 - difference)
        square = max(linear**2 - 8 * samples * last, 0.0)
        least = (math.sqrt(square) - linear) / (4 * samples)
        variance = samples * (2 * least + difference * (1 - difference))
        distance = lost - won - samples * difference
        if variance <= 0:
            return math.copysign(math.inf, distance) if distance else 0.0
        return distance / math.sqrt(variance)

    low, high = (-1.0, (lost - won) / samples) if side < 0 else ((lost - won) / samples, 1.0)
    for _ in range(60):  # the score falls as the difference grows
        middle = (low + high) / 2
        above = score(middle) > (critical if side < 0 else -critical)
        low, high = (middle, high) if above else (low, middle)
    return (low + high) / 2


def _hodges_lehmann(differences: NDArray[np.float64], alpha: float) -> float:
    """Return the lower bound of the location of differences that Wilcoxon's signed-rank test does not refuse."""
    count = len(differences)
    first, second = np.triu_indices(count)
    averages = np.sort((differences[first] + differences[second]) / 2)
    middle = count * (count + 1) / 4
    deviation = math.sqrt(count * (count + 1) * (2 * count + 1) / 24)
    place = math.floor(middle - float(special.ndtri(1 - alpha)) * deviation)
    return float(averages[place - 1]) if place >= 1 else -math.inf

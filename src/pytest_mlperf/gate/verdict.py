"""The verdict of a comparison: worse, not worse or undecided, from an interval and what is allowed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["same", "worse", "not worse", "undecided"]
#: The share of comparisons without a change that may be called worse.
ALPHA = 0.01
#: The power at which `Estimate.needed` counts: a drop of the size that was seen would be found so often.
POWER = 0.9


@dataclass(frozen=True)
class Estimate:
    """How much a figure dropped, on these samples and, as far as these tell, on all data.

    Attributes
    ----------
    drop
        On these samples, exactly: the baseline's figure minus the current one; above 0 is worse.
    lower, upper
        One-sided bounds for all data: the drop is below `lower`, or above `upper`, with probability `alpha` each.
    alpha
        See `lower`.
    method
        How the bounds were found, in words.
    samples
        How many samples both runs have.
    spread
        The standard deviation of what one sample contributes, so that ``spread / sqrt(samples)`` is the standard error.
    """

    drop: float
    lower: float
    upper: float
    alpha: float
    method: str
    samples: int
    spread: float

    def verdict(self, allowed: float) -> Verdict:
        """Return what is known of a drop by more than `allowed`."""
        if self.lower > allowed:
            return "worse"
        return "not worse" if self.upper <= allowed else "undecided"

    def needed(self, allowed: float) -> int | None:
        """Return how many samples would tell a drop of this size from an allowed one; None where they are equal.

        With a standard error ``spread / sqrt(n)``, a bound at `alpha` and a power of `POWER` need
        ``n = ((z_alpha + z_power) * spread / distance)**2`` (Chow, Shao and Wang, Sample Size Calculations, 3.1).
        """
        distance = abs(self.drop - allowed)
        if distance == 0 or not math.isfinite(self.spread):
            return None
        from statistics import NormalDist

        z = NormalDist().inv_cdf(1 - self.alpha) + NormalDist().inv_cdf(POWER)
        return math.ceil((z * self.spread / distance) ** 2)


def corrected(comparisons: int, alpha: float = ALPHA) -> float:
    """Return the share for each of several comparisons, so that `alpha` is that of a session (Bonferroni)."""
    return alpha / max(1, comparisons)

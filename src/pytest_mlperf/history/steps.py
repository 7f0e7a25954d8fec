"""Where the values of a series step up or down and stay there: binary segmentation with a t statistic."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

#: The least number of values on each side of a step: one alone may be an outlier.
LEAST = 2
#: Only so many values are searched, the newest ones: the time grows with their square.
MOST = 1000
#: Few values differ from the rest by chance more easily than many, where the noise has heavy tails: the statistic of a
#: part of k values is weighted by ``(4 k (n - k) / n**2)`` to this power. 0 is the likelihood ratio.
_WEIGHT = 0.25
#: What the statistic exceeds in 0.6 % of series of n values of normal noise, by n, where one split is made; 400,000
#: simulated series each, 60,000 from 500 on.
_ONE_SPLIT = {4: 12.90, 5: 8.60, 6: 7.02, 7: 6.14, 8: 5.55, 9: 5.21, 10: 4.90, 12: 4.55, 15: 4.24, 20: 3.97}
_ONE_SPLIT |= {30: 3.77, 50: 3.61, 100: 3.52, 200: 3.49, 500: 3.47}
#: What it exceeds in 0.2 % of them where a part in the middle is cut out; 200,000 series each, fewer from 50 on.
_TWO_SPLITS = {
    6: 7.27,
    7: 7.27,
    8: 7.05,
    9: 6.70,
    10: 6.52,
    12: 6.21,
    15: 5.75,
    20: 5.28,
    30: 4.97,
    50: 4.75,
    100: 4.70,
}


@dataclass(frozen=True)
class Step:
    """A step in a series.

    Attributes
    ----------
    at
        The index of the first value after it.
    before, after
        The means of the values between it and the steps beside it.
    count_before, count_after
        How many values these are.
    """

    at: int
    before: float
    after: float
    count_before: int
    count_after: int


def steps(values: Sequence[float] | NDArray[np.float64]) -> list[Step]:
    """Return the steps in a series, in its order.

    The series is split where the means of both sides differ most by Student's t (binary segmentation: Scott and Knott
    1974), or else at both ends of the part that differs most from the rest (circular binary segmentation: Olshen et al.
    2004), if the difference is more than noise has; the parts are searched in the same way. A step is told only if it
    is larger than the standard deviation of the values on its two sides.

    Parameters
    ----------
    values
        In the order of time; of more than `MOST` the newest are searched. For figures that vary in proportion to
        themselves, such as rates, their logarithms.
    """
    import numpy as np

    skipped = max(0, len(values) - MOST)
    array = np.asarray(values[skipped:], np.float64)
    bounds = [0, *_splits(array, 0), len(array)]
    found = []
    for start, at, end in zip(bounds, bounds[1:], bounds[2:], strict=False):
        left, right = array[start:at], array[at:end]
        deviations = np.concatenate((left - left.mean(), right - right.mean()))
        noise = float(np.sqrt((deviations**2).sum() / max(1, len(deviations) - 2)))
        before, after = float(left.mean()), float(right.mean())
        if abs(after - before) > noise:
            found.append(Step(skipped + at, before, after, len(left), len(right)))
    return found


def _splits(values: NDArray[np.float64], offset: int) -> list[int]:
    """Return the indices at which values, which begin at `offset` of the series, are split."""
    import numpy as np

    count = len(values)
    if count < 2 * LEAST:
        return []
    deviations = values - values.mean()
    if np.abs(deviations).max() <= 1e-12 * np.abs(values).max():  # all the same, but for rounding
        return []
    ends = np.arange(LEAST, count - LEAST + 1)
    at = _cut(deviations, np.zeros_like(ends), ends, _ONE_SPLIT)
    if not at and count >= 3 * LEAST:
        starts, ends = np.triu_indices(count - 2 * LEAST + 1, LEAST)
        at = _cut(deviations, starts + LEAST, ends + LEAST, _TWO_SPLITS)
    bounds = [0, *at, count]
    if not at:
        return []
    parts = [_splits(values[start:end], offset + start) for start, end in pairwise(bounds)]
    return sorted([*(offset + each for each in at), *(each for part in parts for each in part)])


def _cut(
    deviations: NDArray[np.float64], starts: NDArray[np.int64], ends: NDArray[np.int64], critical: dict[int, float]
) -> list[int]:
    """Return the ends of the part that differs most from the rest, by their means; none if noise alone has such a part.

    Parameters
    ----------
    deviations
        ``[n]``, the values minus their mean.
    starts, ends
        The parts to choose from, each ``deviations[start:end]``.
    critical
        What the weighted t statistic must exceed, by n.
    """
    import numpy as np

    count, sizes = len(deviations), ends - starts
    products = sizes * (count - sizes)
    sums = np.concatenate(([0.0], np.cumsum(deviations)))
    between = (sums[ends] - sums[starts]) ** 2 * count / products
    total = float((deviations**2).sum())
    within = np.maximum(total - between, 1e-24 * total)
    weighted = np.sqrt((count - 2) * between / within) * (4 * products / count**2) ** _WEIGHT
    best = int(weighted.argmax())
    if weighted[best] <= np.interp(np.log(count), np.log(list(critical)), list(critical.values())):
        return []
    return [each for each in (int(starts[best]), int(ends[best])) if each]

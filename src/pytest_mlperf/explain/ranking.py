"""Which samples changed most: each sample's own score, whatever the metric is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from pytest_mlperf.metrics.average_precision import BITS, Matches
from pytest_mlperf.metrics.outcomes import Errors, Right

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlperf.metrics.outcomes import Outcomes

#: The most samples that are shown.
MOST: Final = 20


class Changed(NamedTuple):
    """A sample that changed: what names it, and its scores before (None if unknown) and now."""

    sample: Any
    before: float | None
    now: float


def sample_scores(outcomes: Outcomes) -> NDArray[np.float64]:
    """Return the score of each sample, ``float64[n]``; NaN where it cannot have one. More is better.

    It is 0 or 100 of what is right or wrong, the score of a mean, and 100 less the error rate in percent. Of detections
    it is the part of an image's `n` best ones that match one of its `n` objects, in percent, in the mean over the
    thresholds of IoU: mAP is no mean over images.
    """
    if isinstance(outcomes, Matches):
        return _of_detections(outcomes)
    if isinstance(outcomes, Right):
        return np.where(outcomes.right, 100.0, 0.0)
    if isinstance(outcomes, Errors):
        said = outcomes.words > 0
        rates = np.divide(outcomes.errors, outcomes.words, out=np.full(len(said), np.nan), where=said)
        accuracies: NDArray[np.float64] = 100.0 * (1.0 - rates)
        return accuracies
    return outcomes.scores


def _of_detections(matches: Matches) -> NDArray[np.float64]:
    objects = matches.objects.sum(axis=1)
    order = np.lexsort((-matches.score, matches.image))
    image = matches.image[order]
    starts = np.searchsorted(image, np.arange(len(objects)))
    best = order[np.arange(len(image)) - starts[image] < objects[image]]
    hits = ((matches.matched[best] & ~matches.ignored[best])[:, None] & BITS > 0).mean(axis=1)
    found = np.bincount(matches.image[best], weights=hits, minlength=len(objects))
    scores: NDArray[np.float64] = np.divide(100 * found, objects, out=np.full(len(objects), np.nan), where=objects > 0)
    return scores


def changed_most(now: Outcomes, before: Outcomes | None, most: int = MOST) -> list[Changed]:
    """Return the samples that lost most, the worst first; without a baseline those with the lowest score.

    `before` has the outcomes of the same samples in the same order. Samples that lost nothing are left out.
    """
    scores = sample_scores(now)
    earlier = sample_scores(before) if before is not None else np.full(len(scores), _highest(scores))
    lost = np.nan_to_num(earlier - scores, nan=0.0)
    order = np.argsort(-lost, kind="stable")[:most]
    return [
        Changed(now.ids[row].item(), float(earlier[row]) if before is not None else None, float(scores[row]))
        for row in order.tolist()
        if lost[row] > 0
    ]


def _highest(scores: NDArray[np.float64]) -> float:
    """Return the best possible score: 1 for a metric that is a fraction, else 100."""
    return 1.0 if len(scores) and np.nanmax(scores) <= 1 else 100.0

"""Which pieces of a paragraph are the answer: the best start and end of all windows, as accuracy-squad.py chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from pytest_mlperf.datasets.squad_features import Feature

#: The starts and the ends that are considered in a window.
MOST_PLACES = 20
#: The pieces of the longest answer.
LONGEST = 30
#: The logit of the places that a record does not have.
MISSING = -10_000.0


class Span(NamedTuple):
    """An answer: its first and last piece in the paragraph, and the sum of their logits."""

    first: int
    last: int
    score: float


def best_span(answered: Iterable[tuple[Feature, NDArray[np.float64]]], sequence: int) -> Span | None:
    """Return the answer of a question; None if no window has any.

    Parameters
    ----------
    answered
        The question's windows in their order, each with its logits ``float64[n, 2]`` of start and end by place.
    sequence
        The most places of a window; the reference fills up with `MISSING`.

    Notes
    -----
    Of equal sums the first in the order of windows, starts and ends counts; of equal logits the first place.
    """
    best: Span | None = None
    for feature, logits in answered:
        found = _in_window(feature, logits, sequence)
        if found is not None and (best is None or found.score > best.score):
            best = found
    return best


def _in_window(feature: Feature, logits: NDArray[np.float64], sequence: int) -> Span | None:
    filled = np.full((sequence, 2), MISSING)
    filled[: len(logits)] = logits
    order = np.argsort(-filled, axis=0, kind="stable")[:MOST_PLACES]
    starts, ends = order[:, 0], order[:, 1]
    window = feature.asked.windows[feature.window]
    first, last = feature.first, feature.first + window.length  # last is the place of the final [SEP]
    is_start = (starts >= first) & (starts < last)
    is_end = (ends >= first) & (ends < last)
    if len(feature.asked.windows) > 1:
        pieces = np.clip(starts - first, 0, window.length - 1) + window.start
        is_start &= feature.asked.best_windows[pieces] == feature.window
    length = ends[None, :] - starts[:, None] + 1
    allowed = is_start[:, None] & is_end[None, :] & (length >= 1) & (length <= LONGEST)
    if not allowed.any():
        return None
    sums = filled[starts, 0][:, None] + filled[ends, 1][None, :]
    place = int(np.argmax(np.where(allowed, sums, -np.inf)))
    if not allowed.flat[place]:  # all allowed sums are -inf, and another one is the first of these
        place = int(np.argmax(allowed))
    start, end = divmod(place, len(ends))
    to_paragraph = window.start - first
    return Span(int(starts[start]) + to_paragraph, int(ends[end]) + to_paragraph, float(sums[start, end]))

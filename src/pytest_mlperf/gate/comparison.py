"""A comparison with a baseline, as it stands in a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pytest_mlperf.gate.verdict import Estimate


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How a figure stands to that of a baseline.

    Attributes
    ----------
    baseline
        The baseline's name, and ``commit`` the commit that it was made of; empty if unknown.
    figure, unit
        What is compared: ``F1`` in ``%``, ``samples/s``.
    before, now
        The figure in the baseline, and in this run; of accuracy, on the samples that both have.
    allowed
        The drop, or the slowdown in percent, that is no failure.
    verdict
        ``same`` (each answer is the baseline's, to the last bit), ``worse``, ``not worse``, ``undecided``, ``approved``
        (worse, and made the new baseline), ``not comparable``.
    drop, lower, upper
        The drop of accuracy in `unit`, or the slowdown in percent, and its one-sided bounds for all data; None where
        nothing can be said.
    alpha, method, samples
        How they were found; see `Estimate`.
    needed
        How many samples would decide; None where that is not the question.
    reason
        Why it is not comparable; else empty.
    """

    baseline: str
    figure: str
    unit: str
    before: float
    now: float
    allowed: float
    verdict: str
    commit: str = ""
    drop: float | None = None
    lower: float | None = None
    upper: float | None = None
    alpha: float | None = None
    method: str = ""
    samples: int = 0
    needed: int | None = None
    reason: str = ""


def compared(
    estimate: Estimate, *, baseline: str, commit: str, figure: str, unit: str, before: float, now: float, allowed: float
) -> Comparison:
    """Return the comparison that an estimate makes."""
    verdict = estimate.verdict(allowed)
    return Comparison(
        baseline=baseline,
        commit=commit,
        figure=figure,
        unit=unit,
        before=before,
        now=now,
        allowed=allowed,
        verdict=verdict,
        drop=estimate.drop,
        lower=estimate.lower,
        upper=estimate.upper,
        alpha=estimate.alpha,
        method=estimate.method,
        samples=estimate.samples,
        needed=estimate.needed(allowed) if verdict == "undecided" else None,
    )

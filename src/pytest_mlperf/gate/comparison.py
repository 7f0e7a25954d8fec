"""How a figure stands to a baseline's, or to that of another model, as it stands in a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

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
        The figure in the baseline, and in this run; of accuracy, on the samples that both have. None if unknown.
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
    before: float | None
    now: float | None
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


@dataclass(frozen=True)
class Compared:
    """What is compared with what.

    Attributes
    ----------
    baseline, commit
        See `Comparison`.
    figure, unit
        See `Comparison`.
    before, now
        See `Comparison`.
    """

    baseline: str
    commit: str
    figure: str
    unit: str
    before: float | None
    now: float | None

    def by(self, estimate: Estimate, allowed: float) -> Comparison:
        """Return the comparison that an estimate makes."""
        verdict = estimate.verdict(allowed)
        return structs.replace(
            self._with(verdict),
            allowed=allowed,
            drop=estimate.drop,
            lower=estimate.lower,
            upper=estimate.upper,
            alpha=estimate.alpha,
            method=estimate.method,
            samples=estimate.samples,
            needed=estimate.needed(allowed) if verdict == "undecided" else None,
        )

    def same(self, samples: int) -> Comparison:
        """Return the comparison of answers that are the same to the last bit."""
        return structs.replace(self._with("same"), samples=samples, drop=0.0)

    def not_comparable(self, reason: str) -> Comparison:
        """Return the comparison of what cannot be compared."""
        return structs.replace(self._with("not comparable"), reason=reason)

    def _with(self, verdict: str) -> Comparison:
        return Comparison(
            baseline=self.baseline,
            commit=self.commit,
            figure=self.figure,
            unit=self.unit,
            before=self.before,
            now=self.now,
            allowed=0.0,
            verdict=verdict,
        )

"""Names a cause only where it explains at least half of what was lost, and by more than chance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlperf.explain.explanation import Cause
from pytest_mlperf.gate.verdict import ALPHA
from pytest_mlperf.metrics.outcomes import paired

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_mlperf.explain.answered import Answered, Correcting, Correction, Symptom
    from pytest_mlperf.metrics.outcomes import Outcomes

#: The part of the loss that a correction must bring back.
LEAST: Final = 0.5


@dataclass(frozen=True)
class Question:
    """Some answers, and what they should reach.

    Attributes
    ----------
    answers
        The answers.
    reference
        What their metric was in the baseline on the same samples, or what it should be; None if nobody says so.
    metric, unit, samples
        The metric's name and unit, and what its samples are called, for the evidence.
    before
        The baseline's outcomes of the same samples, None without a baseline.
    """

    answers: Answered
    reference: float | None
    metric: str
    unit: str
    samples: str
    before: Outcomes | None = None

    @cached_property
    def now(self) -> float:
        """The metric of the answers."""
        return self.answers.value()

    def of(self, ids: Sequence[Any]) -> Question:
        """Return the same for some of the samples."""
        before, reference = self.before, self.reference
        if before is not None:
            before = before.take(np.flatnonzero(np.isin(before.ids, ids)))
            reference = before.value()
        return replace(self, answers=self.answers.take(ids), before=before, reference=reference)

    def recovered(self, correction: Correction) -> float:
        """Return the part of the loss that a correction brings back; 0 if it is below `LEAST`, or by chance."""
        assert self.reference is not None  # noqa: S101 - corrections are tried only where it is known
        lost = self.reference - self.now
        if not lost > 0:  # nor NaN
            return 0.0
        part = (correction.answers.value() - self.now) / lost
        return part if part >= LEAST and self._certain(correction.answers) else 0.0

    def _certain(self, corrected: Answered) -> bool:
        from pytest_mlperf.gate.paired import estimate

        after, now = paired(corrected.outcomes(), self.answers.outcomes())
        return len(now.ids) > 1 and estimate(after, now, ALPHA).lower > 0

    def cause(self, correction: Correction) -> Cause:
        """Return the cause that a correction shows."""
        assert self.reference is not None  # noqa: S101 - see `recovered`
        count = len(self.answers.outcomes().ids)
        wanted = "in the baseline" if self.before is not None else "is the reference"
        evidence = (
            f"on {count:,} {self.samples} {self.metric} is {self._number(self.now)}, {correction.done} "
            f"{self._number(correction.answers.value())}; {self._number(self.reference)} {wanted}"
        )
        return Cause(name=correction.name, evidence=evidence)

    def _number(self, value: float) -> str:
        return f"{value:.4g}{' %' if self.unit == '%' else ''}"


def symptoms(found: Iterable[Symptom], answers: Answered, before: Outcomes | None) -> Iterator[Cause]:
    """Yield the symptoms that are a cause themselves."""
    for symptom in found:
        cause = symptom(answers, before)
        if cause is not None:
            yield cause


def corrections(found: Iterable[Correcting], question: Question) -> Iterator[Cause]:
    """Yield the faults whose correction brings enough back, that which brings most first."""
    best: list[tuple[float, Correction]] = []
    for correcting in found:
        recovered = [(question.recovered(each), each) for each in correcting(question.answers)]
        best += [max(recovered, key=lambda each: each[0])] if recovered else []
    for part, correction in sorted(best, key=lambda each: -each[0]):
        if part > 0:
            yield question.cause(correction)


def by_name(found: Iterable[Correction]) -> list[Correcting]:
    """Return corrections that are made already, grouped by their fault; those of a fault follow each other."""

    def given(some: list[Correction]) -> Correcting:
        return lambda _: iter(some)

    return [given(list(some)) for _, some in groupby(found, lambda each: each.name)]

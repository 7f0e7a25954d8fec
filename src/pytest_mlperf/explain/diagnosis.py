"""Names a cause only where it explains at least half of what was lost, and by more than chance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

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
#: What brings back nearly as much as the best correction may be the cause as well.
_NEARLY: Final = 0.8
#: With so much brought back nothing is left to look for.
ENOUGH: Final = 0.9


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
        now = max(self.now, 0.0)  # more errors than words are no better than none right
        lost = self.reference - now
        if not lost > 0:  # nor NaN
            return 0.0
        part = (correction.answers.value() - now) / lost
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


class Recovery(NamedTuple):
    """A cause, and the part of the loss that its correction brings back."""

    part: float
    cause: Cause


def corrections(found: Iterable[Correcting], question: Question) -> Iterator[Recovery]:
    """Yield the faults whose correction brings enough back, each with its best correction."""
    for correcting in found:
        recovered = [(question.recovered(each), each) for each in correcting(question.answers)]
        part, best = max(recovered, key=lambda each: each[0], default=(0.0, None))
        if best is not None and part > 0:
            yield Recovery(part, question.cause(best))


def named(found: Iterable[Recovery]) -> list[Cause]:
    """Return the causes that explain about as much as the best one, that first.

    Another fault may look like a part of this one: classes that are pairs of colours, and channels that are swapped.
    """
    ordered = sorted(found, key=lambda each: -each.part)
    return [each.cause for each in ordered if each.part >= _NEARLY * ordered[0].part]


def by_name(found: Iterable[Correction]) -> list[Correcting]:
    """Return corrections that are made already, grouped by their fault; those of a fault follow each other."""

    def given(some: list[Correction]) -> Correcting:
        return lambda _: iter(some)

    return [given(list(some)) for _, some in groupby(found, lambda each: each.name)]

"""Causes of a low F1 of answers to questions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlperf.explain.answered import Correcting, Correction, Symptom
from pytest_mlperf.explain.explanation import Cause
from pytest_mlperf.metrics.span_f1 import NO_ANSWER, normal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pytest_mlperf.explain.questions import Answer, QuestionAnswers
    from pytest_mlperf.metrics.outcomes import Outcomes

    Logits = NDArray[np.float64]

_MOST: Final = 0.5


def no_answers(answers: QuestionAnswers, before: Outcomes | None) -> Cause | None:
    """Questions whose answer has no word."""
    del before
    empty = sum(text == NO_ANSWER or not normal(text) for text in answers.texts)
    if not answers.texts or empty < _MOST * len(answers.texts):
        return None
    return Cause(name="empty answers", evidence=f"{empty} of {len(answers.texts)} answers have no word")


def same_logits(answers: QuestionAnswers, before: Outcomes | None) -> Cause | None:
    """Logits that do not depend on the place, so that they choose nothing."""
    del before
    flat = sum(all(np.ptp(logits, axis=0).max(initial=0) < 1e-6 for logits in each.logits) for each in answers.answers)
    if not answers.answers or flat < _MOST * len(answers.answers):
        return None
    evidence = f"the logits of {flat} of {len(answers.answers)} questions are equal at all places"
    return Cause(name="always the same answer", evidence=evidence)


def shifted_by_a_piece(answers: QuestionAnswers) -> Iterator[Correction]:
    """Logits that stand one place too early or too late, as without [CLS] or with one more piece before the text."""
    for step, words in ((-1, "earlier"), (1, "later")):

        def moved(_: Answer, logits: Logits, step: int = step) -> Logits:
            rolled: Logits = np.roll(logits, step, axis=0)
            return rolled

        yield Correction("answers shifted by one piece", f"with all logits one place {words}", answers.mapped(moved))


def ends_exchanged(answers: QuestionAnswers) -> Iterator[Correction]:
    """The logits of start and end in each other's place."""
    done = "with the logits of start and end exchanged"
    yield Correction("start and end exchanged", done, answers.mapped(lambda _, logits: logits[:, ::-1]))


def one_end_shifted(answers: QuestionAnswers) -> Iterator[Correction]:
    """An end that is behind the last piece of the answer instead of at it."""
    for step, words in ((-1, "earlier"), (1, "later")):

        def moved(_: Answer, logits: Logits, step: int = step) -> Logits:
            return np.stack((logits[:, 0], np.roll(logits[:, 1], step)), axis=1)

        yield Correction("ends shifted by one piece", f"with each end one place {words}", answers.mapped(moved))


SYMPTOMS: Final[tuple[Symptom, ...]] = (no_answers, same_logits)
CORRECTIONS: Final[tuple[Correcting, ...]] = (shifted_by_a_piece, ends_exchanged, one_end_shifted)

"""What a run of BERT answered: logits of the answer's first and last piece, and the texts that they choose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlperf.explain.answered import Shown
from pytest_mlperf.explain.explanation import ClassChange
from pytest_mlperf.metrics.outcomes import Scores, text_ids
from pytest_mlperf.metrics.span_f1 import read_logits, scores_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.datasets.squad_features import Asked, Feature
    from pytest_mlperf.explain.pictures import Gallery
    from pytest_mlperf.metrics.accuracy_log import Record
    from pytest_mlperf.metrics.outcomes import Outcomes
    from pytest_mlperf.metrics.span_f1 import SpanF1

    Logits = NDArray[np.float64]

#: The words of the context that are shown on each side of an expected answer.
_AROUND: Final = 25
#: The first words of questions that make a class of their own.
_KINDS: Final = frozenset(("who", "what", "when", "where", "which", "why", "how", "whose", "in", "whom"))


@dataclass(frozen=True, eq=False)
class Answer:
    """A question with its answered samples: their indices, windows and logits ``float64[n, 2]``."""

    asked: Asked
    first_sample: int
    samples: tuple[int, ...]
    windows: tuple[Feature, ...]
    logits: tuple[Logits, ...]


@dataclass(frozen=True, eq=False)
class QuestionAnswers:
    """Answers by question."""

    metric: SpanF1
    answers: tuple[Answer, ...]

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The text of each answer."""
        return tuple(
            self.metric.answer_of(each.asked, zip(each.windows, each.logits, strict=True)) for each in self.answers
        )

    def outcomes(self) -> Scores:
        """Return the F1 of each question in percent."""
        pairs = zip(self.texts, self.answers, strict=True)
        scores = [100.0 * scores_of(text, each.asked.question).f1 for text, each in pairs]
        return Scores(text_ids([each.asked.question.id for each in self.answers]), np.array(scores))

    def value(self) -> float:
        """Return the mean F1 in percent."""
        return self.outcomes().value() if self.answers else float("nan")

    def mapped(self, change: Callable[[Answer, Logits], Logits]) -> QuestionAnswers:
        """Return the answers with other logits."""
        return replace(
            self,
            answers=tuple(
                replace(each, logits=tuple(change(each, logits) for logits in each.logits)) for each in self.answers
            ),
        )

    def take(self, ids: Iterable[Any]) -> QuestionAnswers:
        """Return the answers to some questions."""
        wanted = set(ids)
        return replace(self, answers=tuple(each for each in self.answers if each.asked.question.id in wanted))

    def indices(self) -> Sequence[int]:
        """Return the indices of the answered samples."""
        return [index for each in self.answers for index in each.samples]

    def classes(self, now: Outcomes, before: Outcomes | None) -> Iterator[ClassChange]:
        """Yield the F1 by the first word of the question."""
        del now
        scores, kinds = self.outcomes().scores, np.array([_kind(each.asked.question.question) for each in self.answers])
        earlier = dict(zip(before.ids.tolist(), before.scores, strict=True)) if isinstance(before, Scores) else {}
        for kind in sorted(set(kinds.tolist())):
            rows = np.flatnonzero(kinds == kind)
            ids = [self.answers[row].asked.question.id for row in rows.tolist()]
            known = [earlier[each] for each in ids if each in earlier]
            yield ClassChange(
                name=kind, before=float(np.mean(known)) if known else None, now=float(np.mean(scores[rows]))
            )

    def show(self, sample: Any, gallery: Gallery) -> Shown:
        """Return a question, the context around its answer, and the expected and given answers."""
        del gallery
        place = next(n for n, each in enumerate(self.answers) if each.asked.question.id == sample)
        each = self.answers[place]
        accepted = list(dict.fromkeys(answer.text for answer in each.asked.question.answers))
        return Shown(
            each.first_sample,
            (
                ("question", each.asked.question.question),
                ("context", _around(" ".join(each.asked.text.words), accepted[0])),
                ("expected", " | ".join(accepted)),
                ("given", self.texts[place]),
            ),
        )


def read_question_answers(benchmark: Benchmark, dataset: Path, records: Iterable[Record]) -> QuestionAnswers:
    """Return the answers of a run to all questions that have one; raises AccuracyLogError."""
    metric: Any = benchmark.metric
    given = dict(records)
    questions = metric.samples_by_question(dataset)
    count = sum(len(features) for _, features in questions)
    answers, number = [], 0
    last = count if metric.samples is None else metric.samples
    for asked, features in questions:
        numbers = [n for n in range(number, number + len(features)) if n in given]
        if last >= count or (features and number < last):  # as the metric has it
            answers.append(
                Answer(
                    asked,
                    number,
                    tuple(numbers),
                    tuple(features[n - number] for n in numbers),
                    tuple(read_logits(n, given[n], count, metric.lengths.sequence) for n in numbers),
                )
            )
        number += len(features)
    return QuestionAnswers(metric, tuple(answers))


def _kind(question: str) -> str:
    first = question.strip().lower().partition(" ")[0].strip("?,.'\"")
    return first if first in _KINDS else "other"


def _around(context: str, answer: str) -> str:
    """Return the words around an answer, which stands in brackets."""
    start = context.find(answer)
    if start < 0:
        return " ".join(context.split()[: 2 * _AROUND]) + " …"
    before, after = context[:start].split(" "), context[start + len(answer) :].split(" ")
    left = ("… " if len(before) > _AROUND else "") + " ".join(before[-_AROUND:])
    right = " ".join(after[:_AROUND]) + (" …" if len(after) > _AROUND else "")
    return f"{left}[{answer}]{right}"

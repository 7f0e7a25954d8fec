"""The F1 of each part of the questions, from the first sample to all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.metrics.span_f1 import SpanF1, read_logits, scores_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pytest_mlperf.metrics.accuracy_log import Record


def by_count(answers: Sequence[Record], data: Path, metric: SpanF1) -> Iterator[float]:
    """Yield what ``metric.over(n)`` gives for the first n answers, for each n, without starting again."""
    done: list[float] = []
    number = 0
    for asked, features in metric.samples_by_question(data):
        done.append(0.0)
        answered = []
        for feature in features:
            logits = read_logits(number, answers[number].data, len(answers), metric.lengths.sequence)
            answered.append((feature, logits))
            done[-1] = scores_of(metric.answer_of(asked, answered), asked.question).f1
            total = 0.0
            for each in done:
                total += each
            yield 100.0 * total / len(done)
            number += 1

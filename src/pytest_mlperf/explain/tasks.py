"""Which answers and which causes belong to a metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlperf.metrics.mean_average_precision import MeanAveragePrecision
from pytest_mlperf.metrics.mean_dice import MeanDice
from pytest_mlperf.metrics.span_f1 import SpanF1
from pytest_mlperf.metrics.top_1 import Top1
from pytest_mlperf.metrics.word_error_rate import WordErrorRate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.explain.answered import Answered, Correcting, Symptom
    from pytest_mlperf.metrics.accuracy_log import Record

    Read = Callable[[Benchmark, Path, Iterable[Record]], Answered]


@dataclass(frozen=True)
class Task:
    """A kind of benchmark.

    Attributes
    ----------
    read
        Reads the answers of a run.
    symptoms, corrections
        Its usual causes.
    samples
        What its samples are called.
    few
        How many samples corrections are tried on, which are spread over all; None for all.
    shown
        How many samples are shown at most.
    again
        How many samples the model is asked again.
    stated
        Classes whose figures are values of the metric itself.
    whole
        Whether all answers fit into memory.
    """

    read: Read
    symptoms: tuple[Symptom, ...]
    corrections: tuple[Correcting, ...]
    samples: str
    few: int | None
    shown: int = 20
    again: int = 48
    stated: tuple[str, ...] = ()
    whole: bool = True


def task_of(metric: Any) -> Task | None:
    """Return the task that a metric is of; None if it is one of another package."""
    return next((make() for kind, make in _TASKS.items() if isinstance(metric, kind)), None)


def _detection() -> Task:
    from pytest_mlperf.explain.causes.detections import CORRECTIONS, SYMPTOMS
    from pytest_mlperf.explain.detections import read_detection_answers

    return Task(read_detection_answers, SYMPTOMS, CORRECTIONS, "images", few=100)


def _classification() -> Task:
    from pytest_mlperf.explain.causes.labels import CORRECTIONS, SYMPTOMS
    from pytest_mlperf.explain.labels import read_label_answers

    return Task(read_label_answers, SYMPTOMS, CORRECTIONS, "images", few=None, again=100)


def _questions() -> Task:
    from pytest_mlperf.explain.causes.questions import CORRECTIONS, SYMPTOMS
    from pytest_mlperf.explain.questions import read_question_answers

    return Task(read_question_answers, SYMPTOMS, CORRECTIONS, "questions", few=150, again=60)


def _speech() -> Task:
    from pytest_mlperf.explain.causes.transcripts import CORRECTIONS, SYMPTOMS
    from pytest_mlperf.explain.transcripts import read_transcript_answers

    return Task(read_transcript_answers, SYMPTOMS, CORRECTIONS, "utterances", few=500, again=16)


def _segmentation() -> Task:
    from pytest_mlperf.explain.causes.volumes import CORRECTIONS, SYMPTOMS
    from pytest_mlperf.explain.volumes import read_volume_answers

    return Task(
        read_volume_answers,
        SYMPTOMS,
        CORRECTIONS,
        "volumes",
        few=8,
        shown=5,
        again=8,
        stated=("kidney", "tumor"),
        whole=False,
    )


_TASKS: dict[type, Callable[[], Task]] = {
    MeanAveragePrecision: _detection,
    Top1: _classification,
    SpanF1: _questions,
    WordErrorRate: _speech,
    MeanDice: _segmentation,
}

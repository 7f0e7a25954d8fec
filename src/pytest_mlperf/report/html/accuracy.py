"""What an accuracy run's answers show by class and by sample, from its log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.errors import MLPerfError, raised_elsewhere
from pytest_mlperf.report.html import plots
from pytest_mlperf.rules.log_files import ACCURACY_LOG

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.metrics.base import Metric
    from pytest_mlperf.metrics.curves import ClassCurve, Classified
    from pytest_mlperf.metrics.outcomes import Outcomes
    from pytest_mlperf.registry import Registry
    from pytest_mlperf.report.html.plot import Plot
    from pytest_mlperf.run.result import RunResult

#: A matrix of more classes cannot be read; then its largest entries are listed.
MOST_CLASSES = 20
MOST_CONFUSED = 20
MOST_CURVES = 12


@dataclass(frozen=True)
class Cell:
    """A cell of a matrix: its count, and its part of the row."""

    count: int
    part: float
    right: bool


@dataclass(frozen=True)
class Matrix:
    """How often samples of a class (row) were given which class (column)."""

    columns: Sequence[int]
    rows: Sequence[tuple[int, Sequence[Cell]]]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What is shown of an accuracy run; ``fault`` says why there is nothing."""

    matrix: Matrix | None = None
    confused: Sequence[tuple[int, int, int]] = ()
    curves: Sequence[Plot] = ()
    categories: Sequence[ClassCurve] = ()
    scores: Plot | None = None
    fault: str = ""


def shown(result: RunResult, registry: Registry) -> Shown:
    """Return what is shown of an accuracy run; its log is read, with the metric of its benchmark."""
    from pytest_mlperf.metrics.base import ScoresParts

    log = Path(result.output) / ACCURACY_LOG
    if result.accuracy is None or not log.is_file():
        return Shown(fault="the accuracy log is gone" if result.accuracy is not None else "")
    if result.benchmark not in registry.benchmarks:
        return Shown(fault=f"the benchmark {result.benchmark} is not installed here")
    try:
        with raised_elsewhere(f"the metric {result.accuracy.metric} of {result.benchmark} cannot be computed"):
            metric = registry.benchmark(result.benchmark).metric
            if isinstance(metric, ScoresParts):
                metric = metric.over(result.accuracy.samples)
            return _of_metric(metric, log, Path(result.dataset), result.accuracy.unit)
    except MLPerfError as error:  # also a data set that is gone
        return Shown(fault=error.what)


def _of_metric(metric: Metric, log: Path, dataset: Path, unit: str) -> Shown:
    from pytest_mlperf.metrics.accuracy_log import Answers
    from pytest_mlperf.metrics.curves import GivesClasses, GivesNamedMatches, class_curves
    from pytest_mlperf.metrics.outcomes import GivesOutcomes

    answers = Answers(log, last=getattr(metric, "last_record_counts", False))
    if isinstance(metric, GivesClasses):
        return confused(metric.classified(answers, dataset))
    if isinstance(metric, GivesNamedMatches):
        return by_category(class_curves(*metric.named_matches(answers, dataset)))
    if isinstance(metric, GivesOutcomes):
        return spread(metric.outcomes(answers, dataset), metric.name, unit)
    return Shown()


def confused(classified: Classified) -> Shown:
    """Return the confusion of classes: the whole matrix if that can be read, and the most frequent confusions."""
    from pytest_mlperf.metrics.curves import confusion

    found = confusion(classified)
    most = found.most_confused(MOST_CONFUSED)
    if max(found.counts.shape) > MOST_CLASSES:
        return Shown(confused=most)
    columns = found.answers.tolist()
    rows = []
    for label, counts in zip(found.labels.tolist(), found.counts.tolist(), strict=True):
        total = max(1, sum(counts))
        cells = [Cell(count, count / total, label == answer) for answer, count in zip(columns, counts, strict=True)]
        rows.append((label, cells))
    return Shown(matrix=Matrix(columns, rows), confused=most)


def by_category(curves: Sequence[ClassCurve]) -> Shown:
    """Return precision and recall: a table of all categories, the worst first, and plots of the first of them."""
    ordered = sorted(curves, key=lambda curve: curve.ap)
    drawn = [
        plots.precision_recall(curve.name, curve.at(0.5).tolist(), curve.at(0.75).tolist(), curve.ap, curve.objects)
        for curve in ordered[:MOST_CURVES]
    ]
    return Shown(curves=drawn, categories=ordered)


def spread(outcomes: Outcomes, name: str, unit: str) -> Shown:
    """Return the histogram of the scores of samples; nothing for a metric that is of another kind."""
    from pytest_mlperf.metrics.curves import histogram
    from pytest_mlperf.metrics.outcomes import Errors, Scores

    if isinstance(outcomes, Scores):
        values, label = outcomes.scores, f"{name} of a sample{f', {unit}' if unit else ''}"
    elif isinstance(outcomes, Errors):
        import numpy as np

        values = 100.0 * (1.0 - outcomes.errors / np.maximum(outcomes.words, 1))
        label = f"{name} of a sample, %"
    else:
        return Shown()
    edges, counts = histogram(values)
    return Shown(scores=plots.scores(edges.tolist(), counts.tolist(), label))

"""What the tests of explanations share: a healthy run of each tiny edition."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.explain.explain import explain
from pytest_mlperf.metrics.accuracy_log import Answers
from tests.explain.runs import TASKS, failure, metric_of, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_mlperf.explain.explanation import Explanation
    from pytest_mlperf.metrics.outcomes import Outcomes


@dataclass(frozen=True)
class Healthy:
    """A run that answers as the model does, and its outcomes, which are the baseline."""

    task: str
    dataset: Path
    log: Path
    outcomes: Outcomes

    def explained(self, log: Path, *, baseline: bool = True) -> Explanation:
        """Explain a run that is held against this one, or against the reference."""
        before = self.outcomes if baseline else None
        return explain(failure(self.task, log, self.dataset, before), log.parent)

    def copied(self, directory: Path) -> Path:
        """Return the log of a copy of this run."""
        shutil.copytree(self.log.parent, directory)
        return directory / self.log.name


@pytest.fixture(scope="session")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Healthy]:
    made: dict[str, Healthy] = {}

    def of(task: str) -> Healthy:
        if task not in made:
            dataset = _dataset(task, tmp_path_factory.mktemp("dataset"))
            log = run(task, tmp_path_factory.mktemp(task), dataset)
            metric = metric_of(task)
            answers = Answers(log, last=getattr(metric, "last_record_counts", False))
            made[task] = Healthy(task, dataset, log, metric.outcomes(answers, dataset))
        return made[task]

    return of


def _dataset(task: str, directory: Path) -> Path:
    """Return the samples that are run, and no others: they are made in a second."""
    _, benchmark, count = TASKS[task]
    source: Any = benchmark.dataset.source(count)
    if isinstance(source, Path):
        return source
    replace(source, count=count).generate(directory)
    return directory

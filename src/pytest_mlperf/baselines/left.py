"""What an accuracy run left in its log: the outcomes of its samples, and a digest of its answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.rules.log_files import ACCURACY_LOG

if TYPE_CHECKING:
    from pytest_mlperf.metrics.base import Metric
    from pytest_mlperf.metrics.outcomes import Outcomes
    from pytest_mlperf.run.result import RunResult


class Left(NamedTuple):
    """What a run left; the outcomes are None if its metric does not give them, or if it is no accuracy run."""

    outcomes: Outcomes | None = None
    sha256: str = ""


def left_by(metric: Metric, result: RunResult) -> Left:
    """Return what an accuracy run left.

    Parameters
    ----------
    metric, result
        The benchmark's metric, and the result, whose ``output`` has the log.

    Raises
    ------
    AccuracyLogError, DatasetError
        The log cannot be scored.
    """
    from pytest_mlperf.metrics.accuracy_log import Answers, answers_sha256
    from pytest_mlperf.metrics.outcomes import GivesOutcomes

    log = Path(result.output) / ACCURACY_LOG
    last = getattr(metric, "last_record_counts", False)
    outcomes = None
    if isinstance(metric, GivesOutcomes):
        outcomes = metric.outcomes(Answers(log, last=last), Path(result.dataset))
    return Left(outcomes, answers_sha256(Answers(log, last=last)))

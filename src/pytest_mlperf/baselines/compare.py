"""How a result stands to its entry in a baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from pytest_mlperf.gate.comparison import Comparison, compared

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_mlperf.baselines.entry import Entry
    from pytest_mlperf.baselines.fingerprint import Fingerprint
    from pytest_mlperf.gate.verdict import Estimate
    from pytest_mlperf.metrics.outcomes import Outcomes
    from pytest_mlperf.run.result import RunResult

#: So many figures of one machine tell how much they differ by themselves.
HISTORY = 5


@dataclass(frozen=True)
class Allowed:
    """What is no failure.

    Attributes
    ----------
    accuracy_drop
        In points: hundredths of a metric that goes to 1, and percentage points of one in percent.
    slowdown
        In percent.
    """

    accuracy_drop: float = 0.1
    slowdown: float = 5.0


def compare_accuracy(
    name: str,
    entry: Entry,
    result: RunResult,
    outcomes: Callable[[], tuple[Outcomes, Outcomes]],
    allowed: Allowed,
    alpha: float,
) -> Comparison:
    """Return how the accuracy of a result stands to that of an entry.

    Parameters
    ----------
    name
        The baseline's.
    entry, result
        What is compared.
    outcomes
        Returns the outcomes of both runs' samples.
    allowed, alpha
        The drop that is no failure, and the share of false alarms.

    Raises
    ------
    BaselineError
        The outcomes in the baseline cannot be read.
    """
    from pytest_mlperf.gate.paired import estimate
    from pytest_mlperf.metrics.outcomes import paired

    old, new = entry.result.accuracy, result.accuracy
    if old is None or new is None:
        raise ValueError("both are accuracy runs")
    points = 1.0 if new.unit == "%" else 0.01
    reason = _other_data(entry.result, result)
    if not reason:
        before, now = outcomes()
        if type(before) is not type(now):
            reason = "the metric is another kind of metric now"
        else:
            before, now = paired(before, now)
            reason = "" if len(before.ids) else "no sample is in both runs"
    if reason:
        return _not_comparable(name, entry, new.metric, new.unit, old.value, new.value, reason)
    found = estimate(before, now, alpha)
    return compared(
        found,
        baseline=name,
        commit=entry.commit,
        figure=new.metric,
        unit=new.unit,
        before=before.value(),
        now=now.value(),
        allowed=allowed.accuracy_drop * points,
    )


def compare_performance(
    name: str, entry: Entry, result: RunResult, machine: Fingerprint, allowed: Allowed, alpha: float
) -> Comparison:
    """Return how the figure of a performance run stands to those of an entry.

    One figure of another day says little: there must be `HISTORY` of the same machine, whose spread is the measure.
    """
    old, new = entry.result.performance, result.performance
    if old is None or new is None:
        raise ValueError("both are performance runs")
    before, now = old.value or math.nan, new.value or math.nan
    reason = _other_runs(entry, result, machine) or (
        "" if math.isfinite(before) and math.isfinite(now) else "a run has no figure"
    )
    if reason:
        return _not_comparable(name, entry, new.words, new.unit, before, now, reason)
    return compared(
        _from_history(entry.figures, now, rate="/s" in new.unit, alpha=alpha),
        baseline=name,
        commit=entry.commit,
        figure=new.words,
        unit=new.unit,
        before=fmean(entry.figures),
        now=now,
        allowed=allowed.slowdown,
    )


def _from_history(figures: tuple[float, ...], now: float, *, rate: bool, alpha: float) -> Estimate:
    """Return the slowdown of one more run in percent, with the bounds in which runs without a change lie.

    The logarithms are a t sample; one more value of it has the standard error ``s * sqrt(1 + 1/n)``.
    """
    import numpy as np
    from scipy import stats

    from pytest_mlperf.gate.verdict import Estimate

    logs = np.log(np.array(figures))
    count, spread = len(logs), float(logs.std(ddof=1))
    slower = (1 if not rate else -1) * (math.log(now) - float(logs.mean()))
    margin = float(stats.t.ppf(1 - alpha, count - 1)) * spread * math.sqrt(1 + 1 / count)
    return Estimate(
        drop=100 * math.expm1(slower),
        lower=100 * math.expm1(slower - margin),
        upper=100 * math.expm1(slower + margin),
        alpha=alpha,
        method=f"the spread of {count} earlier runs on this machine",
        samples=count,
        spread=math.inf,  # more samples of this run would not help
    )


def _other_data(old: RunResult, new: RunResult) -> str:
    if old.accuracy is not None and new.accuracy is not None and old.accuracy.metric != new.accuracy.metric:
        return f"the baseline has the metric {old.accuracy.metric}"
    if old.dataset_sha256 and new.dataset_sha256 and old.dataset_sha256 != new.dataset_sha256:
        # A part of the same data has another digest, and its samples are paired by what names them.
        if old.accuracy is not None and new.accuracy is not None and old.accuracy.samples != new.accuracy.samples:
            return ""
        return "the baseline is of other data"
    return ""


def _other_runs(entry: Entry, result: RunResult, machine: Fingerprint) -> str:
    """Return why the speed of two runs cannot be compared; empty if it can."""
    old = entry.result
    if different := entry.machine.differences(machine):
        return f"the baseline is of another machine: {'; '.join(different)}"
    if old.run_length != result.run_length:
        return f"the baseline is a run of {old.run_length} length"
    if result.verdict != "VALID" or old.verdict != "VALID":
        return "one of the runs is not VALID"
    if result.machine is not None and result.machine.busy:
        return "the machine was busy"
    if len(entry.figures) < HISTORY:
        count = f"{len(entry.figures)} run{'s' if len(entry.figures) != 1 else ''}"
        return (
            f"the baseline has {count} of this machine, and {HISTORY} tell the spread; "
            "--mlperf-compare-model compares two models in one session"
        )
    return ""


def _not_comparable(
    name: str, entry: Entry, figure: str, unit: str, before: float, now: float, reason: str
) -> Comparison:
    return Comparison(
        baseline=name,
        commit=entry.commit,
        figure=figure,
        unit=unit,
        before=before,
        now=now,
        allowed=0.0,
        verdict="not comparable",
        reason=reason,
    )

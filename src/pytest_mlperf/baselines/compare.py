"""How a result stands to its entry in a baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from pytest_mlperf.gate.comparison import Compared

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_mlperf.baselines.entry import Entry
    from pytest_mlperf.baselines.left import Left
    from pytest_mlperf.gate.comparison import Comparison
    from pytest_mlperf.gate.verdict import Estimate
    from pytest_mlperf.machine.fingerprint import Fingerprint
    from pytest_mlperf.metrics.outcomes import Outcomes
    from pytest_mlperf.rules.accuracy import Accuracy
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


@dataclass(frozen=True)
class Before:
    """What the accuracy of a result is compared with.

    Attributes
    ----------
    name, commit
        The name of the baseline, or of the model; and its commit, empty if unknown.
    result
        The earlier result.
    answers_sha256
        The digest of its answers.
    outcomes
        Returns the outcomes of its samples; may raise BaselineError.
    """

    name: str
    commit: str
    result: RunResult
    answers_sha256: str
    outcomes: Callable[[], Outcomes | None]


def compare_accuracy(before: Before, result: RunResult, now: Left, allowed: Allowed, alpha: float) -> Comparison:
    """Return how the accuracy of a result stands to that of an earlier one.

    Parameters
    ----------
    before, result
        What is compared.
    now
        What the run of `result` left.
    allowed, alpha
        The drop that is no failure, and the share of false alarms.

    Raises
    ------
    BaselineError
        The outcomes in the baseline cannot be read.
    """
    from pytest_mlperf.gate.paired import estimate

    old, new = before.result.accuracy, result.accuracy
    if old is None or new is None:
        raise ValueError("both are accuracy runs")
    if before.answers_sha256 == now.sha256 and before.result.dataset_sha256 == result.dataset_sha256:
        return _accuracies(before, old.value, new, new.value).same(new.samples)
    pair = _other_data(before.result, result) or _paired(before, now)
    if isinstance(pair, str):
        return _accuracies(before, old.value, new, new.value).not_comparable(pair)
    points = 1.0 if new.unit == "%" else 0.01
    figures = _accuracies(before, pair[0].value(), new, pair[1].value())
    return figures.by(estimate(*pair, alpha), allowed.accuracy_drop * points)


def _accuracies(before: Before, old: float, new: Accuracy, now: float) -> Compared:
    return Compared(before.name, before.commit, new.metric, new.unit, old, now)


def _paired(before: Before, now: Left) -> tuple[Outcomes, Outcomes] | str:
    """Return the outcomes of the samples that both runs have, or why there are none."""
    from pytest_mlperf.metrics.outcomes import paired

    if now.outcomes is None or (old := before.outcomes()) is None:
        return "the metric does not say what it is made of"
    if type(old) is not type(now.outcomes):
        return "the metric is another kind of metric now"
    pair = paired(old, now.outcomes)
    return pair if len(pair[0].ids) else "no sample is in both runs"


def compare_performance(
    name: str, entry: Entry, result: RunResult, machine: Fingerprint, allowed: Allowed, alpha: float
) -> Comparison:
    """Return how the figure of a performance run stands to those of an entry.

    One figure of another day says little: there must be `HISTORY` of the same machine, whose spread is the measure.
    """
    old, new = entry.result.performance, result.performance
    if old is None or new is None:
        raise ValueError("both are performance runs")
    figures = Compared(name, entry.commit, new.words, new.unit, old.value, new.value)
    if reason := _other_runs(entry, result, machine):
        return figures.not_comparable(reason)
    if not old.value or not new.value:
        return figures.not_comparable("a run has no figure")
    found = _from_history(entry.figures, new.value, rate="/s" in new.unit, alpha=alpha)
    return replace(figures, before=fmean(entry.figures)).by(found, allowed.slowdown)


def compare_turns(name: str, result: RunResult, allowed: Allowed, alpha: float) -> Comparison:
    """Return how the speed of a run's model stands to that of another one, by calls of both that took turns.

    Bursts are not quite independent, and so half of `alpha` is used; see `gate.speed`.

    Parameters
    ----------
    name
        The other model's.
    result, allowed, alpha
        As for `compare_performance`.
    """
    turns = result.turns
    if turns is None:
        reason = "the implementation python alone times two models in turns, on a device of this machine"
        return Compared(name, "", "a call", "ms", None, None).not_comparable(reason)
    import numpy as np

    from pytest_mlperf.gate.speed import slowdown

    call = f"a call of {turns.batch} sample{'s' if turns.batch > 1 else ''} in ms"
    figures = Compared(name, "", call, "ms", 1000 * min(turns.old), 1000 * min(turns.new))
    return figures.by(slowdown(np.array(turns.old), np.array(turns.new), alpha / 2), allowed.slowdown)


def _from_history(figures: tuple[float, ...], now: float, *, rate: bool, alpha: float) -> Estimate:
    """Return the slowdown of one more run in percent, with the bounds in which runs without a change lie.

    The logarithms are a t sample; one more value of it has the standard error ``s * sqrt(1 + 1/n)``.
    """
    import numpy as np
    from scipy import special

    from pytest_mlperf.gate.verdict import Estimate

    logs = np.log(np.array(figures))
    count, spread = len(logs), float(logs.std(ddof=1))
    slower = (1 if not rate else -1) * (math.log(now) - float(logs.mean()))
    margin = float(special.stdtrit(count - 1, 1 - alpha)) * spread * math.sqrt(1 + 1 / count)
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

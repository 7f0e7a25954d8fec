"""Compares the results of two sources, case by case, with the statistics of the gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlperf.baselines.compare import Before, compare_accuracy, compare_performance
from pytest_mlperf.gate.comparison import Compared
from pytest_mlperf.gate.verdict import corrected
from pytest_mlperf.run.case import ACCURACY, PERFORMANCE

if TYPE_CHECKING:
    from pytest_mlperf.baselines.compare import Allowed
    from pytest_mlperf.gate.comparison import Comparison
    from pytest_mlperf.results.held import Held, Key
    from pytest_mlperf.results.source import Source
    from pytest_mlperf.run.result import RunResult


@dataclass(frozen=True)
class Pair:
    """Two results of one case, and how the second one stands to the first."""

    key: Key
    before: RunResult
    now: RunResult
    comparison: Comparison

    @property
    def change(self) -> float | None:
        """The change of the figure: of performance in percent, of accuracy in the metric's unit; None without one."""
        before, now = self.comparison.before, self.comparison.now
        if before is None or now is None:
            return None
        if self.now.mode == ACCURACY:
            return now - before
        return 100 * (now / before - 1) if before else None


@dataclass(frozen=True)
class Comparisons:
    """What the comparison of two sources found.

    Attributes
    ----------
    before, now
        The sources' names.
    pairs
        The cases that both have.
    only_before, only_now
        The cases that one of both has.
    """

    before: str
    now: str
    pairs: tuple[Pair, ...]
    only_before: tuple[Key, ...]
    only_now: tuple[Key, ...]


def compare(before: Source, now: Source, allowed: Allowed) -> Comparisons:
    """Return how each result of `now` stands to that of the same case in `before`.

    The share of false alarms is that of all comparisons together (`corrected`).

    Parameters
    ----------
    before, now
        The sources. If one is a submission, cases are paired by benchmark and scenario, where each has one of these.
    allowed
        What is no failure.
    """
    if before.submitted != now.submitted:
        before, now = before.by_benchmark(), now.by_benchmark()
    keys = sorted(key for key in before.held.keys() & now.held.keys() if _has_figures(before.held[key], now.held[key]))
    alpha = corrected(len(keys))
    return Comparisons(
        before.name,
        now.name,
        tuple(_pair(before.name, key, before.held[key], now.held[key], allowed, alpha) for key in keys),
        tuple(sorted(before.held.keys() - now.held.keys())),
        tuple(sorted(now.held.keys() - before.held.keys())),
    )


def _has_figures(before: Held, now: Held) -> bool:
    """Return whether there is something to compare: not where neither run has a figure, as in conformance mode."""
    return any(each.result.accuracy or each.result.performance for each in (before, now))


def _pair(name: str, key: Key, before: Held, now: Held, allowed: Allowed, alpha: float) -> Pair:
    old, new = before.result, now.result
    if old.accuracy is not None and new.accuracy is not None:
        found = _accuracy(name, before, now, allowed, alpha)
    elif old.performance is not None and new.performance is not None:
        found = _performance(name, before, now, allowed, alpha)
    else:
        found = Compared(name, before.commit, "", "", None, None).not_comparable("one of the runs failed")
    return Pair(key, old, new, found)


def _accuracy(name: str, before: Held, now: Held, allowed: Allowed, alpha: float) -> Comparison:
    old, new = before.result.accuracy, now.result.accuracy
    if old is None or new is None:
        raise ValueError("both are accuracy runs")
    values = Compared(name, before.commit, new.metric, new.unit, old.value, new.value)
    earlier = before.left()
    if isinstance(earlier, str):
        return values.not_comparable(f"of the first run: {earlier}")
    later = now.left()
    if isinstance(later, str):
        return values.not_comparable(f"of the second run: {later}")
    what = Before(name, before.commit, before.result, earlier.sha256, lambda: earlier.outcomes)
    return compare_accuracy(what, now.result, later, allowed, alpha)


def _performance(name: str, before: Held, now: Held, allowed: Allowed, alpha: float) -> Comparison:
    old, new = before.result.performance, now.result.performance
    if old is None or new is None:
        raise ValueError("both are performance runs")
    values = Compared(name, before.commit, new.words, new.unit, old.value, new.value)
    if old.words != new.words:
        return values.not_comparable(f"the first figure is of another kind: {old.words}")
    if now.result.mode != PERFORMANCE:
        return values.not_comparable("a compliance test stands to the runs of its own session")
    if before.machine is None or now.machine is None:
        return values.not_comparable("it is not known whether both were run on the same machine")
    return compare_performance(name, before.entry(before.machine), now.result, now.machine, allowed, alpha)

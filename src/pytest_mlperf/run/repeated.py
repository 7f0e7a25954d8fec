"""Several runs of one case in a session: their median, their spread, and the worst verdict."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_mlperf.run.result import RunResult

#: The verdicts of runs whose figure says nothing.
_NO_FIGURE = ("failed", "INVALID")
#: The verdicts that fail no run, the better one last; any other one is worse.
_BY_MERIT = ("not comparable", "VALID")


class Repeated(msgspec.Struct, frozen=True, kw_only=True):
    """What the runs of one case say together.

    Attributes
    ----------
    case, mode
        See `RunResult`.
    runs, counted
        How many runs were asked for, and of how many the figures are: those that are not INVALID, if there are some.
    figure, unit
        What was measured.
    median, least, most
        Of the counted runs, in that unit; None if no run has a figure.
    verdict
        The worst of all runs, with how many have it where not all do: ``INVALID in 1 of 3``.
    """

    case: str
    mode: str
    runs: int
    counted: int
    verdict: str
    figure: str = ""
    unit: str = ""
    median: float | None = None
    least: float | None = None
    most: float | None = None


def by_repetition(results: Iterable[RunResult]) -> list[list[RunResult]]:
    """Return results with the repetitions of a case together, each group where its first run was.

    Two tests may both repeat a case: then there are two groups.
    """
    groups: dict[tuple[str, str, str, int, int], list[RunResult]] = {}
    seen: Counter[tuple[str, str, str, int, int]] = Counter()
    for result in results:
        run = (result.case, result.mode, result.test, result.repetitions, result.repetition)
        seen[run] += 1
        groups.setdefault((*run[:4], seen[run]), []).append(result)
    return list(groups.values())


def together(runs: Sequence[RunResult]) -> Repeated:
    """Return what the runs of one case say together."""
    figures = [run.performance for run in counting(runs) if run.performance is not None]
    values = [each.value for each in figures if each.value is not None]
    asked = max(len(runs), runs[0].repetitions)
    known = Repeated(
        case=runs[0].case, mode=runs[0].mode, runs=asked, counted=len(values), verdict=_worst_verdict(runs)
    )
    if not values:
        return known
    return msgspec.structs.replace(
        known,
        figure=figures[0].words,
        unit=figures[0].unit,
        median=statistics.median(values),
        least=min(values),
        most=max(values),
    )


def counting(runs: Sequence[RunResult]) -> list[RunResult]:
    """Return the runs whose figures count, the worst figure first: those that are not INVALID; without one, all."""
    with_figure = [(run, _merit(run)) for run in runs if run.performance is not None and run.performance.value]
    good = [each for each in with_figure if each[0].verdict not in _NO_FIGURE]
    return [run for run, _ in sorted(good or with_figure, key=lambda each: each[1])]


def median_run(runs: Sequence[RunResult]) -> RunResult | None:
    """Return the run with the median figure; of two in the middle, the one with the worse figure. None without one."""
    ordered = counting(runs)
    return ordered[(len(ordered) - 1) // 2] if ordered else None


def worst_run(runs: Sequence[RunResult]) -> RunResult:
    """Return the run with the worst verdict, the first of several."""
    return min(runs, key=_standing)


def _merit(run: RunResult) -> float:
    """Return what is greater for a better figure: more in a second, or a shorter time."""
    value, unit = (run.performance.value or 0.0, run.performance.unit) if run.performance is not None else (0.0, "")
    return value if "/s" in unit else -value


def _standing(run: RunResult) -> int:
    if run.verdict in _NO_FIGURE:
        return _NO_FIGURE.index(run.verdict)
    if run.errors or run.verdict not in _BY_MERIT:
        return len(_NO_FIGURE)
    return len(_NO_FIGURE) + 1 + _BY_MERIT.index(run.verdict)


def _worst_verdict(runs: Sequence[RunResult]) -> str:
    worst = worst_run(runs).verdict
    count = sum(run.verdict == worst for run in runs)
    return worst if count == len(runs) else f"{worst} in {count} of {len(runs)}"

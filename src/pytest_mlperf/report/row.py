"""A result as one row of a table, for every place that shows one: its cells as texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.run.case import CONFORMANCE
from pytest_mlperf.run.repeated import by_repetition, median_run, together, worst_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_mlperf.run.repeated import Repeated
    from pytest_mlperf.run.result import RunResult

MEBIBYTE = 1 << 20
COLUMNS = ("case", "mode", "result", "target", "verdict", "p50 / p90 / p99 ms", "wall", "memory")
#: The verdicts that are good news.
GOOD = ("VALID", "reached", "TEST PASS", "conforms")


class Row(NamedTuple):
    """The table cells of one result."""

    case: str
    mode: str
    result: str
    target: str
    verdict: str
    latencies: str
    wall: str
    memory: str


def rows(results: Iterable[RunResult]) -> list[Row]:
    """Return the table: a row for each case, also where it was run several times."""
    return [row_of(runs) for runs in by_repetition(results)]


def row_of(runs: Sequence[RunResult]) -> Row:
    """Return the table cells of the repetitions of a case, or of a single run.

    The figure is the median with the least and the most, the latencies are those of the run in the middle, the verdict
    is the worst; the time is that of all runs, and the memory the most of any.
    """
    if len(runs) == 1 and runs[0].repetitions == 1:
        return row(runs[0])
    found = together(runs)
    cells = row(median_run(runs) or worst_run(runs))
    wall = sum(run.seconds.get("wall", 0.0) for run in runs)
    memory = max(run.peak_memory_bytes for run in runs)
    return cells._replace(
        result=_with_spread(found, runs),
        verdict=with_length(found.verdict, short=any(run.run_length == "short" for run in runs)),
        wall=f"{wall:.1f} s" if wall else "–",
        memory=f"{memory / MEBIBYTE:,.0f} MiB" if memory else "–",
    )


def _with_spread(found: Repeated, runs: Sequence[RunResult]) -> str:
    of = f"{found.counted} of {found.runs}" if found.counted != found.runs else f"{found.runs}"
    if found.median is None:
        return f"– ({of} runs)"
    short = next((run.performance.short for run in runs if run.performance is not None), "")
    spread = f"{number(found.least)}–{number(found.most)}, {of} runs"
    return f"{f'{short}: ' if short else ''}{number(found.median)} {found.unit} ({spread})"


def row(result: RunResult) -> Row:
    """Return the table cells of one result."""
    value, target, latencies = "–", "–", "–"
    if result.accuracy is not None:
        accuracy = result.accuracy
        value = f"{accuracy.metric} {accuracy.shown(accuracy.value)}"
        target = accuracy.shown(accuracy.target) if accuracy.target is not None else "–"
    if result.performance is not None:
        figures = result.performance
        if figures.value is not None:
            value = f"{f'{figures.short}: ' if figures.short else ''}{number(figures.value)} {figures.unit}"
        target = figures.bound or "–"
        if figures.latency_ms:
            latencies = " / ".join(number(figures.latency_ms.get(p)) for p in ("p50", "p90", "p99"))
    if result.mode == CONFORMANCE and result.checks:
        good = sum(check.outcome == "passed" for check in result.checks)
        value = f"{good} of {len(result.checks)} checks"
    if result.compliance is not None and result.compliance.reference is not None:
        target = f"as {number(result.compliance.reference)} {result.compliance.unit}"
    return Row(
        case=result.case,
        mode=f"{result.mode} {result.test}" if result.test else result.mode,
        result=value,
        target=target,
        verdict=verdict(result),
        latencies=latencies,
        wall=f"{result.seconds['wall']:.1f} s" if "wall" in result.seconds else "–",
        memory=f"{result.peak_memory_bytes / MEBIBYTE:,.0f} MiB" if result.peak_memory_bytes else "–",
    )


def verdict(result: RunResult) -> str:
    """Return the verdict, with ``(short)`` after that of a short run."""
    return with_length(result.verdict, short=result.run_length == "short" and result.mode != CONFORMANCE)


def with_length(verdict: str, *, short: bool) -> str:
    """Return a verdict, with ``(short)`` after that of a short run."""
    return f"{verdict} (short)" if short else verdict


def number(value: float | None) -> str:
    """Return four significant digits without an exponent."""
    if value is None:
        return "–"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"

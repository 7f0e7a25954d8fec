"""A result as one row of a table, for every place that shows one: its cells as texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.run.case import CONFORMANCE

if TYPE_CHECKING:
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
    short = result.run_length == "short" and result.mode != CONFORMANCE
    return f"{result.verdict} (short)" if short else result.verdict


def number(value: float | None) -> str:
    """Return four significant digits without an exponent."""
    if value is None:
        return "–"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"

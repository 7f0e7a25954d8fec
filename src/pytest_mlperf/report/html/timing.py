"""The plots of a performance run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_mlperf.report.html import plots

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.report.html.plot import Plot
    from pytest_mlperf.run.result import RunResult

_BOUND = re.compile(r"within ([\d,.]+) ms")


def plots_of(result: RunResult) -> Iterator[Plot]:
    """Yield what a performance run has to show."""
    sketch, line, bound = result.latencies, result.timeline, _bound_ms(result)
    if any("p99" in probe.latency_ms for probe in result.peak):
        yield plots.peak(result.peak, bound)
    if sketch is not None and result.performance is not None:
        latency = result.performance.latency_ms
        yield plots.latencies(sketch.quantiles_ms, sketch.of, sketch.count, latency, bound)
    if line is not None and any(value is not None for value in line.p50_ms):
        yield plots.latencies_over_time(line.bin_seconds, line.p50_ms, line.p99_ms)
    if line is not None and line.completed:
        yield plots.throughput(line.bin_seconds, line.completed)


def _bound_ms(result: RunResult) -> float | None:
    found = _BOUND.search(result.performance.bound) if result.performance is not None else None
    return float(found[1].replace(",", "")) if found else None

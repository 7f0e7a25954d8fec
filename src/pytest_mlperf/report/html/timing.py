"""The plots of a performance run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_mlperf.report.html import plots

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.report.html.plots import Plot
    from pytest_mlperf.run.result import RunResult

_BOUND = re.compile(r"within ([\d,.]+) ms")


def plots_of(result: RunResult) -> Iterator[Plot]:
    """Yield what a performance run has to show."""
    sketch, line = result.latencies, result.timeline
    if sketch is not None and result.performance is not None:
        bound = _BOUND.search(result.performance.bound)
        yield plots.latencies(
            sketch.quantiles_ms,
            sketch.of,
            sketch.count,
            result.performance.latency_ms,
            float(bound[1].replace(",", "")) if bound else None,
        )
    if line is not None and any(value is not None for value in line.p50_ms):
        yield plots.latencies_over_time(line.bin_seconds, line.p50_ms, line.p99_ms)
    if line is not None and line.completed:
        yield plots.throughput(line.bin_seconds, line.completed)

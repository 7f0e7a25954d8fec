"""The latency of a Server case by its rate, from the probes that found its peak."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.report.row import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_mlperf.run.probe import Probe
    from pytest_mlperf.run.result import RunResult

#: Probes at rates that differ by less are shown as one point: they differ by noise alone.
ALIKE = 1.02
#: A line on a terminal has no more points than this.
MOST_TOLD = 8


class Place(NamedTuple):
    """A point of the curve: the rate, the medians of the probes' p50 and p99 in ms, whether most of them were late."""

    rate: float
    p50: float
    p99: float
    is_late: bool


def curve(probes: Sequence[Probe]) -> list[Place]:
    """Return the curve of some probes, by rising rate; those that were ended have no latencies."""
    return [_place(group) for group in _groups(probes)]


def peak_lines(results: Sequence[RunResult]) -> Iterator[str]:
    """Yield a line for each result that was run at its peak."""
    for result in results:
        if result.peak:
            chosen = result.peak[-1]
            points = ", ".join(f"{number(place.p99)} at {number(place.rate)}" for place in _told(result.peak))
            probes = sum(probe.purpose != "confirming" for probe in result.peak)
            yield f"peak of {result.case}: {number(chosen.rate)} queries/s offered, by {probes} probes" + (
                f"; p99 in ms by rate: {points}" if points else ""
            )


def _groups(probes: Sequence[Probe]) -> list[list[Probe]]:
    groups: list[list[Probe]] = []
    for probe in sorted((probe for probe in probes if "p99" in probe.latency_ms), key=lambda probe: probe.rate):
        if groups and probe.rate <= ALIKE * groups[-1][0].rate:
            groups[-1].append(probe)
        else:
            groups.append([probe])
    return groups


def _place(group: Sequence[Probe]) -> Place:
    return Place(
        statistics.median(probe.rate for probe in group),
        statistics.median(probe.latency_ms["p50"] for probe in group),
        statistics.median(probe.latency_ms["p99"] for probe in group),
        is_late=sum(probe.verdict != "VALID" for probe in group) > len(group) / 2,
    )


def _told(probes: Sequence[Probe]) -> list[Place]:
    """Return the points that are told in a line: those nearest to the chosen rate."""
    chosen = probes[-1].rate
    nearest = sorted(curve(probes), key=lambda place: abs(place.rate - chosen))[:MOST_TOLD]
    return sorted(nearest)

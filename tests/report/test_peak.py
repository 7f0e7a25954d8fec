"""The curve of a Server case: told in a line, in a cell and as a plot, with the noise of probes taken out."""

from __future__ import annotations

import csv
import io

import pytest

from pytest_mlperf.report.csv_file import table
from pytest_mlperf.report.html.timing import plots_of
from pytest_mlperf.report.peak import curve, peak_lines
from pytest_mlperf.run.probe import Probe, Purpose
from tests.report.results import performance


def probe(rate: float, p99: float, late: int, purpose: Purpose = "full") -> Probe:
    latency = {"p50": p99 / 4, "p90": p99 / 2, "p99": p99}
    return Probe(
        rate, 2010, late=late, verdict="INVALID" if late > 10 else "VALID", purpose=purpose, latency_ms=latency
    )


PEAK = (
    probe(200.0, 40.0, 0, "short"),
    Probe(900.0, 300, late=None, verdict="ended", purpose="short"),
    probe(400.0, 90.0, 3),
    probe(402.0, 110.0, 15),
    probe(404.0, 120.0, 30),
    probe(390.0, 80.0, 0, "confirming"),
)


def test_probes_at_about_the_same_rate_are_one_point() -> None:
    assert curve(PEAK) == [
        (200.0, 10.0, 40.0, False),
        (390.0, 20.0, 80.0, False),
        (402.0, 27.5, 110.0, True),
    ]
    assert curve(PEAK[1:2]) == []


def test_a_line_tells_the_rate_and_the_curve() -> None:
    assert list(peak_lines([performance(), performance("a-case", peak=PEAK)])) == [
        "peak of a-case: 390 queries/s offered, by 5 probes; p99 in ms by rate: 40 at 200, 80 at 390, 110 at 402"
    ]


def test_a_cell_has_every_probe() -> None:
    first, second = csv.DictReader(io.StringIO(table((performance(), performance(peak=PEAK)))))
    assert (first["peak_qps"], first["peak_probes"]) == ("", "")
    assert float(second["peak_qps"]) == 390
    probes = second["peak_probes"].split("; ")
    assert probes[1:3] == ["900 queries/s, too much to keep up with", "400 queries/s, 3 of 2,010 late"]
    assert len(probes) == len(PEAK)


def test_the_plot_has_a_dot_for_each_probe_with_latencies_and_the_number_of_the_chosen_one() -> None:
    [plot] = plots_of(performance(peak=PEAK))
    assert plot.title == "Latency by rate"
    assert len(plot.marks) == 5
    assert [mark.text for mark in plot.marks if mark.text] == ["390"]
    assert [line.name for line in plot.legend] == ["99th percentile", "median"]
    assert [rule.text for rule in plot.rules] == ["bound 100 ms"]
    assert "The chosen rate is 390 queries/s" in plot.alt
    assert "6 runs at 200 to 900 queries/s, of which 3 had too many late queries" in plot.alt


@pytest.mark.parametrize("peak", [(), PEAK[1:2]])
def test_without_latencies_there_is_no_plot(peak: tuple[Probe, ...]) -> None:
    assert list(plots_of(performance(peak=peak))) == []

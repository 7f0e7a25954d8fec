from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from pytest_mlperf.artifacts.sources import Progress as FetchProgress
from pytest_mlperf.implementations.protocol import Progress
from pytest_mlperf.metrics.limit import Limit
from pytest_mlperf.report.progress import Rate, describe, describe_fetch
from pytest_mlperf.report.row import Row, number, row
from pytest_mlperf.report.table import table
from pytest_mlperf.report.terminal import lacking, title
from pytest_mlperf.rules.accuracy import Accuracy
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.performance import Performance
from pytest_mlperf.run.result import RunResult

if TYPE_CHECKING:
    from collections.abc import Sequence

LACK = Finding(rule="min-duration", severity="note", what="w", expected="a minimum of 600 s", found="0 s", fix="f")


def result(**changes: Any) -> RunResult:
    values: dict[str, Any] = {
        "case": "retinanet-tiny-onnxruntime-cpu-SingleStream",
        "benchmark": "retinanet-tiny",
        "edition": "tiny",
        "implementation": "python",
        "backend": "onnxruntime",
        "device": "cpu",
        "scenario": "SingleStream",
        "mode": "performance",
        "run_length": "short",
        "verdict": "VALID",
        "performance": Performance(
            value=1.23456,
            unit="ms",
            words="90th-percentile latency, early stopping",
            short="p90, early stopping",
            valid=True,
            samples=64,
            latency_ms={"p50": 1.0, "p90": 1.234, "p99": 12.345},
        ),
        "findings": (LACK,),
        "seconds": {"wall": 2.34},
        "peak_memory_bytes": 150 << 20,
    }
    return RunResult(**(values | changes))


ACCURACY = Accuracy(
    metric="mAP",
    unit="%",
    value=71.2345,
    limits=(Limit("mAP", minimum=70.5, reference=71.2, samples=500),),
    samples=500,
    dataset_size=500,
    values={"mAP": 71.2345},
    text="mAP=71.234%\n",
)


def lines(rows: Sequence[Row], width: int, colours: str | None = None) -> list[str]:
    console = Console(file=StringIO(), width=width, color_system=colours, force_terminal=True)  # type: ignore[arg-type]
    console.print(*table(rows, width), sep="\n")
    written = console.file
    assert isinstance(written, StringIO)
    return [line.rstrip() for line in written.getvalue().splitlines()]


def test_the_title_names_editions_and_the_rounds_that_were_followed() -> None:
    assert title([result()]) == "MLPerf results: tiny edition"
    assert title([result(round="v5.1"), result()]) == "MLPerf results: tiny edition, round v5.1"
    both = [result(round="v6.1", edition="official"), result(round="v4.0")]
    assert title(both) == "MLPerf results: official edition, tiny edition, rounds v4.0 and v6.1"


def test_a_wide_terminal_gets_a_line_a_result_under_a_header() -> None:
    header, first, second = lines(
        [row(result()), row(result(performance=None, accuracy=ACCURACY, verdict="reached"))], 200
    )
    assert header.split()[:3] == ["case", "mode", "result"]
    assert "VALID (short)" in first
    assert "1 / 1.234 / 12.35" in first
    assert "mAP 71.234 %" in second
    assert "70.500 %" in second


@pytest.mark.parametrize("width", [80, 100])
def test_a_narrow_terminal_gets_lines_that_fit(width: int) -> None:
    shown = lines([row(result()), row(result(performance=None, accuracy=ACCURACY))], width)
    assert all(len(line) <= width for line in shown)
    assert "target 70.500 %" in " ".join(shown)


def test_the_verdict_has_a_colour_where_there_are_some() -> None:
    rows = [row(result()), row(result(verdict="INVALID"))]
    plain, coloured = (lines(rows, 200, colours) for colours in (None, "standard"))
    assert "\x1b" not in "".join(plain)
    assert "\x1b[32mVALID (short)" in coloured[1]
    assert "\x1b[31mINVALID (short)" in coloured[2]


@pytest.mark.parametrize("width", [80, 300])
def test_a_name_has_no_effect_on_the_terminal(width: int) -> None:
    [*_, line] = lines([row(result(case="a\x1b[2Jb\nc[red]d"))], width)[: 2 if width == 300 else 1]
    assert "\x1b" not in line
    assert "c[red]d" in line


def test_what_is_short_says_so_and_official_does_not() -> None:
    assert row(result()).verdict == "VALID (short)"
    assert row(result(run_length="official")).verdict == "VALID"


def test_a_failed_run_shows_no_figure() -> None:
    cells = row(result(performance=None, verdict="failed", seconds={}, peak_memory_bytes=0))
    assert (cells.result, cells.latencies, cells.wall, cells.memory) == ("–", "–", "–", "–")


def test_each_need_is_told_once() -> None:
    other = LACK.__class__(
        rule="samples-per-query", severity="note", what="w", expected="24,576 samples", found="500", fix="f"
    )
    found = lacking([result(), result(), result(scenario="Offline", findings=(LACK, other))])
    assert found == [
        "  SingleStream performance: a minimum of 600 s (here: 0 s)",
        "  Offline performance: a minimum of 600 s (here: 0 s)",
        "  Offline performance: 24,576 samples (here: 500)",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0123456, "0.01235"), (12.3456, "12.35"), (1234567.8, "1,234,568")],
)
def test_a_number_has_four_digits_and_no_exponent(value: float | None, text: str) -> None:
    assert number(value) == text


def test_the_rate_is_that_of_the_last_moments() -> None:
    now = [0.0]
    rate = Rate(clock=lambda: now[0])
    for second in range(21):
        now[0] = second
        found = rate.update("accuracy", 100 * min(second, 10) + 10 * max(0, second - 10))
    assert found == pytest.approx(10)


def test_a_new_phase_starts_a_new_rate() -> None:
    now = [0.0]
    rate = Rate(clock=lambda: now[0])
    rate.update("warming up", 0)
    now[0] = 100.0
    rate.update("accuracy", 0)
    now[0] = 101.0
    assert rate.update("accuracy", 50) == pytest.approx(50)


@pytest.mark.parametrize(
    ("progress", "rate", "text"),
    [
        (Progress(phase="loading"), 0.0, "loading"),
        (Progress(phase="accuracy", done=250, total=500), 100.0, "accuracy, 250/500 samples, 100/s, 2 s left"),
        (Progress(phase="performance", done=1000), 12.345, "performance, 1,000 samples, 12.35/s"),
        (
            Progress(phase="performance", done=1000, seconds=50.0, least_seconds=600.0),
            20.0,
            "performance, 1,000 samples, 20/s, 9 min 10 s left",
        ),
        (
            Progress(phase="performance", done=10, seconds=2.0, expected_seconds=31.0, length="short"),
            5.0,
            "performance (short), 10 samples, 5/s, 29 s left",
        ),
        (
            Progress(phase="accuracy", done=100, total=24_781),
            0.65,
            "accuracy, 100/24,781 samples, 0.65/s, 10 h 32 min left",
        ),
    ],
)
def test_progress_is_told_in_words(progress: Progress, rate: float, text: str) -> None:
    assert describe(progress, rate) == text


@pytest.mark.parametrize(
    ("progress", "rate", "text"),
    [
        (
            FetchProgress("model.onnx", 30_000_000, 148_688_824, 0, 0, 1),
            10_000_000.0,
            "fetching model.onnx, 30.0/148.7 MB, 10 MB/s, 12 s left",
        ),
        (
            FetchProgress("images", 28_000_000, None, 0, 100, 500),
            1_000_000.0,
            "fetching images, 100/500 files, 28.0 MB, 1 MB/s, 1 min 52 s left",
        ),
        (FetchProgress("list", 0, None, 0, 0, 1), 0.0, "fetching list, 0.0 MB"),
    ],
)
def test_the_progress_of_a_download_is_told_in_words(progress: FetchProgress, rate: float, text: str) -> None:
    assert describe_fetch(progress, rate) == text

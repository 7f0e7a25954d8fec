"""Results for pages: good ones, failed ones, and some whose every text is hostile."""

from __future__ import annotations

import datetime
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.gate.comparison import Comparison
from pytest_mlperf.implementations.timeline import LatencySketch, Timeline
from pytest_mlperf.machine.hardware import Machine
from pytest_mlperf.metrics.limit import Limit
from pytest_mlperf.registry import Registry
from pytest_mlperf.report.finished import Finished
from pytest_mlperf.report.html.page import Around, render
from pytest_mlperf.report.html.surroundings import machine_facts
from pytest_mlperf.rules.accuracy import Accuracy
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.performance import Performance
from pytest_mlperf.run.result import RunResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.report.html.past import Series

HERE = Machine(processor="A processor", memory_bytes=16 << 30, operating_system="Linux", kernel="6.1")
STARTED = datetime.datetime(2026, 11, 27, 12, 0)


def result(case: str = "bert-99-tiny-onnxruntime-cpu-Offline", **facts: Any) -> RunResult:
    """Return a result with these facts."""
    known: dict[str, Any] = {"benchmark": "bert-99-tiny", "edition": "tiny", "implementation": "python"}
    known |= {"backend": "onnxruntime", "device": "cpu", "scenario": "Offline", "mode": "accuracy"}
    known |= {"run_length": "short", "verdict": "reached", "versions": {"onnxruntime": "1.32.0"}, "round": "v5.1"}
    return RunResult(**{**known, "case": case, **facts})


def accuracy(value: float = 93.5, **facts: Any) -> Accuracy:
    limits = (Limit(value="F1", minimum=90.0, reference=90.9),)
    known: dict[str, Any] = {"metric": "F1", "unit": "%", "limits": limits, "samples": 9, "dataset_size": 9}
    return Accuracy(**{**known, "value": value, "values": {"F1": value}, "text": "", **facts})


def timed(number: int = 0, **facts: Any) -> RunResult:
    """Return a performance run with latencies and a time line."""
    chance = random.Random(number)
    latencies = sorted(chance.gammavariate(2, 3) + number % 7 for _ in range(101))
    figures = Performance(
        value=latencies[90],
        unit="ms",
        words="90th-percentile latency, early stopping",
        short="p90, early stopping",
        percentile=0.9,
        valid=True,
        samples=2_000,
        latency_ms={"p50": latencies[50], "p90": latencies[90], "p99": latencies[99]},
    )
    bins = 200
    known: dict[str, Any] = {
        "scenario": "SingleStream",
        "mode": "performance",
        "verdict": "VALID",
        "performance": figures,
        "latencies": LatencySketch(of="queries", count=2_000, quantiles_ms=tuple(latencies)),
        "timeline": Timeline(
            bin_seconds=0.05,
            completed=tuple(chance.randrange(5, 15) for _ in range(bins)),
            p50_ms=tuple(chance.uniform(2, 5) for _ in range(bins)),
            p99_ms=tuple(chance.uniform(5, 15) for _ in range(bins)),
        ),
        "seconds": {"wall": 3.0 + number},
        "peak_memory_bytes": 100 << 20,
    }
    return result(**{"case": f"bert-99-tiny-onnxruntime-cpu-SingleStream-{number}", **known, **facts})


def failed(**facts: Any) -> RunResult:
    finding = Finding(
        rule="accuracy-target",
        what="F1 is below the benchmark's target",
        expected="at least 90 %",
        found="81 % on 9 samples",
        fix="check the model",
    )
    return result(**{"verdict": "below target", "accuracy": accuracy(81), "findings": (finding,), **facts})


def compared(verdict: str = "worse", **facts: Any) -> Comparison:
    known: dict[str, Any] = {"baseline": "main", "figure": "F1", "unit": "%", "before": 93.0, "now": 91.5}
    known |= {"allowed": 0.1, "drop": 1.5, "lower": 0.9, "upper": 2.1, "alpha": 0.01, "samples": 500}
    known |= {"commit": "0123456789abcdef", "method": "a paired t test"}
    return Comparison(**{**known, "verdict": verdict, **facts})


def page(
    results: Sequence[RunResult], *, command: Sequence[str] = ("pytest", "benchmarks"), series: Series | None = None
) -> str:
    """Return the page of these results."""
    finished = Finished(tuple(results), tuple(command), STARTED, Path.cwd())
    return render(
        finished, Around(tuple(machine_facts(HERE, finished.results)), "0123456789abcdef0123", Registry(), series)
    )


#: A text that is markup, ends an attribute, an element or a comment, and runs a script if any of it is not escaped.
HOSTILE = (
    "\"'></td></tr></table></details><script>document.title='owned'</script>"
    "<img src=x onerror=\"document.title='owned'\"><a href=\"javascript:document.title='owned'\">-->]]>{{ 7*7 }}"
    "{% raw %}</title></style></textarea>\u202e\x1b[31m\x00&amp;"
)


def hostile(mode: str = "accuracy") -> RunResult:
    """Return a result of which every text is hostile."""
    finding = Finding(rule=HOSTILE, what=HOSTILE, expected=HOSTILE, found=HOSTILE, fix=HOSTILE)
    note = Finding(rule="accuracy-samples", severity="note", what=HOSTILE, expected=HOSTILE, found=HOSTILE, fix=HOSTILE)
    named = "case benchmark implementation backend device scenario round verdict test label model model_sha256"
    texts = [*named.split(), "dataset", "dataset_sha256", "variant"]
    facts: dict[str, Any] = dict.fromkeys(texts, HOSTILE)
    facts |= {"findings": (finding, note), "notes": (HOSTILE,), "versions": {HOSTILE: HOSTILE}, "mode": mode}
    if mode == "performance":
        facts["performance"] = Performance(
            value=1.0, unit=HOSTILE, words=HOSTILE, short=HOSTILE, valid=False, samples=1, latency_ms={}, bound=HOSTILE
        )
    else:
        facts["accuracy"] = accuracy(1.0, metric=HOSTILE, unit=HOSTILE)
        facts["comparison"] = compared(baseline=HOSTILE, figure=HOSTILE, unit=HOSTILE, method=HOSTILE, commit=HOSTILE)
    return result(**facts)

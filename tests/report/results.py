"""Results for the tests of reports, made without a run."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.gate.comparison import Comparison
from pytest_mlperf.report.finished import Finished, Item
from pytest_mlperf.rules.accuracy import Accuracy
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.performance import Performance
from pytest_mlperf.run.result import RunResult

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What a name may have that is something else for a page, a shell, a spreadsheet or a parser.
HOSTILE = "=1+1,\"q'\n::error::x\r|`%0A#{}\\\t<script>\x1b[31m🙂 ::set-output name=a::b"
FINDING = Finding(
    rule="accuracy-target", what="acc is below the benchmark's target", expected="97.4", found="90", fix="check it"
)

UNDECIDED = Comparison(baseline="b", figure="F1", unit="%", before=94.0, now=93.5, allowed=0.1, verdict="undecided")


def accuracy(case: str = "bert-99-tiny-onnxruntime-cpu-Offline", **facts: Any) -> RunResult:
    """Return the result of an accuracy run."""
    measured = Accuracy(
        metric="F1",
        unit="%",
        value=93.5,
        limits=(),
        samples=9,
        dataset_size=10,
        values={"F1": 93.5, "exact match": 88.0},
        text="",
    )
    return RunResult(case=case, accuracy=measured, **{**_known("accuracy", "reached"), **facts})


def performance(case: str = "bert-99-tiny-onnxruntime-cpu-Server", **facts: Any) -> RunResult:
    """Return the result of a performance run in Server."""
    measured = Performance(
        value=126.3,
        unit="queries/s",
        words="completed queries per second, p99 within 100 ms",
        valid=True,
        samples=2010,
        latency_ms={"p50": 1.0, "p90": 2.5, "p99": 9.0},
        bound="p99 within 100 ms",
    )
    return RunResult(
        case=case, performance=measured, **{**_known("performance", "VALID"), "scenario": "Server", **facts}
    )


def item(root: Path, failure: str = "why", result: RunResult | None = None, **facts: Any) -> Item:
    """Return an item of a test in a directory; it failed unless there is no failure."""
    known = {"nodeid": "n", "file": root / "tests" / "test_it.py", "line": 3, "case": "a-case", "mode": "accuracy"}
    return Item(**{**known, **facts}, failure=failure, result=result)


def finished(results: Sequence[RunResult], root: Path = Path()) -> Finished:
    """Return a session with these results."""
    return Finished(results=tuple(results), command=("pytest",), started=datetime(2026, 1, 2, 3, 4, 5), root=root)


def _known(mode: str, verdict: str) -> dict[str, Any]:
    return {
        "benchmark": "bert-99-tiny",
        "edition": "tiny",
        "implementation": "python",
        "backend": "onnxruntime",
        "device": "cpu",
        "scenario": "Offline",
        "mode": mode,
        "run_length": "short",
        "verdict": verdict,
        "round": "v5.1",
        "versions": {"onnxruntime": "1.23.0"},
        "model_sha256": "ab" * 32,
        "seconds": {"wall": 3.5},
        "peak_memory_bytes": 1 << 20,
    }

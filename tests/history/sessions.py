"""Finished sessions for the tests of what is kept of them; nothing was run."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from pytest_mlperf.machine.fingerprint import Fingerprint
from pytest_mlperf.report.finished import Finished, Provenance
from pytest_mlperf.rules.accuracy import Accuracy
from pytest_mlperf.rules.performance import Performance
from pytest_mlperf.run.result import RunResult

HERE = Fingerprint(processor="A 1", cpus=2, quota=None, accelerators="", memory_gib=24, system="Linux")
CASE = "retinanet-tiny-onnxruntime-cpu-Offline"
START = datetime(2026, 3, 1, 9, 0, tzinfo=timezone.utc)


def accuracy(value: float = 61.5, **changes: Any) -> RunResult:
    metric = Accuracy(
        metric="mAP", unit="%", value=value, limits=(), samples=500, dataset_size=500, values={"mAP": value}, text=""
    )
    return _result(**{"mode": "accuracy", "verdict": "reached", "accuracy": metric, "dataset_sha256": "d", **changes})


def performance(value: float | None = 526.3, **changes: Any) -> RunResult:
    figures = Performance(
        value=value, unit="samples/s", words="samples per second", valid=True, samples=900, latency_ms={}
    )
    return _result(**{"mode": "performance", "verdict": "VALID", "performance": figures, **changes})


def failed(mode: str = "performance", **changes: Any) -> RunResult:
    return _result(**{"mode": mode, "verdict": "failed", **changes})


def _result(**facts: Any) -> RunResult:
    known: dict[str, Any] = {"benchmark": "retinanet-tiny", "edition": "tiny", "implementation": "python", "case": CASE}
    known |= {"backend": "onnxruntime", "device": "cpu", "scenario": "Offline", "run_length": "short"}
    return RunResult(**{**known, "versions": {"onnxruntime": "1.32.0"}, **facts})


def finished(
    *results: RunResult, day: int = 0, commit: str = "", root: Path = Path("/nowhere"), machine: Fingerprint = HERE
) -> Finished:
    recorded = Provenance(commit or f"{day:040x}", machine)
    return Finished(results, ("pytest",), START + timedelta(days=day), root, recorded=recorded)

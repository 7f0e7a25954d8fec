"""A submission's tree from the runs of its results."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from submission_fixtures.accuracy import accuracy_text, write_truncated
from submission_fixtures.layout import Layout
from submission_fixtures.systems import MEASUREMENTS, description
from submission_fixtures.verification import accuracy_verified, performance_verified

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from submission_fixtures.bases import Base, System

DETAIL, SUMMARY, ACCURACY = "mlperf_log_detail.txt", "mlperf_log_summary.txt", "mlperf_log_accuracy.json"


def build(base: Base, runs: Path, root: Path) -> None:
    """Write the submission `base` to `root` from the runs below `runs`."""
    layout = Layout(root, base)
    _write(layout.calibration, "# Calibration\n\nNothing is quantised, so nothing was calibrated.\n")
    for system in base.systems:
        _write_json(layout.description(system), description(base, system))
        code = layout.code / system.benchmark.folder / "README.md"
        _write(code, f"# {system.benchmark.folder}\n\nThe SUT waits, then completes its query.\n")
        for scenario in system.scenarios:
            logs = runs / base.name / system.name / system.benchmark.folder / scenario
            _write_result(layout, system, scenario, logs)
            for kind in system.benchmark.tests if base.division == "closed" else ():
                _write_test(layout, system, scenario, logs, kind)


def _write_result(layout: Layout, system: System, scenario: str, logs: Path) -> None:
    measurements = layout.measurements(system, scenario)
    _write_json(layout.measurements_file(system, scenario), MEASUREMENTS)
    _write(measurements / "README.md", f"# {system.benchmark.folder}, {scenario}\n\nRun the SUT of the code folder.\n")
    _copy(logs / "performance", measurements, "user.conf")
    result = layout.result(system, scenario)
    _copy(logs / "performance", result / "performance" / "run_1", DETAIL, SUMMARY)
    _copy(logs / "accuracy", result / "accuracy", DETAIL, SUMMARY)
    text = accuracy_text(system.benchmark, system.benchmark.samples)
    write_truncated(logs / "accuracy" / ACCURACY, result / "accuracy", text)


def _write_test(layout: Layout, system: System, scenario: str, logs: Path, kind: str) -> None:
    folder = layout.compliance(system, scenario) / kind
    _copy(logs / kind, folder / "performance" / "run_1", DETAIL, SUMMARY)
    verified = performance_verified(kind, scenario, logs / "performance" / DETAIL, logs / kind / DETAIL)
    _write(folder / "verify_performance.txt", verified)
    if kind == "TEST01":
        log = logs / kind / ACCURACY
        _write(folder / "verify_accuracy.txt", accuracy_verified(logs / "accuracy" / ACCURACY, log))
        (folder / "accuracy").mkdir()
        entries = len(json.loads(log.read_text("utf-8")))
        write_truncated(log, folder / "accuracy", accuracy_text(system.benchmark, entries))


def _copy(source: Path, target: Path, *names: str) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(source / name, target / name)


def _write_json(path: Path, values: Mapping[str, str]) -> None:
    _write(path, json.dumps(values, indent=2) + "\n")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")

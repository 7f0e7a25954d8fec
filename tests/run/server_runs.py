"""Server runs that nobody executes, and the logs that they would leave."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from pytest_mlperf.run.judge import Run
from tests.support.mlperf_test_runtimes import CLASSIFIER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_mlperf.implementations.protocol import RunSpec
    from pytest_mlperf.run.case import Case


@dataclass
class FakePlan:
    benchmark: Any = CLASSIFIER


@dataclass
class FakeCase:
    """What the runs at several rates ask of a case."""

    id: str = "a-case"
    title: str = "a-case (1 of 2)"
    plan: FakePlan = field(default_factory=FakePlan)
    mode: str = "performance"
    scenario: str = "Server"


def a_run(spec: RunSpec) -> Run:
    """Return a run of it."""
    return Run(cast("Case", FakeCase()), spec, CLASSIFIER.models[0], ())


def leave_log(directory: Path, values: Mapping[str, Any]) -> None:
    """Write LoadGen's detail log with these values."""
    lines = (
        json.dumps({"key": key, "value": value, "time_ms": 0.0, "metadata": {"is_error": False}})
        for key, value in values.items()
    )
    (directory / "mlperf_log_detail.txt").write_text("".join(f":::MLLOG {line}\n" for line in lines))

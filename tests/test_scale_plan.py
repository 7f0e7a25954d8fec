"""The plan of all tasks on N machines: its times are those that the rounds ask for, and the documentation has it."""

from __future__ import annotations

import runpy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Sequence

TOOL: dict[str, Any] = runpy.run_path(str(REPOSITORY / "tools" / "scale_plan.py"))
SECONDS = st.lists(st.floats(0.1, 1e5), min_size=1, max_size=30)


def test_the_documentation_has_the_table_that_the_tool_prints() -> None:
    page = (REPOSITORY / "docs" / "scale.md").read_text("utf-8")
    assert TOOL["text"](TOOL["MEASURED"]) in page, "run python tools/scale_plan.py"


def test_a_run_lasts_as_long_as_its_samples_or_as_the_round_asks() -> None:
    found = {(run.scenario, run.mode): run for run in TOOL["runs"]({"resnet50": 100.0}) if run.benchmark == "resnet50"}
    assert found["Offline", "accuracy"].lasts() == pytest.approx(50_000 / 100)
    assert found["Offline", "performance"].lasts() == pytest.approx(600 * 1.1 * 1.2)
    assert found["Offline", "performance"].lasts(0.1) == pytest.approx(24_576 / 10)
    assert found["MultiStream", "performance"].lasts(0.01) == pytest.approx(662 * 8)
    assert found["Server", "performance"].rate == 50.0


def test_what_has_no_rate_is_in_no_sum() -> None:
    assert "machines" not in TOOL["text"]({})
    assert "| 1 |" in TOOL["text"]({"resnet50": 100.0})


@given(SECONDS, st.integers(1, 8))
def test_machines_end_no_sooner_than_the_work_allows(seconds: Sequence[float], machines: int) -> None:
    ends = TOOL["makespan"](seconds, machines)
    assert ends >= max(max(seconds), sum(seconds) / machines) * (1 - 1e-9)
    assert ends <= sum(seconds) / machines + max(seconds)

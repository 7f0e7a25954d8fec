from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.implementations.protocol import RunOptions
from pytest_mlperf.run.budget import Budget, share
from pytest_mlperf.run.case import Repetition
from pytest_mlperf.run.paces import Expectation
from tests.run.test_judge import WordErrors, a_run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession

needs = st.dictionaries(st.text(min_size=1), st.floats(0, 1e6) | st.just(math.inf), min_size=1, max_size=20)


@given(seconds=st.floats(0, 1e6), needs=needs)
def test_shares_fill_the_time_and_nobody_gets_more_than_it_needs(seconds: float, needs: dict[str, float]) -> None:
    shares = {name: share(seconds, needs, name) for name in needs}
    assert all(shares[name] <= need for name, need in needs.items())
    assert sum(shares.values()) == pytest.approx(min(seconds, sum(needs.values())), abs=1e-6)


@given(seconds=st.floats(0, 1e6), needs=needs)
def test_who_gets_less_than_it_needs_gets_no_less_than_others(seconds: float, needs: dict[str, float]) -> None:
    shares = {name: share(seconds, needs, name) for name in needs}
    short = [shares[name] for name, need in needs.items() if shares[name] < need]
    assert all(each >= max(shares.values()) - 1e-6 for each in short)


def test_each_repetition_has_a_share_of_its_own_and_a_reused_one_leaves_its_time(tmp_path: Path) -> None:
    run = a_run(tmp_path, WordErrors())
    first, second, third = (
        replace(run.case, mode="performance", repetition=Repetition(number, 3)) for number in (1, 2, 3)
    )
    options = RunOptions(run_length="official")
    budget = Budget(
        time.time() + 900, tmp_path / "begun", (first, second, third), lambda case: Expectation(case, options, {}, ())
    )
    assert budget.limited(replace(run, case=first)).spec.budget == pytest.approx(300, abs=10)
    budget.pass_over(second)
    assert budget.limited(replace(run, case=third)).spec.budget == pytest.approx(900, abs=10)


def test_a_budget_and_a_run_length_contradict_each_other(benchmarks: RunSession) -> None:
    session = benchmarks("--model=resnet50-tiny", "--mlperf-time-budget=1", "--short")
    assert session.code == pytest.ExitCode.USAGE_ERROR
    assert "found: --mlperf-time-budget 1 and --run-length short" in session.output


@pytest.mark.slow
def test_runs_are_as_long_as_the_time_budget_allows(benchmarks: RunSession, tmp_path: Path) -> None:
    session = benchmarks(
        "--model=resnet50-tiny",
        "--backend=onnxruntime",
        "--scenario=SingleStream",
        "--mlperf-time-budget=0.4",
        f"--mlperf-json={tmp_path / 'results.json'}",
        MLPERF_TEST_LEASES=str(tmp_path),
    )
    assert session.outcomes() == "2 passed", session.output
    accuracy, performance = json.loads((tmp_path / "results.json").read_text())["results"]
    assert accuracy["run_length"] == performance["run_length"] == "short"
    # A stream lasts its minimum duration at any pace; a short run takes 2 s.
    assert 4 < performance["promise"]["seconds"] < 24 - accuracy["seconds"]["wall"]
    assert performance["seconds"]["test"] == pytest.approx(performance["promise"]["seconds"], rel=0.2)

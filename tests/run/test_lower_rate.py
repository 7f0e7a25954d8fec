"""A Server run whose rate was the warm-up's: it is made again at lower rates, where that alone may help."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from pytest_mlperf.errors import RunError
from pytest_mlperf.implementations.protocol import ExecutionLayout, RunSpec, Trial
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.run.lower_rate import MOST, LowerRate, is_suggested, lateness
from pytest_mlperf.run.result import Outcome
from tests.report.results import performance
from tests.run.server_runs import a_run, leave_log
from tests.run.specs import a_spec

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.run.judge import Run
    from pytest_mlperf.run.result import RunResult

LAYOUT = ExecutionLayout(streams=2, threads=1, batch=4)
PILOT = (Trial(layout=LAYOUT, samples_per_second=800.0, trials=2),)
CRASHED = structs.replace(performance(verdict="failed"), performance=None)


def finding(rule: str) -> Finding:
    return Finding(rule=rule, what=f"about {rule}", expected="few", found="many", fix="fewer")


@dataclass
class System:
    """Executes runs: they are late above a rate."""

    directory: Path
    peak: float = 120.0
    own_rate: float = 400.0
    rules: tuple[str, ...] = ("loadgen-latency-bound", "early-stopping", "result-validity")
    fastest: float = 1e6
    fails_at: int | None = None
    specs: list[RunSpec] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def new(self) -> Path:
        path = self.directory / f"run-{len(self.specs)}"
        path.mkdir()
        return path

    def once(self, run: Run) -> Outcome:
        self.specs.append(run.spec)
        if len(self.specs) == self.fails_at:
            return Outcome(CRASHED, RunError("it crashed", found="nothing"))
        rate = run.spec.target_qps or self.own_rate
        log = {
            "effective_target_qps": rate,
            "result_min_latency_ns": self.fastest,
            "effective_target_latency_ns": 15_000_000,
        }
        output = self.directory / run.spec.output
        leave_log(output, log)
        late = rate > self.peak
        return Outcome(
            performance(
                output=str(output),
                verdict="INVALID" if late else "VALID",
                findings=tuple(map(finding, self.rules)) if late else (),
                layout=LAYOUT,
                pilot=() if run.spec.layout else PILOT,
                notes=("told",),
            )
        )

    def result(self) -> RunResult:
        spec = a_spec(scenario="Server", output=str(self.new()))
        run = a_run(spec)
        return LowerRate(run, self.once, self.new, self.said.append).outcome(self.once(run)).result


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


def test_a_late_run_is_made_again_at_half_the_rate_until_it_is_in_time(system: System) -> None:
    result = system.result()
    assert result.verdict == "VALID"
    assert [spec.target_qps for spec in system.specs] == [None, 200.0, 100.0]
    assert [spec.layout for spec in system.specs] == [None, LAYOUT, LAYOUT]
    assert len({spec.output for spec in system.specs}) == 3
    assert result.output == system.specs[-1].output
    assert result.pilot == PILOT


def test_the_notes_have_each_earlier_run_and_the_user_is_told_before_the_next(system: System) -> None:
    result = system.result()
    assert result.notes == (
        "told",
        "a-case: run again at a lower rate: 400 queries/s were too many: about loadgen-latency-bound "
        f"(expected few; found many), see {system.specs[0].output}",
        "a-case: run again at a lower rate: 200 queries/s were too many: about loadgen-latency-bound "
        f"(expected few; found many), see {system.specs[1].output}",
    )
    assert [line.partition("; runs again at ")[2] for line in system.said] == ["200 queries/s", "100 queries/s"]
    assert all(line.startswith("a-case (1 of 2) performance: ") for line in system.said)


def test_a_run_in_time_is_the_outcome_as_it_is(system: System) -> None:
    system.own_rate = 100
    assert system.result().notes == ("told",)
    assert len(system.specs) == 1
    assert not system.said


def test_it_is_given_up_after_a_few_runs_and_the_last_is_the_outcome(system: System) -> None:
    system.peak = 1
    result = system.result()
    assert (result.verdict, len(system.specs)) == ("INVALID", 1 + MOST)
    assert result.output == system.specs[-1].output
    assert len(result.notes) == 1 + MOST


@pytest.mark.parametrize("rules", [("early-stopping", "result-validity"), ("loadgen-latency-bound",)])
def test_either_condition_of_lateness_is_enough(system: System, rules: tuple[str, ...]) -> None:
    system.rules = rules
    assert system.result().verdict == "VALID"


@pytest.mark.parametrize(
    "rules",
    [
        ("loadgen-min-duration", "result-validity"),
        ("loadgen-latency-bound", "loadgen-errors"),
        ("result-validity",),
        ("server-latency", "early-stopping"),
    ],
)
def test_a_run_that_is_invalid_for_something_else_is_not_made_again(system: System, rules: tuple[str, ...]) -> None:
    system.rules = rules
    assert system.result().verdict == "INVALID"
    assert len(system.specs) == 1


def test_no_rate_helps_where_the_fastest_answer_is_late(system: System) -> None:
    system.fastest = 2e7
    assert system.result().verdict == "INVALID"
    assert len(system.specs) == 1


def test_a_run_that_fails_is_the_outcome_and_no_other_is_made(system: System) -> None:
    system.fails_at = 2
    assert system.result().verdict == "failed"
    assert len(system.specs) == 2


def test_a_failed_run_has_no_lateness() -> None:
    assert lateness(CRASHED) is None


@pytest.mark.parametrize(
    ("changed", "conf", "is_ours"),
    [
        ({}, "", True),
        ({"target_qps": 30.0}, "", False),
        ({"scenario": "Offline"}, "", False),
        ({"mode": "accuracy"}, "", False),
        ({}, "*.Server.target_qps = 30\n", False),
        ({}, "bert.Server.target_qps = 30\n*.Server.min_duration = 1000\n", True),
    ],
)
def test_a_rate_that_the_user_gave_is_no_suggestion(
    tmp_path: Path, changed: dict[str, Any], conf: str, is_ours: bool
) -> None:
    spec = structs.replace(a_spec(scenario="Server"), **changed)
    if conf:
        (tmp_path / "user.conf").write_text(conf)
        spec = structs.replace(spec, user_conf=str(tmp_path / "user.conf"))
    assert is_suggested(a_run(spec)) is is_ours

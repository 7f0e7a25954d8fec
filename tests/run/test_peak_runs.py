"""The runs of a search: what each is asked, and what the result gets; the system is a simulated queue."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from msgspec import structs

from pytest_mlperf.errors import RunError
from pytest_mlperf.implementations.protocol import (
    RESULT_FILE,
    ExecutionLayout,
    Progress,
    RoundSettings,
    RunSpec,
    Trial,
    WorkerResult,
    write_json,
)
from pytest_mlperf.run.peak_runs import MOST_CONFIRMING, PeakRuns, _FellBehindError, has_peak
from pytest_mlperf.run.result import Outcome
from tests.report.results import performance
from tests.run.server_runs import FakeCase, a_run, leave_log
from tests.run.test_peak import Queue
from tests.run.test_peak_lengths import OFFICIAL, SPEC
from tests.run.test_probe import log_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_mlperf.run.case import Case
    from pytest_mlperf.run.child import OnProgress
    from pytest_mlperf.run.judge import Run

LAYOUT = ExecutionLayout(streams=2, threads=1, batch=4)
ROUND = RoundSettings(
    name="v6.1",
    qsl_rng_seed=1,
    sample_index_rng_seed=2,
    schedule_rng_seed=100,
    min_duration_ms=600_000,
    performance_sample_count=1024,
    offline_samples_per_query=1,
    server_target_latency_ns=15_000_000,
)


@dataclass
class System:
    """Executes runs as a queue would, and leaves LoadGen's log of each."""

    directory: Path
    queue: Queue
    default_rate: float = 250.0
    late_when_confirming: int = 0
    fails_at: int | None = None
    specs: list[RunSpec] = field(default_factory=list)
    made: int = 0

    def new(self, purpose: str) -> Path:
        self.made += 1
        path = self.directory / f"{purpose}-{self.made}"
        path.mkdir()
        return path

    def once(self, run: Run, *, shown: Callable[[OnProgress], OnProgress] | None = None) -> Outcome:
        spec = run.spec
        self.specs.append(spec)
        if len(self.specs) == self.fails_at:
            error = RunError("it crashed", found="nothing")
            return Outcome(performance(verdict="failed"), error)
        rate = spec.target_qps or self.default_rate
        latencies, kept_up = self.queue._run(rate, spec.test_query_count or self.queue.queries, noisy=True)
        nanoseconds = (latencies * 1e9).tolist()
        if shown is None and self.late_when_confirming:
            self.late_when_confirming -= 1
            nanoseconds[: len(nanoseconds) // 10] = [2e7] * (len(nanoseconds) // 10)
        log = log_of(nanoseconds, effective_target_qps=rate, result_completed_samples_per_sec=412.0 * kept_up)
        leave_log(Path(spec.output), log.values)
        write_json(Path(spec.output) / RESULT_FILE, WorkerResult(layout=LAYOUT, official=OFFICIAL))
        pilot = () if spec.layout else (Trial(layout=LAYOUT, samples_per_second=500.0, trials=2),)
        return Outcome(performance(output=spec.output, layout=LAYOUT, pilot=pilot, notes=("told",)))


def search(system: System, **options: Any) -> PeakRuns:
    output = system.new("performance")
    spec = structs.replace(SPEC, output=str(output), find_peak=True, round=ROUND, **options)
    return PeakRuns(a_run(spec), system.once, system.new)


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path, Queue(1))


def test_the_last_run_is_at_the_rate_that_was_found_with_the_layout_of_the_first(system: System) -> None:
    outcome = search(system).outcome()
    first, *others = system.specs
    last = others[-1]
    assert (first.target_qps, first.layout) == (None, None)
    assert {spec.layout for spec in others} == {LAYOUT}
    assert last.test_query_count is None
    assert last.output.endswith("performance-1")
    assert 0.95 * system.queue.peak < (last.target_qps or 0) < system.queue.peak
    result = outcome.result
    assert result.pilot[0].layout == LAYOUT
    assert result.notes == ("told",)
    assert [probe.purpose for probe in result.peak].count("confirming") == 1
    assert [probe.rate for probe in result.peak] == [250.0, *(spec.target_qps for spec in others)]
    assert {spec.round for spec in system.specs} == {ROUND}
    assert len({spec.output for spec in system.specs}) == len(system.specs)


def test_the_search_begins_at_the_users_rate(system: System) -> None:
    search(system, target_qps=333.0).outcome()
    assert system.specs[0].target_qps == 333.0


def test_a_run_that_is_late_is_made_again_at_lower_rates_and_a_few_times_only(system: System) -> None:
    system.late_when_confirming = 99
    peak = search(system).outcome().result.peak
    confirming = [probe for probe in peak if probe.purpose == "confirming"]
    assert [probe.verdict for probe in confirming] == ["INVALID"] * MOST_CONFIRMING
    rates = [probe.rate for probe in confirming]
    assert all(lower <= 0.971 * rate for rate, lower in pairwise(rates))


def test_the_first_rate_that_holds_is_the_last_run(system: System) -> None:
    system.late_when_confirming = 1
    peak = search(system).outcome().result.peak
    assert [probe.verdict for probe in peak if probe.purpose == "confirming"] == ["INVALID", "VALID"]


def test_full_probes_of_a_longer_run_have_schedules_of_their_own_and_the_run_has_the_rounds(system: System) -> None:
    system.queue = replace(system.queue, queries=9_000)
    search(system, test_query_count=9_000, min_duration=1.0).outcome()
    last = system.specs[-1]
    probes = [spec for spec in system.specs if Path(spec.output).name.startswith("peak-")]
    seeds = [spec.round.schedule_rng_seed for spec in probes if spec.round and spec.test_query_count == 4020]
    assert len(seeds) >= 5
    assert len(set(seeds)) == len(seeds)
    assert 100 not in seeds
    assert last.round == ROUND
    assert (last.test_query_count, last.min_duration) == (9_000, 1.0)
    assert {spec.min_duration for spec in probes} == {None}


@pytest.mark.parametrize("fails_at", [1, 4])
def test_a_probe_that_fails_is_the_outcome(system: System, fails_at: int) -> None:
    system.fails_at = fails_at
    outcome = search(system).outcome()
    assert str(outcome.error).startswith("it crashed")
    assert len(system.specs) == fails_at


def test_if_no_rate_is_valid_one_run_says_so(system: System) -> None:
    system.queue = Queue(1, service=0.02)
    result = search(system).outcome().result
    assert [probe.purpose for probe in result.peak] == ["short", "confirming"]
    assert "no rate is valid" in result.notes[-1]


def test_a_search_that_reached_no_rate_that_is_too_high_says_so(system: System) -> None:
    result = search(system, target_qps=0.01).outcome().result
    assert "the highest valid rate may be higher" in result.notes[-1]
    assert result.peak[-1].rate == max(probe.rate for probe in result.peak)


def test_a_machine_that_is_not_steady_is_told(system: System) -> None:
    system.queue = Queue(2, noise=0.05)
    assert "runs at the same rate differ" in search(system).outcome().result.notes[-1]


def test_a_probe_that_falls_behind_is_ended_and_says_what_the_system_can_do(system: System) -> None:
    shown: list[Progress] = []
    spec = structs.replace(SPEC, test_query_count=500)
    watched = search(system)._watched(shown.append, spec, 100.0)
    watched(Progress(phase="performance", seconds=90.0))  # reading samples is not answering
    watched(Progress(phase="performance", done=10, seconds=100.0))
    watched(Progress(phase="performance", done=200, seconds=110.0))
    with pytest.raises(_FellBehindError) as error:
        watched(Progress(phase="performance", done=210, seconds=110.7))
    assert error.value.answered == 210
    assert error.value.rate == pytest.approx(210 / 10.7)
    assert shown[-1].phase == "finding the peak: 100 queries/s, performance"
    watched(Progress(phase="performance", done=500, seconds=111.0))  # which is all


def test_after_a_probe_that_fell_behind_the_first_is_made_again_at_a_lower_rate(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    once, behind = system.once, [_FellBehindError(300, 400.0), _FellBehindError(90, 100.0)]

    def falls_behind(run: Run, *, shown: Callable[[OnProgress], OnProgress] | None = None) -> Outcome:
        if behind:
            system.specs.append(run.spec)
            raise behind.pop(0)
        return once(run, shown=shown)

    runs = search(system, target_qps=1e6)
    monkeypatch.setattr(runs, "once", falls_behind)
    result = runs.outcome().result
    assert [spec.target_qps for spec in system.specs[:3]] == [1e6, 200.0, 50.0]
    assert [probe.verdict for probe in result.peak[:3]] == ["ended", "ended", "VALID"]
    assert 0.94 * system.queue.peak < result.peak[-1].rate < system.queue.peak


@pytest.mark.parametrize(
    ("mode", "scenario", "asked", "expected"),
    [
        ("performance", "Server", True, True),
        ("performance", "Server", False, False),
        ("accuracy", "Server", True, False),
        ("performance", "Offline", True, False),
        ("compliance", "Server", True, False),
    ],
)
def test_the_option_is_for_performance_in_server(mode: str, scenario: str, asked: bool, expected: bool) -> None:
    case = cast("Case", FakeCase(mode=mode, scenario=scenario))
    assert has_peak(case, structs.replace(SPEC, find_peak=asked)) is expected

"""Many processes at once: pytest-xdist, and sessions side by side on one machine."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.sandbox import BENCHMARKS, PATIENCE_SECONDS, assert_no_traceback, item, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox import Sandbox

EASY = ("--test-query-count=700", "--target-qps=2000", "--target-latency=20000")
SCENARIOS = ("Offline", "Server", "SingleStream", "MultiStream")


class Interval(NamedTuple):
    """When a run's process lived: from run.json, written before its start, to the last file of its own."""

    mode: str
    start: int
    end: int

    def overlaps(self, other: Interval) -> bool:
        return self.start < other.end and other.start < self.end


def intervals(output: Path) -> list[Interval]:
    runs = [path.parent for path in output.glob("*/*/run.json")]
    return [
        Interval(
            json.loads((run / "run.json").read_text())["mode"],
            (run / "run.json").stat().st_mtime_ns,
            max(file.stat().st_mtime_ns for file in run.iterdir()),
        )
        for run in runs
    ]


def assert_performance_runs_were_alone(output: Path, runs: int) -> None:
    found = intervals(output)
    assert len(found) == runs
    assert all(run.end > run.start for run in found)
    for one, other in combinations(found, 2):
        if "performance" in (one.mode, other.mode):
            assert not one.overlaps(other), (one, other)


@pytest.mark.slow
def test_many_workers_report_what_one_process_would(sandbox: Sandbox) -> None:
    cases = ("--model=null", "--backend=null,aborts", "-k", "null-null or (aborts and SingleStream)")
    code, output = sandbox.run(str(BENCHMARKS), *cases, *EASY, "-n4")
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert_no_traceback(output)
    failures, results = sandbox.failures(), sandbox.results()

    # As without workers: whatever ends well does, and a crash is one failed item.
    modes = {"accuracy": "reached", "performance": "VALID"}
    for mode, good in modes.items():
        for scenario in SCENARIOS:
            assert failures.pop(f"test_{mode}[null-null-cpu-{scenario}]") is None, output
            assert results.pop((f"null-null-cpu-{scenario}", mode))["verdict"] == good
        assert "the run crashed: SIGABRT" in str(failures.pop(f"test_{mode}[null-aborts-cpu-SingleStream]"))
        assert results.pop(("null-aborts-cpu-SingleStream", mode))["verdict"] == "failed"
    assert not failures
    assert not results

    # The controller's table has them all, once, and one directory has all their logs.
    table = output[output.index("MLPerf results: tiny edition") : output.index("LoadGen's logs: ")]
    rows = Counter(tuple(line.split()[:2]) for line in table.splitlines() if line.startswith("null-"))
    expected = {(f"null-null-cpu-{scenario}", mode) for scenario in SCENARIOS for mode in modes}
    assert rows == Counter(expected | {("null-aborts-cpu-SingleStream", mode) for mode in modes})
    assert output.count("MLPerf results:") == 1
    assert len(list((sandbox.root / "out").iterdir())) == 1
    assert 'name="mlperf.verdict" value="VALID"' in (sandbox.root / "xml").read_text()

    assert_performance_runs_were_alone(sandbox.root / "out", runs=10)
    sandbox.assert_nothing_is_left()


@pytest.mark.slow
def test_accuracy_runs_share_the_device(sandbox: Sandbox) -> None:
    meeting = sandbox.root / "meeting"
    meeting.mkdir()
    items = [item(f"null-meets-cpu-{scenario}") for scenario in ("Offline", "SingleStream")]
    code, output = sandbox.run(*items, "-n2", MLPERF_TEST_MEETING=str(meeting))
    assert code == 0, output


@pytest.mark.slow
def test_two_sessions_at_once_have_the_device_in_turn(sandbox: Sandbox) -> None:
    run = item("null-null-cpu-Offline", "performance")
    sessions = [sandbox.start(run, *EASY) for _ in range(2)]
    outputs = [session.communicate(timeout=PATIENCE_SECONDS)[0] for session in sessions]
    assert [session.returncode for session in sessions] == [0, 0], outputs
    assert_performance_runs_were_alone(sandbox.root / "out", runs=2)
    sandbox.assert_nothing_is_left()


@pytest.mark.slow
def test_workers_that_need_the_same_artifact_build_it_once(sandbox: Sandbox) -> None:
    tally = sandbox.root / "tally"
    cases = ("--model=tally", "--mode=accuracy", "-n4")
    code, output = sandbox.run(str(BENCHMARKS), *cases, MLPERF_TEST_TALLY=str(tally))
    assert code == 0, output
    assert len(sandbox.results()) == 4
    assert len(tally.read_text().splitlines()) == 1
    assert len(list((sandbox.root / "cache" / "dataset").iterdir())) == 1


@pytest.mark.slow
def test_a_killed_xdist_worker_costs_one_item(sandbox: Sandbox) -> None:
    items = (item("null-slow-cpu-Offline"), item("null-null-cpu-Offline"), item("null-null-cpu-SingleStream"))
    session = sandbox.start(*items, "-n1", "--dataset-size=30000")
    sandbox.wait_for_start_test()
    [run] = sandbox.workers()
    parent = run.parent()
    assert parent is not None
    assert parent.pid != session.pid
    parent.kill()
    wait_until(lambda: not run.is_running(), "the end of the run whose worker was killed")
    output, _ = session.communicate(timeout=PATIENCE_SECONDS)
    assert session.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 2 passed" in output
    assert_no_traceback(output)
    assert set(sandbox.results()) == {
        (f"null-null-cpu-{scenario}", "accuracy") for scenario in ("Offline", "SingleStream")
    }
    sandbox.assert_nothing_is_left()

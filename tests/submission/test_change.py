"""A submission's tree is changed by one session at a time, and a kill at any moment costs nothing that stood in it."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import shutil
import signal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pytest_mlperf.artifacts.disk import write_atomic
from pytest_mlperf.rules.log_files import ACCURACY_LOG
from pytest_mlperf.submission.change import changed, locked
from pytest_mlperf.submission.tree import write_submission
from tests.submission.conftest import MakePlan, files_of

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.run.result import RunResult
    from pytest_mlperf.submission.plan import SubmissionPlan

processes = multiprocessing.get_context("fork")


def write_and_be_killed(plan: SubmissionPlan, sub: Path, renames: int, after: bool) -> None:
    """Write a submission in a process that is killed at its n-th rename, right before or right after it."""
    real, count = os.replace, 0

    def replace(source: str, target: str) -> None:
        nonlocal count
        count += 1
        if count == renames and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        real(source, target)
        if count == renames:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = replace  # type: ignore[assignment]
    with locked(sub):
        write_submission(plan, sub)


def with_another_log(run: RunResult, output: Path) -> RunResult:
    shutil.copytree(run.output, output)
    with (output / ACCURACY_LOG).open("a") as log:
        log.write("\n")
    return msgspec.structs.replace(run, output=str(output))


def next_session(sub: Path) -> None:
    with locked(sub), changed(sub, clean=False):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_kill_at_any_rename_leaves_what_was_there_or_all_of_the_new(
    make_plan: MakePlan, tmp_path: Path, after: bool
) -> None:
    plan = make_plan()
    offline, _ = plan.results
    place, sub = tmp_path / "before", tmp_path / "before" / "sub"
    older = dataclasses.replace(offline, accuracy=with_another_log(offline.accuracy, tmp_path / "earlier"))
    write_submission(dataclasses.replace(plan, results=(older,)), sub)
    shutil.copytree(place, tmp_path / "whole")
    write_submission(plan, tmp_path / "whole" / "sub")
    states = [(files_of(one / "sub"), files_of(one / "sub_logs")) for one in (place, tmp_path / "whole")]
    assert states[0] != states[1]
    seen, missing, renames, code = [], 0, 0, -signal.SIGKILL
    while code:
        renames += 1
        shutil.rmtree(tmp_path / "now", ignore_errors=True)
        now = shutil.copytree(place, tmp_path / "now") / "sub"
        killed = processes.Process(target=write_and_be_killed, args=(plan, now, renames, after))
        killed.start()
        killed.join()
        code = killed.exitcode or 0
        assert code in (0, -signal.SIGKILL)
        missing += not now.exists()
        next_session(now)
        logs = files_of(now.with_name("sub_logs"))
        del logs[".lock"]
        seen.append((files_of(now), logs))
        assert seen[-1] in states, (renames, after)
        assert sorted(path.name for path in now.parent.iterdir()) == ["sub", "sub_logs"]
    assert seen[0] == states[0]
    assert seen[-1] == states[1]
    assert missing, "no kill met the moment between two renames"


def add(plan: SubmissionPlan, sub: Path, barrier: Any) -> None:
    barrier.wait()
    with locked(sub):
        write_submission(plan, sub)


def test_two_sessions_at_once_both_end_up_in_one_tree(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan()
    for attempt in range(5):
        sub, barrier = tmp_path / str(attempt), processes.Barrier(2)
        plans = [dataclasses.replace(plan, results=(result,)) for result in plan.results]
        both = [processes.Process(target=add, args=(each, sub, barrier)) for each in plans]
        for one in both:
            one.start()
        for one in both:
            one.join()
        assert [one.exitcode for one in both] == [0, 0]
        scenarios = {path.name for path in (sub / plan.base / "results").glob("*/*/*")}
        assert scenarios == {"Offline", "SingleStream"}


def wait_for(sub: Path, told: Path, held: Any) -> None:
    held.wait()
    with locked(sub, lambda who: write_atomic(told, str(who).encode())):
        pass


def test_waiting_for_a_tree_says_who_holds_it(tmp_path: Path) -> None:
    told, held = tmp_path / "told", processes.Event()
    # Started before the lock is held: a forked process would have the lock as well.
    other = processes.Process(target=wait_for, args=(tmp_path / "sub", told, held))
    other.start()
    with locked(tmp_path / "sub"):
        held.set()
        while not told.exists():
            other.join(0.02)
            assert other.is_alive()
    other.join()
    assert other.exitcode == 0
    assert f"process {os.getpid()} " in told.read_text()

"""The history's file: what comes back, what many sessions at once and kills leave, what cannot be used."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from msgspec import structs

from pytest_mlperf.errors import HistoryError
from pytest_mlperf.history import store
from pytest_mlperf.history.place import history_file, project_of
from pytest_mlperf.history.point import by_series
from pytest_mlperf.history.series import steps_of
from pytest_mlperf.history.store import SCHEMA, History
from pytest_mlperf.run.result import RunResult
from tests.conftest import REPOSITORY
from tests.history.sessions import CASE, HERE, START, accuracy, failed, finished, performance

if TYPE_CHECKING:
    from collections.abc import Callable

ODD = "a/b 🚀 <b>&amp;</b>\x1b[31m' ; DROP TABLE results"


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "data" / "history.sqlite")


def test_what_is_stored_comes_back(history: History, tmp_path: Path) -> None:
    (tmp_path / "project" / ".git").mkdir(parents=True)
    (tmp_path / "project" / "below").mkdir()
    result = performance(test="TEST01", round="v6.1", model_sha256="m")
    history.add(finished(result, day=3, commit="abc+", root=tmp_path / "project" / "below"))
    [point] = history.points()
    assert (point.time, point.commit, point.value) == (START + timedelta(days=3), "abc+", 526.3)
    assert (point.round, point.verdict, point.model_sha256) == ("v6.1", "VALID", "m")
    assert point.versions == {"onnxruntime": "1.32.0"}
    series = point.series
    assert series[:5] == (str(tmp_path / "project"), CASE, "performance", "TEST01", "short")
    assert (series.metric, series.unit) == ("samples per second", "samples/s")
    assert msgspec.json.decode(series.machine, type=type(HERE)) == HERE
    with closing(sqlite3.connect(history.path)) as connection:
        [text] = connection.execute("SELECT result FROM results").fetchone()
    assert msgspec.json.decode(text, type=RunResult) == result


@pytest.mark.parametrize("name", [ODD, "*", "[a]", "ünï code", "x" * 10_000])
def test_a_case_may_have_any_name(history: History, name: str) -> None:
    history.add(finished(accuracy(case=name), accuracy()))
    assert [point.series.case for point in history.series(name, "accuracy")] == [name]


def test_the_repeated_runs_of_one_slow_session_are_no_step(history: History) -> None:
    days = [finished(performance(500.0 + day % 3), day=day) for day in range(8)]
    slow = [performance(400.0 + n, repetition=n, repetitions=5) for n in range(1, 6)]
    history.add(*days, finished(*slow, day=8))
    assert steps_of(history.points()) == []
    history.add(finished(*slow, day=9))
    [step] = steps_of(history.points())
    assert (step.count_before, step.count_after) == (8, 2)
    assert step.after == pytest.approx(403.0)


def test_points_are_chosen_by_case_project_mode_and_length(history: History, tmp_path: Path) -> None:
    history.add(finished(accuracy(), performance(), performance(case="bert-99"), day=1, root=tmp_path))
    history.add(finished(performance(run_length="official"), day=0))
    assert len(history.points()) == 4
    assert [each.series.case for each in history.points("bert*")] == ["bert-99"]
    assert {each.series.mode for each in history.points("retina*", project=tmp_path)} == {"accuracy", "performance"}
    assert [each.series.run_length for each in history.series(CASE, "performance")] == ["official", "short"]
    assert len(history.series(CASE, "performance", run_length="official")) == 1


def test_series_are_of_one_machine_and_of_one_data_set(history: History) -> None:
    other = structs.replace(HERE, cpus=64)
    history.add(finished(performance(), accuracy()))
    history.add(finished(performance(), accuracy(dataset_sha256="half"), day=1))
    history.add(finished(performance(), day=2, machine=other))
    history.add(finished(failed(), failed("accuracy"), day=3))
    found = by_series(history.points())
    assert sorted([point.verdict for point in each] for each in found.values()) == [
        ["VALID"],
        ["VALID", "VALID", "failed"],
        ["reached", "failed"],
        ["reached", "failed"],
    ]


def test_what_never_had_a_figure_is_a_series_of_its_own(history: History) -> None:
    history.add(finished(failed()))
    [(series, [point])] = by_series(history.points()).items()
    assert (series.metric, point.value, point.counts) == ("", None, False)


@pytest.mark.parametrize(
    ("result", "counts"),
    [
        (performance(), True),
        (performance(verdict="INVALID"), False),
        (performance(verdict="not comparable"), False),
        (performance(None), False),
        (performance(float("nan")), False),
        (accuracy(verdict="below target"), True),
        (accuracy(verdict="not comparable"), True),
        (accuracy(0.0), True),
    ],
)
def test_a_figure_counts_where_its_run_does(history: History, result: RunResult, counts: bool) -> None:
    history.add(finished(result))
    assert history.points()[0].counts is counts


def test_there_is_nothing_in_a_history_that_was_never_written(history: History) -> None:
    assert history.points() == []
    assert not history.path.parent.exists()
    history.path.parent.mkdir()
    history.path.touch()
    assert history.points() == []


def test_the_file_is_named_by_option_or_variable_or_is_the_users(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert history_file(None, {}) == tmp_path / "pytest-mlperf" / "history.sqlite"
    assert history_file(None, {"PYTEST_MLPERF_HISTORY": "h"}) == Path("h")
    assert history_file(None, {"PYTEST_MLPERF_HISTORY": "off"}) is None
    assert history_file("off", {"PYTEST_MLPERF_HISTORY": "h"}) is None
    assert history_file(tmp_path, {"PYTEST_MLPERF_HISTORY": "off"}) == tmp_path


def test_without_a_repository_a_project_is_its_directory(tmp_path: Path) -> None:
    assert project_of(tmp_path) == tmp_path


WRITER = """
import sys
from pathlib import Path
from pytest_mlperf.history.store import History
from tests.history.sessions import accuracy, finished
sys.stdout.write("ready\\n"); sys.stdout.flush(); sys.stdin.readline()
name, times, size = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for number in range(times):
    History(Path(sys.argv[1])).add(finished(*[accuracy(notes=("x" * size,), case=name)] * 3, day=number))
"""


def writer(history: History, name: str, times: int, size: int = 1) -> subprocess.Popen[str]:
    """Start a process that writes sessions of three results each once it is told to."""
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(history.path), name, str(times), str(size)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(REPOSITORY / "src"), str(REPOSITORY)))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def begin(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("\n")
    process.stdin.flush()


def test_many_sessions_write_at_once_and_each_result_is_kept(history: History) -> None:
    writers = [writer(history, f"case {number}", 8) for number in range(4)]
    for each in writers:
        begin(each)
    for each in writers:
        _, errors = each.communicate(timeout=60)
        assert each.returncode == 0, errors
    found = [point.series.case for point in history.points()]
    assert {name: found.count(name) for name in set(found)} == {f"case {number}": 24 for number in range(4)}


def test_kill_9_in_the_middle_of_a_write_leaves_whole_sessions(history: History) -> None:
    journal = history.path.with_name(f"{history.path.name}-journal")
    history.add(finished(accuracy(), accuracy(), accuracy()))
    caught = 0
    for number in range(8):
        process = writer(history, f"case {number}", 10_000, size=300_000)
        begin(process)
        # The journal is there while a transaction is written: this is the middle of one.
        deadline = time.monotonic() + 20
        while not journal.exists() and time.monotonic() < deadline:
            pass
        time.sleep(0.004 * number)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        caught += journal.exists()
        found = [point.series.case for point in history.points()]
        assert all(found.count(name) % 3 == 0 for name in set(found))
        with closing(sqlite3.connect(history.path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert caught, "no kill met a write"
    history.add(finished(accuracy()))
    assert len(history.series(CASE, "accuracy")) == 4


def garbage(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)


def torn(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = bytes([255]) * (len(content) - 4096)
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")


def foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE results (theirs)")


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (garbage, "file is not a database"),
        (torn, "malformed"),
        (cut, "malformed"),
        (newer, f"schema {SCHEMA + 1}"),
        (foreign, "the database of another program"),
        (directory, "unable to open database file"),
    ],
)
def test_what_is_no_history_of_ours_is_told_and_left_as_it_is(
    history: History, damage: Callable[[Path], None], words: str
) -> None:
    history.add(finished(*[accuracy()] * 40))
    damage(history.path)
    before = history.path.read_bytes() if history.path.is_file() else b""
    for use in (history.points, lambda: history.add(finished(accuracy()))):
        with pytest.raises(HistoryError, match=words) as error:
            use()
        assert str(history.path) in str(error.value)
        assert error.value.fix
    assert (history.path.read_bytes() if history.path.is_file() else b"") == before


def test_a_history_that_another_process_keeps_locked_is_told(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    history.add(finished(accuracy()))
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.1)
    with closing(sqlite3.connect(history.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for use in (history.points, lambda: history.add(finished(accuracy()))):
            with pytest.raises(HistoryError, match=r"locked\nend the process that keeps it locked"):
                use()
        other.execute("COMMIT")
    assert len(history.points()) == 1


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "history.sqlite", Path("/proc/1/history.sqlite")):
        with pytest.raises(HistoryError, match=r"name another file with --mlperf-history or \$PYTEST_MLPERF_HISTORY"):
            History(place).add(finished(accuracy()))


def test_a_history_on_a_disk_that_is_read_only_can_be_read(make_disk: Callable[[str], Path]) -> None:
    disk = make_disk("2m")
    history = History(disk / "history.sqlite")
    history.add(finished(accuracy()))
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert len(history.points()) == 1
    with pytest.raises(HistoryError, match="readonly"):
        history.add(finished(accuracy()))


def test_a_full_disk_costs_the_new_results_alone(make_disk: Callable[[str], Path]) -> None:
    history = History(make_disk("256k") / "history.sqlite")
    history.add(finished(accuracy()))
    with pytest.raises(HistoryError, match="full"):
        history.add(finished(*[accuracy(notes=("x" * 300_000,))] * 3))
    assert len(history.points()) == 1

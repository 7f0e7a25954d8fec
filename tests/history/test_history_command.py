"""``pytest-mlperf history``: what it shows, how fast, and what it says where there is nothing to show."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_mlperf.commands.main import main
from pytest_mlperf.history.store import History
from tests.conftest import REPOSITORY
from tests.history.sessions import CASE, accuracy, failed, finished, performance

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "a/b 🚀 <script>alert(1)</script>\x1b[31m\n[bold]x"


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    """The history of a project, whose directory is the current one."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("PYTEST_MLPERF_HISTORY", str(tmp_path / "history.sqlite"))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("COLUMNS", "100")
    time.tzset()
    return History(tmp_path / "history.sqlite")


@pytest.fixture
def slower(history: History, tmp_path: Path) -> History:
    """Thirty runs, of which the last ten are ten percent slower; one failed and one was INVALID."""
    sessions = []
    for day in range(30):
        speed = (526.5 if day < 20 else 467.5) + day % 3
        run = failed() if day == 7 else performance(speed, verdict="INVALID" if day == 9 else "VALID")
        sessions.append(finished(run, accuracy(), day=day, commit=f"{day:02}" * 20, root=tmp_path / "project"))
    history.add(*sessions)
    return history


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["history", *arguments]) == 0
    return capsys.readouterr().out


def test_a_series_has_a_sparkline_a_table_and_its_steps(slower: History, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, CASE, "--limit", "3").splitlines() == [
        f"{CASE} accuracy, short",
        "mAP on A 1, 2 CPUs, 24 GiB, Linux, data d",
        "▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄  61.500 % in 30 results",
        "time              commit         value  change  verdict",
        "2026-03-28 09:00  2727272727  61.500 %       0  reached",
        "2026-03-29 09:00  2828282828  61.500 %       0  reached",
        "2026-03-30 09:00  2929292929  61.500 %       0  reached",
        "27 older; --limit N shows more",
        "",
        f"{CASE} performance, short",
        "samples per second on A 1, 2 CPUs, 24 GiB, Linux",
        "██████████████████▁▁▁▁▁▁▁▁▁▁  467.5 samples/s to 528.5 samples/s in 28 results",
        "time              commit                value  change  verdict",
        "2026-03-28 09:00  2727272727  467.5 samples/s  -0.4 %  VALID",
        "2026-03-29 09:00  2828282828  468.5 samples/s  +0.2 %  VALID",
        "2026-03-30 09:00  2929292929  469.5 samples/s  +0.2 %  VALID",
        "27 older; --limit N shows more",
        "step down by 11 % at 2026-03-21 09:00 (2020202020): 527.5 samples/s in 18 results before, 468.6",
        "samples/s in 10 since",
    ]


def test_a_failed_run_stands_among_the_others(slower: History, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [line.split() for line in shown(capsys, "*", "--limit", "100").splitlines()]
    assert ["2026-03-08", "09:00", "0707070707", "–", "failed"] in rows
    [invalid] = [row for row in rows if row[-1:] == ["INVALID"]]
    assert invalid[3:] == ["526.5", "samples/s", "INVALID"]  # without a change: it does not count


def test_json_has_every_result_and_the_steps(slower: History, capsys: pytest.CaptureFixture[str]) -> None:
    quality, speed = json.loads(shown(capsys, "--json"))
    assert (quality["mode"], quality["unit"], quality["steps"]) == ("accuracy", "%", [])
    assert (speed["case"], speed["run_length"], speed["machine"]["cpus"]) == (CASE, "short", 2)
    assert len(speed["points"]) == 30
    [step] = speed["steps"]
    assert (step["time"], step["count_before"], step["count_after"]) == ("2026-03-21T09:00:00+00:00", 18, 10)
    assert step["after"] / step["before"] == pytest.approx(468.5 / 527.5, rel=0.01)
    assert len(json.loads(shown(capsys, "--json", "--limit", "4"))[0]["points"]) == 4


def test_the_project_is_that_of_the_current_directory(
    history: History, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    history.add(finished(accuracy(61.0), root=tmp_path / "project"))
    history.add(finished(accuracy(62.0), root=tmp_path / "other"))
    assert "62.000 %" not in shown(capsys)
    assert "62.000 %" in shown(capsys, "--project", str(tmp_path / "other"))
    both = shown(capsys, "--project", "all")
    assert f"in {tmp_path / 'project'}\n" in both
    assert f"in {tmp_path / 'other'}\n" in both


def test_hostile_names_are_text(history: History, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    history.add(finished(accuracy(case=HOSTILE), root=tmp_path / "project"))
    text = shown(capsys)
    assert text.splitlines()[0] == r"a/b 🚀 <script>alert(1)</script>\x1b[31m\n[bold]x accuracy, short"
    assert "\x1b" not in text
    assert json.loads(shown(capsys, "--json"))[0]["case"] == HOSTILE


def test_an_empty_history_is_no_error(history: History, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys) == f"no results yet: a session that runs cases keeps them in {history.path}\n"
    assert json.loads(shown(capsys, "--json")) == []


@pytest.mark.parametrize(
    ("arguments", "variable", "words"),
    [
        (["nothing"], None, f"no result in the history is of a case nothing.*{CASE}.*'\\*nothing\\*'"),
        (["--project", "/elsewhere"], None, "of the project /elsewhere.*--project all"),
        (["--history", "none.sqlite"], None, "there is no history none.sqlite"),
        ([], "off", "no history is kept.*PYTEST_MLPERF_HISTORY=off"),
        (["--history", "/dev/null/x"], None, "there is no history /dev/null/x"),
    ],
)
def test_what_cannot_be_shown_is_told(
    slower: History,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    variable: str | None,
    words: str,
) -> None:
    if variable:
        monkeypatch.setenv("PYTEST_MLPERF_HISTORY", variable)
    assert main(["history", *arguments]) == 1
    assert re.search(words, capsys.readouterr().err, re.DOTALL)


def test_a_thousand_results_are_shown_in_a_second(history: History, tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    results = [performance(float(100 + random.standard_normal()), case=f"case-{case}") for case in range(10)]
    history.add(*(finished(*results, day=day, root=tmp_path / "project") for day in range(100)))
    environment: dict[str, Any] = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    command = [sys.executable, "-m", "pytest_mlperf", "history", "--limit", "1000"]
    before = os.times()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    after = os.times()
    assert done.stdout.count("VALID") == 1000
    # The time of its own, which a busy machine does not change much.
    assert after.children_user + after.children_system - before.children_user - before.children_system < 1.0

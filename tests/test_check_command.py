"""The command pytest-mlperf check, in processes of its own."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.rules.mutations import MUTATIONS
from tests.rules.submissions import submission, unpack_base
from tests.rules.test_reading import packed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack_base("v6.1_open", tmp_path_factory.mktemp("good") / "submission")


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = unpack_base("v6.1_open", tmp_path_factory.mktemp("bad") / "submission")
    for mutation in MUTATIONS:
        if mutation.name[:3] in ("m02", "m22", "m52", "m54"):
            mutation.apply(submission("v6.1_open", root))
    return root


def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest_mlperf", "check", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "80", **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    return done


def test_a_good_submission_is_ok_with_its_figures(good: Path) -> None:
    done = run(good)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "open/Community, example-edge"
    assert [line.split()[:2] + line.split()[-1:] for line in lines[1:3]] == [
        ["resnet50", "Offline", "OK"],
        ["resnet50", "SingleStream", "OK"],
    ]
    verdict = " ".join(line.strip() for line in lines[4:])
    assert (
        verdict == "v6.1, level strict, which is at least as strict as the official checker of v6.1 (head), "
        "measured on no real result: OK (2 results)"
    )


def test_a_broken_submission_says_what_where_and_what_to_do(bad: Path) -> None:
    done = run(bad)
    assert done.returncode == 1
    text = done.stdout
    assert "short: the run's minimum duration is too short [min-duration]\n" in text
    assert "    performance/run_1/mlperf_log_detail.txt\n" in text
    assert "expected: a minimum of 600 s; found: 60 s" in text
    assert "Expected for a short run, which is not a valid result:\n" in text
    # Who has received a submission has no session to give options to.
    assert "repeat the run without min_duration in user.conf\n" in text
    assert "note: the calibration is not documented [calibration]" in text
    assert "(2 results, 3 errors, 1 note)" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


def test_the_official_level_leaves_out_what_its_checker_ignores(bad: Path) -> None:
    text = run(bad, "--level", "official").stdout
    assert "[min-duration]" in text
    assert "[stray-files]" not in text
    assert "agrees with the official checker of v6.1 (head)" in " ".join(text.split())


def test_json_has_all_that_the_text_has(bad: Path) -> None:
    done = run(bad, "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert (report["round"], report["checker"], report["level"], report["verdict"]) == (
        "v6.1",
        "head",
        "strict",
        "errors",
    )
    [system] = report["submitters"][0]["systems"]
    assert {finding["rule"] for finding in system["findings"]} == {"system-status"}
    offline = next(result for result in system["results"] if result["record"]["scenario"] == "Offline")
    assert [finding["rule"] for finding in offline["findings"]] == ["min-duration"]


def test_a_tarball_and_a_named_round_work(good: Path, tmp_path: Path) -> None:
    tarball = packed(good, tmp_path / "open.tar.gz")
    assert run(tarball, "--round", "6.1").returncode == 0
    # The benchmark is one of v5.1, the layout is not.
    other = run(tarball, "--round", "v5.1", "--level", "official")
    assert other.returncode == 1
    assert "[measurements-file]" in other.stdout


def test_the_results_are_written_in_the_official_columns(good: Path, tmp_path: Path) -> None:
    done = run(good, "--csv", tmp_path / "results.csv")
    assert done.returncode == 0
    assert done.stderr == ""
    rows = list(csv.DictReader((tmp_path / "results.csv").open()))
    assert rows
    assert all(row["Organization"] and row["Scenario"] and float(row["Result"]) > 0 for row in rows)


def test_what_cannot_be_judged_is_wrong_usage(good: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for arguments in ([tmp_path / "no"], [good, "--round", "v9"], [tmp_path / "empty"], [good, "--level", "lax"], []):
        done = run(*arguments)
        assert done.returncode == 2, arguments
        assert done.stderr
    assert "no division was found" in run(good / "open").stderr
    assert "name the directory above: these are submitters" in run(good / "open").stderr
    assert run(good, "--csv", tmp_path / "no" / "where.csv").returncode == 2
    assert run(tmp_path / "empty", "--round", "v6.1").returncode == 1
    assert run(tmp_path / "empty", "--round", "v6.1", "--level", "official").returncode == 0


def test_a_damaged_tarball_is_not_ok(good: Path, tmp_path: Path) -> None:
    tarball = packed(good, tmp_path / "open.tar.gz")
    tarball.write_bytes(tarball.read_bytes()[:-1000])
    done = run(tarball)
    assert done.returncode == 1
    assert "cannot unpack" in done.stderr


def test_names_cannot_move_the_cursor(good: Path, tmp_path: Path) -> None:
    root = unpack_base("v6.1_open", tmp_path / "submission")
    (root / "open" / "Community" / "src" / "a \x1b[2J").write_text("x")
    done = run(root)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout

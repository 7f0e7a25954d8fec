"""What a child writes down of its end comes back to the parent as it was: class, fields and line breaks."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf import errors
from pytest_mlperf.errors import MLPerfError, RunError
from pytest_mlperf.implementations.protocol import RESULT_FILE, Failure, Progress, read_result
from pytest_mlperf.run.child_end import as_error, timed_out
from pytest_mlperf.worker.guard import _failure
from tests.packages import TEXTS, with_packages

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, MLPerfError)]
LINES = st.text(st.characters(codec="utf-8"), max_size=60)
END = """
import sys
from pathlib import Path
from pytest_mlperf import errors
from pytest_mlperf.worker.guard import Guard
kind, *fields = sys.argv[2:]
error = getattr(errors, kind)(fields[0], expected=fields[1], found=fields[2], fix=fields[3])
Guard(Path(sys.argv[1])).fail(error)
"""


@given(kind=st.sampled_from(KINDS), what=LINES, expected=LINES, found=LINES, fix=LINES)
def test_any_error_of_ours_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory,
    kind: type[MLPerfError],
    what: str,
    expected: str,
    found: str,
    fix: str,
) -> None:
    directory = tmp_path_factory.getbasetemp()
    error = kind(what, expected=expected, found=found, fix=fix)
    carried = msgspec.json.decode(msgspec.json.encode(_failure(error)), type=Failure)
    back = as_error(carried, directory)
    assert type(back) is kind
    assert (back.what, back.expected, back.found, back.fix) == (what, expected, found, fix)
    assert str(back) == str(error)


def test_a_process_that_fails_leaves_its_lines_in_the_file(tmp_path: Path) -> None:
    fields = ("a model\nis odd", "one\n\ntwo", "three: x\n  four; expected: y", "take\nanother")
    command = [sys.executable, "-c", END, str(tmp_path), "ModelError", *fields]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 70
    failure = read_result(tmp_path / RESULT_FILE).failure
    assert failure is not None
    back = as_error(failure, tmp_path)
    assert type(back) is errors.ModelError
    assert (back.what, back.expected, back.found, back.fix) == fields


def test_an_error_of_somebody_elses_is_a_failed_run_with_the_end_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text("first\nlast words\n")
    back = as_error(_failure(ValueError("one\ntwo")), tmp_path)
    assert type(back) is RunError
    assert back.what == "the run failed: ValueError: one\ntwo"
    assert "last words" in back.found


@pytest.mark.parametrize(
    ("reached", "expected", "found", "fix"),
    [
        (Progress(phase="starting"), "", "starting after 0.0 s; the end", "a larger --mlperf-timeout"),
        (
            Progress(phase="performance", done=1_000, total=24_576, seconds=10.0),
            "its end; about 236 s more were needed",
            "performance, 1,000 of 24,576 samples after 10.0 s; the end",
            "--mlperf-timeout 307 (0: no limit)",
        ),
        (
            Progress(phase="performance", done=70, seconds=10.0, least_seconds=60.0),
            "its end; about 50 s more were needed",
            "performance, 70 samples after 10.0 of 60 s; the end",
            "--mlperf-timeout 84 (0: no limit)",
        ),
        (Progress(phase="accuracy", total=500, seconds=9.0), "", "accuracy, 0 of 500 samples after 9.0 s; the end", ""),
    ],
)
def test_a_run_that_ran_out_of_time_says_how_far_it_was_and_how_much_it_would_have_taken(
    tmp_path: Path, reached: Progress, expected: str, found: str, fix: str
) -> None:
    error = timed_out(20.0, reached, tmp_path)
    assert error.what == "the run did not end within 20 s"
    assert error.expected == expected
    assert error.found.startswith(found)
    assert fix in error.fix


@pytest.mark.parametrize("workers", [(), pytest.param(("-n1",), marks=pytest.mark.slow)])
def test_an_item_shows_every_line_of_what_the_child_found(
    benchmarks: RunSession, tmp_path: Path, workers: tuple[str, ...]
) -> None:
    report, junit = tmp_path / "results.json", tmp_path / "junit.xml"
    options = ("--model=texts", "--backend=wordy", "--scenario=Offline", "--mode=accuracy")
    session = benchmarks(
        *options, f"--mlperf-json={report}", f"--junitxml={junit}", *workers, PYTHONPATH=with_packages(TEXTS)
    )
    assert session.code == pytest.ExitCode.TESTS_FAILED, session.output
    found = "three layers:\n  conv1: float16\n\n  conv2: int4; expected: nothing of the kind"
    message = f"the model is odd\nexpected: one layer; found: {found}\ntake another\nor none"
    assert message in session.output
    [result] = json.loads(report.read_text())["results"]
    [finding] = result["findings"]
    assert (finding["what"], finding["expected"], finding["found"], finding["fix"]) == (
        "the model is odd",
        "one layer",
        found,
        "take another\nor none",
    )
    [failure] = ET.parse(junit).iter("failure")  # noqa: S314 - our own
    assert failure.text == message
    assert "Traceback" not in session.output

"""The files in the current directory are all of one session, and no older one looks as new as they are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
import pytest

from pytest_mlperf.errors import OutputError
from pytest_mlperf.submission.outputs import leave
from pytest_mlperf.submission.submit import Request, submit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_mlperf.submission.plan import Result

YESTERDAY = 1_767_225_600.0
OLDER = ("open.tar.gz", "open-failed-checks.tar.gz", "summary.csv", "summary.json")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A current directory with files of an earlier session."""
    here = tmp_path / "here"
    here.mkdir()
    for name in (*OLDER, "closed.tar.gz"):
        (here / name).write_text("older")
        os.utime(here / name, (YESTERDAY, YESTERDAY))
    return here


def writes(*names: str) -> Callable[[Path], Sequence[Path]]:
    def write(directory: Path) -> list[Path]:
        for name in names:
            (directory / name).write_text("new")
        return [directory / name for name in names]

    return write


def contents(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir()}


def never() -> Path:
    raise AssertionError


def test_what_a_session_does_not_replace_is_renamed_by_its_time(here: Path) -> None:
    left = leave([writes("summary.csv", "summary.json")], "open", here, never)
    assert not left.faults
    found = contents(here)
    assert found["summary.csv"] == found["summary.json"] == "new"
    assert found["closed.tar.gz"] == "older"
    renamed = sorted(found.keys() - {"summary.csv", "summary.json", "closed.tar.gz"})
    assert [name.rpartition("-")[0].rpartition("-")[0] for name in renamed] == ["open", "open-failed-checks"]
    assert all(name.endswith(".tar.gz") and found[name] == "older" for name in renamed)
    assert [note for note in left.notes if renamed[0] in note] == [
        f"open.tar.gz was of an earlier session; it is now {renamed[0]}"
    ]


def test_a_name_that_is_taken_is_not_taken_again(here: Path) -> None:
    leave((), "open", here, never)
    (here / "open.tar.gz").write_text("of the same second")
    os.utime(here / "open.tar.gz", (YESTERDAY, YESTERDAY))
    leave((), "open", here, never)
    assert sorted(contents(here).values()).count("of the same second") == 1
    assert sorted(contents(here).values()).count("older") == 5


def test_files_that_cannot_be_written_there_are_elsewhere_and_the_older_ones_do_not_stand_for_them(
    here: Path, tmp_path: Path
) -> None:
    def full(directory: Path) -> Sequence[Path]:
        if directory == here:
            raise OutputError("cannot pack", found="No space left on device")
        return writes("open.tar.gz")(directory)

    (tmp_path / "own").mkdir()
    left = leave([full], "open", here, lambda: tmp_path / "own")
    assert left.files == (tmp_path / "own" / "open.tar.gz",)
    [fault] = left.faults
    assert f"cannot write to {here}\n" in fault
    assert "No space left on device" in fault
    assert f"see {tmp_path / 'own' / 'open.tar.gz'} instead" in fault
    assert not (here / "open.tar.gz").exists()


def test_a_current_directory_that_is_gone_is_an_error_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    left = leave([writes("summary.csv")], "open", tmp_path / "gone", lambda: tmp_path / "own")
    assert left.files == (tmp_path / "own" / "summary.csv",)
    assert len(left.faults) == 1


@pytest.mark.parametrize(("error", "says"), [(KeyboardInterrupt(), "interrupted"), (RuntimeError("a bug"), "a bug")])
def test_what_ends_a_submission_costs_no_other_report_of_the_session(
    runs: tuple[Result, ...],
    here: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    says: str,
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("pytest_mlperf.submission.submit.read_submission", fails)
    every = [run for result in runs for run in (result.accuracy, result.performance)]
    submitted = submit(
        Request(
            division="open",
            submitter="Me",
            system_type="edge",
            hw_name="box",
            system=None,
            submission_dir=None,
            clean=False,
            pack_anyway=False,
            run_official_checker=False,
            official_length=False,
            results=[msgspec.to_builtins(run) for run in every],
            command=("pytest",),
            code=(),
            directory=here,
            session=lambda: tmp_path / "own",
            on_wait=lambda who: None,
            healthy=True,
            checker_source=lambda round_: never(),
        )
    )
    [outcome] = submitted.outcomes
    assert says in outcome.fault
    assert not {"open.tar.gz", "summary.csv"} & {path.name for path in here.iterdir()}
    assert len(submitted.notes) == len(OLDER)

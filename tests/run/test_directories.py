"""A session's directory is its own, whoever else starts in the same second."""

from __future__ import annotations

import multiprocessing
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.errors import OutputError
from pytest_mlperf.run.directories import session_directory

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 7, 1, 12, 30, 15)
processes = multiprocessing.get_context("fork")


def take(root: Path, key: str, barrier: Any, answers: Any) -> None:
    barrier.wait()
    answers.put((key, session_directory(root, NOW, key)))


def test_sessions_of_one_second_have_a_directory_each_and_the_processes_of_one_share_theirs(tmp_path: Path) -> None:
    keys = [key for key in ("a", "b", "c", "d") for _ in range(3)]
    barrier, answers = processes.Barrier(len(keys)), processes.SimpleQueue()
    many = [processes.Process(target=take, args=(tmp_path / "out", key, barrier, answers)) for key in keys]
    for one in many:
        one.start()
    found = {answers.get() for _ in many}
    for one in many:
        one.join()
    assert {key for key, _ in found} == set("abcd")
    assert len(found) == 4
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for _, path in found)
    names = {path.name for _, path in found}
    assert names == {"20260701-123015", *(f"20260701-123015-{number}" for number in (2, 3, 4))}


@pytest.mark.parametrize("there", ["file", "link", "directory"])
def test_what_stands_at_a_sessions_name_is_left_alone(tmp_path: Path, there: str) -> None:
    place = tmp_path / "20260701-123015"
    if there == "file":
        place.write_text("mine")
    elif there == "link":
        place.symlink_to(tmp_path / "nowhere")
    else:
        (place / "of an earlier version").mkdir(parents=True)
    assert session_directory(tmp_path, NOW, "a").name == "20260701-123015-2"


def test_a_directory_that_cannot_be_made_names_the_option(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file is not a directory\n.*--mlperf-output"):
        session_directory(tmp_path / "file" / "out", NOW, "a")

"""A file of --mlperf-json and a session's directory are read again, and what is no such thing is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.errors import StoredResultsError
from pytest_mlperf.report.json_file import document_of, write_results
from pytest_mlperf.results.document import FORMAT, read_document
from pytest_mlperf.results.session_directory import read_session
from pytest_mlperf.run.directories import RESULTS
from tests.history.sessions import HERE, accuracy, finished, performance

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_results(tmp_path / "r.json", finished(accuracy(), performance(), commit="abc"))
    return tmp_path / "r.json"


def test_a_file_says_when_where_and_of_which_commit_its_results_are(file: Path) -> None:
    document = read_document(file)
    assert document == document_of(finished(accuracy(), performance(), commit="abc"))
    assert (document.format, document.commit, document.machine, document.command) == (FORMAT, "abc", HERE, ("pytest",))
    assert document.started.startswith("2026-03-01T")


def test_a_file_without_a_format_is_read(file: Path) -> None:
    file.write_text(json.dumps({key: json.loads(file.read_text())[key] for key in ("pytest_mlperf", "results")}))
    assert len(read_document(file).results) == 2


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda text: text[: len(text) // 2], "truncated"),
        (lambda text: text.replace(f'"format": {FORMAT}', '"format": 99'), "format 99"),
        (lambda _: "[]", "Expected `object`"),
        (lambda _: "", "truncated"),
        (lambda _: "\x00\xff", "malformed"),
        (lambda _: '{"results": ' + "[" * 100_000, "[Rr]ecursion|truncated"),
        (lambda text: text.replace('"case"', '"cases"'), "missing required field"),
    ],
    ids=["cut off", "newer", "a list", "empty", "binary", "nested", "another file"],
)
def test_a_file_that_cannot_be_read_is_told_by_its_name(file: Path, change: Any, found: str) -> None:
    file.write_text(change(file.read_text()))
    with pytest.raises(StoredResultsError, match=found) as error:
        read_document(file)
    assert str(file) in str(error.value)


def test_a_directory_that_was_moved_knows_where_its_logs_are(tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    (moved / "case-accuracy").mkdir(parents=True)
    write_results(
        moved / RESULTS, finished(accuracy(output="/old/session/case-accuracy"), performance(output="/gone/x"))
    )
    one, other = read_session(moved).results
    assert (one.output, other.output) == (str(moved / "case-accuracy"), "/gone/x")


def test_a_directory_without_results_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoredResultsError, match="there are no results in"):
        read_session(tmp_path)
    (tmp_path / "case-accuracy").mkdir()
    (tmp_path / "case-accuracy" / "run.json").write_text('{"benchmark"')
    with pytest.raises(StoredResultsError, match=r"a run cannot be read: .*run\.json"):
        read_session(tmp_path)

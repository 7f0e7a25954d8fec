"""Whole sessions: each keeps its results in the history and beside its logs, and no history changes an outcome."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.commands.main import main
from pytest_mlperf.history.store import History
from pytest_mlperf.results.document import read_document
from pytest_mlperf.results.session_directory import read_session
from pytest_mlperf.run.directories import RESULTS
from tests.conftest import SUPPORT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession

NULL = ("--model=null", "--backend=null", "--scenario=Offline", "--mode=accuracy")
CASE = "null-null-cpu-Offline"


def test_a_session_with_workers_keeps_each_result_once(benchmarks: RunSession, tmp_path: Path) -> None:
    file = tmp_path / "data" / "history.sqlite"
    session = benchmarks(*NULL, f"--mlperf-history={file}", "-n", "1")
    assert session.code == 0, session.output
    found = History(file).points()
    assert [(point.series.case, point.verdict) for point in found] == [(CASE, "reached")]
    assert found[0].series.project == str(tmp_path / "here")


def test_a_session_without_options_keeps_its_results(benchmarks: RunSession, tmp_path: Path) -> None:
    """Also the results of a project's own test, which needs no option."""
    (tmp_path / "here" / "test_it.py").write_text(
        "import pytest\n"
        '@pytest.mark.mlperf("null", backend="null", scenario="Offline")\n'
        "def test_it(mlperf):\n    mlperf.require(mlperf.run())\n"
    )
    file, page = tmp_path / "history.sqlite", tmp_path / "page.md"
    session = benchmarks(path="test_it.py", PYTEST_MLPERF_HISTORY=str(file), GITHUB_STEP_SUMMARY=str(page))
    assert session.code == 0, session.output
    assert len(History(file).points()) == 1
    assert CASE in page.read_text()


@pytest.mark.parametrize("content", [b"no database", None], ids=["corrupt", "a directory that is a file"])
def test_a_history_that_cannot_be_written_changes_no_outcome(
    benchmarks: RunSession, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "history.sqlite" if content is not None else tmp_path / "file" / "history.sqlite"
    (tmp_path / "file").touch()
    if content is not None:
        file.write_bytes(content)
    session = benchmarks(*NULL, f"--mlperf-history={file}")
    assert session.code == 0, session.output
    assert "MLPerf report" in session.output
    assert f"the history cannot be written: {file}" in session.output
    assert content is None or file.read_bytes() == content


def test_a_past_session_is_told_as_it_was(
    benchmarks: RunSession, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = tmp_path / "r.json"
    session = benchmarks(*NULL, f"--mlperf-json={report}")
    assert session.code == 0, session.output
    assert not (tmp_path / "data").exists()
    [directory] = (tmp_path / "here" / "mlperf-results").glob("2*")
    assert read_session(directory) == read_document(report)
    assert json.loads(report.read_text())["format"] == 1

    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["report", str(directory)]) == 0
    told = capsys.readouterr().out.splitlines()
    row = next(line for line in told if line.startswith(CASE))
    assert row in session.output
    assert f"LoadGen's logs: {directory.relative_to(tmp_path / 'here')}" in told

    # A session that was killed has no results.json.
    monkeypatch.syspath_prepend(SUPPORT)
    (directory / RESULTS).unlink()
    [result] = read_session(directory).results
    [known] = read_document(report).results
    assert (result.case, result.benchmark, result.mode, result.dataset) == (CASE, "null", "accuracy", known.dataset)
    assert result.verdict == "not judged"
    assert result.accuracy is not None
    assert known.accuracy is not None
    assert result.accuracy.value == known.accuracy.value
    assert "rules and target were not judged" in " ".join(result.notes)

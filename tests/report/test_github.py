"""The page of a GitHub Actions job shows the results, and hostile names stay text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.errors import OutputError
from pytest_mlperf.report.github import MOST_BYTES, append_summary
from pytest_mlperf.rules.accuracy import Accuracy
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.run.result import RunResult

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession


def result(case: str = "bert-99-tiny-onnxruntime-cpu-Offline", **facts: Any) -> RunResult:
    accuracy = Accuracy(
        metric="F1", unit="%", value=93.5, limits=(), samples=9, dataset_size=9, values={"F1": 93.5}, text=""
    )
    known: dict[str, Any] = {"benchmark": "b", "edition": "tiny", "implementation": "python", "verdict": "reached"}
    known |= {"device": "cpu", "scenario": "Offline", "mode": "accuracy", "run_length": "short", "backend": "x"}
    return RunResult(case=case, accuracy=accuracy, **{**known, **facts})


def test_the_table_is_appended_to_what_other_steps_wrote(tmp_path: Path) -> None:
    page = tmp_path / "summary.md"
    page.write_text("# Before\n\n")
    append_summary(page, [result()])
    lines = page.read_text().splitlines()
    assert lines[0] == "# Before"
    assert lines[2] == "## MLPerf results: tiny edition"
    assert lines[6].startswith("| bert-99-tiny-onnxruntime-cpu-Offline | accuracy | F1 93.500 % |")


def test_what_failed_is_told_with_what_to_do(tmp_path: Path) -> None:
    finding = Finding(rule="accuracy-target", what="F1 is below the target", expected="91", found="90", fix="look")
    append_summary(tmp_path / "page", [result(findings=(finding,), verdict="below target")])
    assert "- **F1 is below the target** (`accuracy-target`): expected 91; found" in (tmp_path / "page").read_text()


def test_names_are_no_markup(tmp_path: Path) -> None:
    append_summary(tmp_path / "page", [result("a|b<script>alert(1)</script>*c*`d`\n# e")])
    text = (tmp_path / "page").read_text()
    assert "<script>" not in text
    assert "\n# e" not in text
    [row] = [line for line in text.splitlines() if "script" in line]
    assert row.replace("\\|", "").count("|") == 7


def test_more_than_the_page_can_have_is_told(tmp_path: Path) -> None:
    append_summary(tmp_path / "page", [result("x" * 1000)] * 1200)
    text = (tmp_path / "page").read_text()
    assert len(text) < MOST_BYTES
    assert "1,200 results: more than this page can have" in text


def test_a_page_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="GITHUB_STEP_SUMMARY"):
        append_summary(tmp_path, [result()])


def test_a_session_fills_the_page_and_does_not_fail_where_it_cannot(benchmarks: RunSession, tmp_path: Path) -> None:
    run = ("--model=null", "--backend=null", "--scenario=Offline", "--mode=performance")
    session = benchmarks(*run, GITHUB_STEP_SUMMARY=str(tmp_path / "page"), GITHUB_ACTIONS="")
    assert session.code == 0, session.output
    assert "\n::" not in session.output
    assert "| null-null-cpu-Offline | performance |" in (tmp_path / "page").read_text()
    session = benchmarks(*run, GITHUB_STEP_SUMMARY=str(tmp_path / "no" / "page"))
    assert session.code == 0, session.output
    assert "the results cannot be put on the job's page" in session.output

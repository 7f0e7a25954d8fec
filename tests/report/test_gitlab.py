"""The reports of a GitLab job: GitLab's own way of reading them finds what the results say."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pytest_mlperf.errors import OutputError
from pytest_mlperf.report.gitlab import CODE_QUALITY, METRICS, code_quality, write_reports
from pytest_mlperf.report.openmetrics import openmetrics
from tests.packages import with_packages
from tests.report.results import FINDING, HOSTILE, UNDECIDED, accuracy, finished, item, performance

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.report.finished import Item
    from tests.conftest import RunSession

#: What GitLab's documentation asks of an issue ("Code Quality report format").
ISSUES = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": r"^[^/.].*|^\.[^./].*"},
                    "lines": {"required": ["begin"], "properties": {"begin": {"type": "integer", "minimum": 1}}},
                },
            },
        },
    },
}
TEST = """import pytest

@pytest.mark.mlperf("null", backend="null", scenario="Offline", mode="performance")
def test_it(mlperf):
    mlperf.run()
    assert False, "no"
"""


def as_gitlab(text: str) -> dict[str, str]:
    """Read metrics as GitLab does: no comments, then the words of a shell, of which the first two count."""
    lines = (shlex.split(re.sub("#.*$", "", line)) for line in text.splitlines())
    return {words[0]: words[1] for words in lines if len(words) > 1}


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Read metrics with the parser of Prometheus."""
    return {
        (sample.name, *map(str, sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def issues(root: Path, *items: Item) -> list[dict[str, Any]]:
    found = json.loads(json.dumps(list(code_quality(replace(finished([]), items=items), root))))
    jsonschema.Draft202012Validator(ISSUES).validate(found)
    return list(found)


def test_metrics_are_the_figures_by_case_and_run() -> None:
    text = openmetrics([accuracy("a"), performance("b")])
    assert samples(text) == {
        ("mlperf_F1", "a", "accuracy"): 93.5,
        ("mlperf_exact_match", "a", "accuracy"): 88.0,
        ("mlperf_queries_per_second", "b", "performance"): 126.3,
        ("mlperf_latency_p50_ms", "b", "performance"): 1.0,
        ("mlperf_latency_p90_ms", "b", "performance"): 2.5,
        ("mlperf_latency_p99_ms", "b", "performance"): 9.0,
        ("mlperf_peak_memory_bytes", "a", "accuracy"): 1 << 20,
        ("mlperf_peak_memory_bytes", "b", "performance"): 1 << 20,
    }
    assert as_gitlab(text)["mlperf_F1{case=a,run=accuracy}"] == "93.5"


@given(names=st.lists(st.text(min_size=1) | st.just(HOSTILE), min_size=1, max_size=3))
def test_no_name_breaks_the_metrics(names: list[str]) -> None:
    text = openmetrics([accuracy(name, label=name) for name in names])
    assert len(samples(text)) == len(as_gitlab(text)) == 3 * len(names)


def test_no_result_is_an_empty_file_of_the_format() -> None:
    assert samples(openmetrics([])) == {}


def test_each_broken_rule_is_an_issue_at_its_test(tmp_path: Path) -> None:
    other = item(tmp_path, nodeid="m", case="b", result=accuracy(findings=(FINDING, FINDING)))
    first, *more = issues(tmp_path, item(tmp_path, result=accuracy(findings=(FINDING,))), other)
    assert (first["check_name"], first["severity"]) == ("mlperf/accuracy-target", "major")
    assert first["location"] == {"path": "tests/test_it.py", "lines": {"begin": 3}}
    assert "expected: 97.4; found: 90" in first["description"]
    assert len({issue["fingerprint"] for issue in (first, *more)}) == 3


def test_a_problem_has_the_same_fingerprint_in_every_job(tmp_path: Path) -> None:
    found = [
        issues(tmp_path, item(tmp_path, figure, line=line))[0]["fingerprint"]
        for figure, line in (("90 %", 3), ("91 %", 7))
    ]
    assert found[0] == found[1]


def test_what_is_undecided_is_minor_and_what_passed_is_none(tmp_path: Path) -> None:
    result = accuracy(comparison=UNDECIDED, notes=("a-case accuracy: undecided: it may be",))
    [issue] = issues(tmp_path, item(tmp_path, "", result), item(tmp_path, "", accuracy()))
    assert (issue["check_name"], issue["severity"]) == ("mlperf/undecided", "minor")


def test_hostile_names_and_tests_elsewhere_are_still_issues(tmp_path: Path) -> None:
    [issue] = issues(tmp_path / "project", item(tmp_path, HOSTILE, case=HOSTILE, nodeid="../tests/test_it.py::x"))
    assert "\n" not in issue["description"]
    assert issue["location"]["path"] == "tests/test_it.py"


def test_a_directory_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="CI_PROJECT_DIR"):
        write_reports(tmp_path / "none", finished([accuracy()]))


def test_a_session_in_a_job_writes_both(benchmarks: RunSession, tmp_path: Path) -> None:
    (tmp_path / "here" / "test_it.py").write_text(TEST)
    where = {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(tmp_path / "here"), "PYTHONPATH": with_packages()}
    session = benchmarks(path="test_it.py", **where)
    assert session.code == 1, session.output
    metrics = samples((tmp_path / "here" / METRICS).read_text())
    assert metrics["mlperf_samples_per_second", "null-null-cpu-Offline", "performance"] > 0
    [issue] = json.loads((tmp_path / "here" / CODE_QUALITY).read_text())
    assert issue["location"] == {"path": "test_it.py", "lines": {"begin": 3}}

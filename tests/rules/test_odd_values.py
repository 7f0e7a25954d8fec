"""Values that LoadGen never writes: at official they count as in the official checker, at strict they are faults.

The verdicts of level official are those of the two official checkers on the same trees.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.rules.check import check
from pytest_mlperf.rules.reading.read import read_submission
from pytest_mlperf.rules.round import find_round

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_mlperf.rules.severity import Level
    from tests.rules.submissions import Submission

MIN_DURATION, PER_QUERY = "effective_min_duration_ms", "effective_samples_per_query"
#: Base, key, its value (None: no such line), the rules that are broken at official.
ODD = [
    ("v5.1_open", MIN_DURATION, "NaN", ""),
    ("v5.1_open", MIN_DURATION, "1e400", ""),
    ("v6.1_open", MIN_DURATION, "true", "min-duration"),
    ("v6.1_open", MIN_DURATION, "1.2.3", "performance-log"),
    ("v6.1_open", MIN_DURATION, '"600000"', "min-duration"),
    ("v6.1_open", MIN_DURATION, "-1", "min-duration"),
    ("v6.1_open", PER_QUERY, "NaN", ""),
    ("v6.1_open", PER_QUERY, '"abc"', "samples-per-query-number"),
    ("v6.1_open", PER_QUERY, None, "samples-per-query-number"),
    ("v5.1_open", "result_samples_per_second", "-1", ""),
    ("v5.1_open", "result_samples_per_second", '"600000"', ""),
    ("v5.1_open", "result_samples_per_second", "NaN", ""),
    ("v5.1_open", "result_samples_per_second", "0", "result-metric"),
    ("v5.1_open", "result_samples_per_second", '"abc"', "result-metric"),
    ("v5.1_open", "num_errors", "null", "loadgen-errors"),
    ("v5.1_open", "num_errors", '""', "loadgen-errors"),
    ("v6.1_open", "early_stopping_met", '"abc"', ""),
    ("v6.1_open", "early_stopping_met", '""', "early-stopping"),
]


def put(root: Path, key: str, value: str | None) -> None:
    """Give a key another value in all performance logs."""
    line = re.compile(rf'(:::MLLOG \{{.*"key": "{key}", "value": )(.*?)(, "metadata".*\n)')
    changed = 0
    for log in root.rglob("performance/run_1/mlperf_log_detail.txt"):
        text = log.read_text()
        new = line.sub("" if value is None else lambda found: f"{found[1]}{value}{found[3]}", text)
        changed += new != text
        log.write_text(new)
    assert changed


def broken(root: Path, round_: str, level: Level) -> set[str]:
    report = check(read_submission(root), find_round(round_), level)
    return {finding.rule for finding in report.all_findings() if finding.severity == "error"}


@pytest.mark.parametrize(("base", "key", "value", "rules"), ODD)
def test_an_odd_value_counts_as_in_the_official_checker_and_is_a_fault_at_strict(
    copy_of: Callable[[str], Submission], base: str, key: str, value: str | None, rules: str
) -> None:
    root, round_ = copy_of(base).root, base.partition("_")[0]
    put(root, key, value)
    assert broken(root, round_, "official") == set(rules.split())
    strict = broken(root, round_, "strict")
    assert strict
    assert set(rules.split()) or "log-numbers" in strict


@pytest.mark.parametrize("name", ["v2.1", "v3.0"])
@pytest.mark.parametrize(
    ("key", "value", "refused"),
    [(MIN_DURATION, '"abc"', True), (MIN_DURATION, "1", False), (PER_QUERY, None, True), (PER_QUERY, "1", False)],
)
def test_v2_1_and_v3_0_refuse_what_cannot_be_compared_and_log_what_is_too_small(
    copy_of: Callable[[str], Submission], name: str, key: str, value: str | None, refused: bool
) -> None:
    root = copy_of("v5.1_open").root
    put(root, key, value)
    report = check(read_submission(root), find_round(name), "official")
    found = {finding.rule for finding in report.all_findings() if finding.severity == "error"}
    assert ("compared-numbers" in found) is refused
    assert not found & {"min-duration", "samples-per-query", "samples-per-query-number"}


@pytest.mark.parametrize("name", ["v2.1", "v3.0"])
@pytest.mark.parametrize(("text", "refused"), [(" ", True), ("7", True), ("{", True), ("[]", False), ('"x"', False)])
def test_v2_1_and_v3_0_refuse_measurements_that_are_no_json_and_log_missing_ones(
    copy_of: Callable[[str], Submission], name: str, text: str, refused: bool
) -> None:
    it = copy_of("v5.1_open")
    it.measurements_file.write_text(text)
    assert ("measurements-json" in broken(it.root, name, "official")) is refused
    it.measurements_file.unlink()
    assert broken(it.root, name, "official") == set()


@pytest.mark.parametrize("name", ["v2.1", "v3.0"])
def test_v2_1_and_v3_0_refuse_a_result_without_a_directory_of_measurements(
    copy_of: Callable[[str], Submission], name: str
) -> None:
    it = copy_of("v5.1_open")
    it.measurements.rename(it.measurements.with_name("other"))
    assert broken(it.root, name, "official") == {"measurements-directory"}


@pytest.mark.parametrize(("name", "refused"), [("v3.0", False), ("v5.1", True)])
def test_an_empty_accuracy_log_has_no_errors_for_the_checkers_until_v5_0(
    copy_of: Callable[[str], Submission], name: str, refused: bool
) -> None:
    it = copy_of("v5.1_open")
    (it.accuracy / "mlperf_log_detail.txt").write_text("")
    assert ("accuracy-detail-empty" in broken(it.root, name, "official")) is refused
    assert "accuracy-detail-empty" in broken(it.root, name, "strict")


@pytest.mark.parametrize("base", ["v5.1_open", "v6.1_open"])
def test_results_that_are_a_file_end_every_official_checker(copy_of: Callable[[str], Submission], base: str) -> None:
    it = copy_of(base)
    it.results.rename(it.results.with_name("other"))
    it.results.write_text("")
    assert "results-no-file" in broken(it.root, base.partition("_")[0], "official")


def test_a_broken_link_in_the_place_of_a_submitter_is_no_stray_file(copy_of: Callable[[str], Submission]) -> None:
    it = copy_of("v5.1_open")
    (it.submitter.parent / "Other").symlink_to("nowhere")
    assert broken(it.root, "v5.1", "official") == set()
    assert broken(it.root, "v5.1", "strict") == {"special-files"}

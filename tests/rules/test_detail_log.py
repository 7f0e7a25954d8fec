from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.rules.asked import Asked
from pytest_mlperf.rules.detail_log import DetailLog, parse_detail_log, read_detail_log
from pytest_mlperf.rules.judge import judge_performance_run
from pytest_mlperf.rules.performance import performance_of
from pytest_mlperf.rules.reading.files import MISSING, Text
from pytest_mlperf.rules.reading.submission import Run

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.rules.finding import Finding


def judged(log: DetailLog, scenario: str = "Offline") -> tuple[Finding, ...]:
    run = Run("", None, log, Text("mlperf_log_summary.txt", fault=MISSING))
    return judge_performance_run(run, scenario, Asked(min_duration_ms=600_000))


def line(key: str, value: Any, *, is_error: bool = False) -> str:
    return ":::MLLOG " + json.dumps({"key": key, "value": value, "metadata": {"is_error": is_error}})


def test_the_first_value_of_a_key_counts_and_foreign_lines_are_skipped() -> None:
    log = parse_detail_log("\n".join(["noise", line("a", 1), line("a", 2), line("b", "x")]))
    assert (log.values, log.fault, log.errors) == ({"a": 1, "b": "x"}, None, ())


def test_errors_are_kept_in_loadgens_words() -> None:
    log = parse_detail_log("\n".join([line("a", 1), line("error_runtime", "twice", is_error=True)]))
    assert log.errors == ("error_runtime: twice",)
    finding = next(each for each in judged(log) if each.rule == "loadgen-errors")
    assert "twice" in str(finding)


def test_a_cut_log_is_a_finding_and_never_valid() -> None:
    whole = "\n".join([line("result_validity", "VALID"), line("result_samples_per_second", 5.0)])
    log = parse_detail_log(whole[:-10])
    [finding] = judged(log)
    assert (finding.rule, finding.severity) == ("performance-log", "error")
    assert not performance_of("Offline", log).valid


def test_a_missing_and_a_binary_log_are_findings(tmp_path: Path) -> None:
    assert "cannot be read" in str(read_detail_log(tmp_path / "no").fault)
    (tmp_path / "log").write_bytes(b"\xff\xfe\x00")
    assert read_detail_log(tmp_path / "log").fault == "is not UTF-8 text"


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2)
KEYS = st.sampled_from(
    [
        "result_validity",
        "result_samples_per_second",
        "early_stopping_met",
        "early_stopping_result",
        "result_min_duration_met",
        "result_min_queries_met",
        "result_perf_constraints_met",
        "effective_min_duration_ms",
        "effective_target_latency_percentile",
        "effective_target_qps",
        "result_query_count",
        "result_99.00_percentile_latency_ns",
    ]
)


@given(
    st.lists(st.tuples(KEYS, VALUES)),
    st.sampled_from(["Offline", "Server", "SingleStream", "MultiStream"]),
    st.integers(0, 10_000),
)
def test_whatever_a_log_says_the_rules_answer(pairs: list[tuple[str, Any]], scenario: str, cut: int) -> None:
    log = parse_detail_log("\n".join(line(key, value) for key, value in pairs)[:cut])
    figures = performance_of(scenario, log)
    findings = judged(log, scenario)
    assert figures.valid or findings
    assert all(len(str(finding).splitlines()) >= 3 for finding in findings)


@given(st.text())
def test_any_text_is_a_log_or_has_a_fault(text: str) -> None:
    log = parse_detail_log(text)
    assert log.values or log.fault

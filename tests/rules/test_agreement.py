"""Compliance tests agree or not as the official verification scripts decide, and say it in their words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlperf.errors import AccuracyLogError
from pytest_mlperf.metrics.accuracy_log import copy_entries, read_every_record
from pytest_mlperf.rules.agreement import AnswerCounts, accuracy_delta, compare_answers, compare_figures
from pytest_mlperf.rules.detail_log import DetailLog
from pytest_mlperf.rules.performance import RESULT_FIELDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Answers = list[tuple[int, bytes]]


def write_log(path: Path, answers: Sequence[tuple[int, bytes]]) -> Path:
    entries = [
        f'{{ "seq_id" : {n}, "qsl_idx" : {sample}, "data" : "{data.hex().upper()}" }}'
        for n, (sample, data) in enumerate(answers)
    ]
    path.write_text("[\n" + ",\n".join(entries) + ("\n" if entries else "") + "]\n")
    return path


def compare(directory: Path, accuracy: Answers, performance: Answers) -> AnswerCounts:
    return compare_answers(write_log(directory / "acc.json", accuracy), write_log(directory / "perf.json", performance))


def test_the_text_is_the_official_scripts(tmp_path: Path) -> None:
    """Published with bert-99 of NVIDIA in inference_results_v2.1, with other numbers."""
    counts = compare(tmp_path, [(0, b"a"), (1, b"b"), (1, b"x"), (2, b"")], [(1, b"b"), (2, b""), (1, b"c"), (7, b"a")])
    assert counts.text == (
        "Verifying accuracy. This might take a while...\n"
        "Reading accuracy mode results...\n"
        "Reading performance mode results...\n"
        "num_acc_log_entries = 4\n"
        "num_acc_log_duplicate_keys = 1\n"
        "num_acc_log_data_mismatch = 1\n"
        "num_perf_log_entries = 4\n"
        "num_perf_log_qsl_idx_match = 3\n"
        "num_perf_log_data_mismatch = 1\n"
        "num_missing_qsl_idxs = 1\n"
        "TEST FAIL\n\n"
    )


def test_an_answer_that_differs_in_its_last_byte_only_is_another_answer(tmp_path: Path) -> None:
    assert not compare(tmp_path, [(0, b"12345678")], [(0, b"12345679")]).agree


def test_no_answer_at_all_is_no_agreement(tmp_path: Path) -> None:
    counts = compare(tmp_path, [(0, b"a")], [])
    assert not counts.agree
    assert "num_perf_log_entries = 0\n" in counts.text
    assert "\nTEST FAIL\n" in counts.text


@settings(max_examples=50)
@given(st.dictionaries(st.integers(0, 50), st.binary(max_size=5), min_size=1), st.data())
def test_any_sample_of_the_accuracy_runs_own_answers_agrees(
    tmp_path_factory: pytest.TempPathFactory, answers: dict[int, bytes], data: st.DataObject
) -> None:
    whole = list(answers.items())
    sampled = data.draw(st.lists(st.sampled_from(whole), min_size=1))
    counts = compare(tmp_path_factory.mktemp("logs"), whole, sampled)
    assert counts.agree
    assert counts.text.splitlines().count("TEST PASS") == 1


def test_a_log_that_was_cut_off_is_not_compared(tmp_path: Path) -> None:
    whole = write_log(tmp_path / "acc.json", [(0, b"a"), (1, b"b")])
    cut = tmp_path / "perf.json"
    cut.write_text(whole.read_text()[:-20])
    for logs in ((whole, cut), (cut, whole)):
        with pytest.raises(AccuracyLogError):
            compare_answers(*logs)


@pytest.mark.parametrize("samples", [{1}, {0, 2}, set(), {0, 1, 2, 3}])
def test_the_baseline_has_the_entries_of_the_compared_samples(tmp_path: Path, samples: set[int]) -> None:
    whole = write_log(tmp_path / "acc.json", [(0, b"a"), (1, b"b"), (1, b"b"), (2, b"c")])
    copy_entries(whole, samples, tmp_path / "baseline.json")
    kept = list(read_every_record(tmp_path / "baseline.json"))
    assert kept == [record for record in read_every_record(whole) if record.qsl_idx in samples]
    assert len(json.loads((tmp_path / "baseline.json").read_text())) == len(kept)


@pytest.mark.parametrize(
    ("baseline", "compliance", "delta"),
    [(50.0, 50.0, 0.0), (99.0, 100.0, 0.01), (0.0, 0.0, 0.0), (1.0, 0.0, float("inf"))],
)
def test_the_delta_is_the_official_checkers(baseline: float, compliance: float, delta: float) -> None:
    assert accuracy_delta(baseline, compliance) == pytest.approx(delta)


def log(scenario: str, figure: float | None, **values: object) -> DetailLog:
    figures = {} if figure is None else {RESULT_FIELDS[scenario].key: figure}
    return DetailLog({"effective_scenario": scenario, "result_validity": "VALID", **figures, **values})


@pytest.mark.parametrize(
    ("test", "scenario", "reference", "tested", "agree"),
    [
        ("TEST01", "Offline", 100.0, 109.0, True),
        ("TEST01", "Offline", 100.0, 91.0, True),
        ("TEST01", "Offline", 100.0, 111.0, False),
        ("TEST01", "Offline", 100.0, 89.0, False),
        ("TEST01", "SingleStream", 200_000, 239_000, True),
        ("TEST01", "SingleStream", 200_001, 239_000, False),
        ("TEST01", "MultiStream", 1_600_000, 1_300_000, True),
        ("TEST04", "Offline", 100.0, 109.0, True),
        ("TEST04", "Offline", 100.0, 10.0, True),
        ("TEST04", "Offline", 100.0, 111.0, False),
        ("TEST04", "Server", 100.0, 111.0, False),
        # 1 ms is 1,000 queries a second, which the script takes for a short latency.
        ("TEST04", "SingleStream", 1e6, 1e6 / 1.19, True),
        ("TEST04", "SingleStream", 1e6, 1e6 / 1.21, False),
        ("TEST04", "SingleStream", 1e6, 5e6, True),
        ("TEST04", "SingleStream", 1_000, 1_000 / 1.15, False),
        ("TEST05", "Offline", 100.0, 96.0, True),
        ("TEST05", "Offline", 100.0, 94.0, False),
        ("TEST05", "Offline", 100.0, 300.0, True),
        ("TEST05", "SingleStream", 1e6, 1.04e6, True),
        ("TEST05", "SingleStream", 1e6, 1.06e6, False),
        ("TEST05", "SingleStream", 1e6, 1e3, True),
        ("TEST05", "SingleStream", 1e5, 1.19e5, True),
    ],
)
def test_a_figure_agrees_within_the_tests_tolerance_in_the_direction_that_matters(
    test: str, scenario: str, reference: float, tested: float, agree: bool
) -> None:
    found = compare_figures(test, scenario, log(scenario, reference), log(scenario, tested))
    assert found.agree is agree
    assert ("TEST PASS" in found.text.splitlines()) is agree
    assert ("TEST FAIL: Test score invalid" in found.text.splitlines()) is not agree


def test_the_performance_text_is_the_official_scripts() -> None:
    """Published with bert-99 of NVIDIA in inference_results_v2.1."""
    found = compare_figures("TEST01", "Offline", log("Offline", 3238.19), log("Offline", 3236.29))
    assert found.text == "Verifying performance.\nreference score = 3238.19\ntest score = 3236.29\nTEST PASS\n"


@pytest.mark.parametrize(
    ("reference", "tested", "says"),
    [
        (log("Offline", 1.0, result_validity="INVALID"), log("Offline", 1.0), "Reference results are invalid"),
        (log("Offline", 1.0), log("Offline", 1.0, result_validity="INVALID"), "Test results are invalid"),
        (log("Offline", 1.0), DetailLog(fault="cannot be read"), "Test results are invalid"),
        (log("Server", 1.0), log("Offline", 1.0), "Test and reference scenarios do not match!"),
        (log("Offline", 1.0), log("Offline", None), "Test score invalid"),
        (log("Offline", 0.0), log("Offline", 1.0), "Test score invalid"),
    ],
)
def test_what_cannot_be_compared_fails(reference: DetailLog, tested: DetailLog, says: str) -> None:
    found = compare_figures("TEST01", "Offline", reference, tested)
    assert not found.agree
    assert found.text == f"Verifying performance.\nTEST FAIL: {says}\n"


def test_another_latency_bound_is_another_test() -> None:
    bounds = [log("Server", 5.0, effective_target_latency_ns=bound) for bound in (100, 200)]
    assert compare_figures("TEST01", "Server", *bounds).text.endswith("TEST FAIL: Server target latency mismatch\n")

"""A session's run is judged by the checks that judge a submission's; being short alone makes notes of errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.metrics.limit import Limit
from pytest_mlperf.rules.accuracy import Accuracy
from pytest_mlperf.rules.agreement import AnswerAgreement, AnswerCounts, FigureAgreement
from pytest_mlperf.rules.asked import asked_by_round
from pytest_mlperf.rules.check import check
from pytest_mlperf.rules.detail_log import DetailLog
from pytest_mlperf.rules.judge import (
    SHORT_FACTOR,
    is_short,
    judge_accuracy_run,
    judge_agreement,
    judge_performance_run,
)
from pytest_mlperf.rules.performance import performance_of
from pytest_mlperf.rules.reading.read import read_run, read_submission
from pytest_mlperf.rules.round import find_round
from tests.rules.mutations import MUTATIONS
from tests.rules.runs import RETINANET, SEEDS, VALID, of, run_of
from tests.rules.submissions import BASES, submission
from tests.rules.test_check import judged
from tests.rules.test_checks import BREAKS, in_log, set_in_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pytest_mlperf.rules.finding import Finding
    from tests.rules.submissions import Submission

    Copy = Callable[[str], Submission]


ACCURACY_LOG = {
    **SEEDS,
    "effective_test_mode": "AccuracyOnly",
    "loadgen_version": "6.0.17",
    "power_end": "now",
}


def scored(value: float, samples: int = 500, reference_samples: int = 24_781) -> Accuracy:
    return Accuracy(
        metric="mAP",
        unit="%",
        value=value,
        limits=(Limit("mAP", minimum=37.1745, reference=37.55, samples=reference_samples),),
        samples=samples,
        dataset_size=24_781,
        values={"mAP": value},
        text=f"mAP={value:.3f}%\n",
    )


def accuracy(found: Accuracy, asked_samples: int | None = None, **changed: Any) -> tuple[Finding, ...]:
    log = ACCURACY_LOG | {"effective_accuracy_sample_count": found.samples} | changed
    samples = found.samples if asked_samples is None else asked_samples
    return judge_accuracy_run(run_of(log), "Offline", RETINANET, found, samples=samples)


@pytest.mark.parametrize("value", [37.1745, 38.0])
def test_a_metric_at_or_above_its_target_passes(value: float) -> None:
    assert accuracy(scored(value, 24_781)) == ()


@pytest.mark.parametrize("value", [37.17449, 0.0, float("nan")])
def test_a_metric_below_its_target_fails_with_both_figures(value: float) -> None:
    [finding] = [each for each in accuracy(scored(value)) if each.severity == "error"]
    assert finding.rule == "accuracy-target"
    assert "at least 37.1745 % (99.0% of the reference's 37.550 % on 24,781)" in str(finding)
    assert f"found: {value:.10g} % on 500 samples" in str(finding)


@pytest.mark.parametrize(
    ("reference_samples", "says"), [(24_781, "the target of the whole"), (500, "the reference on the same part")]
)
def test_accuracy_of_a_part_is_a_note_with_what_its_target_is_worth(reference_samples: int, says: str) -> None:
    [note] = accuracy(scored(54.8, 500, reference_samples))
    assert (note.rule, note.severity) == ("accuracy-samples", "note")
    assert (note.expected, note.found) == ("24,781 samples", "500")
    assert note.what.endswith(f"was held against {says}")
    assert is_short([note])


def test_an_accuracy_runs_log_is_judged_too() -> None:
    assert of(accuracy(scored(38.0, 24_781), effective_test_mode="PerformanceOnly"), "error") == ["accuracy-mode"]
    endless = {key: value for key, value in ACCURACY_LOG.items() if key != "power_end"}
    run = run_of(endless | {"effective_accuracy_sample_count": 24_781})
    found = judge_accuracy_run(run, "Offline", RETINANET, scored(38.0, 24_781), samples=24_781)
    assert of(found, "error") == ["log-end"]


def test_an_answer_that_is_not_in_the_accuracy_log_is_an_error() -> None:
    [finding] = accuracy(scored(38.0, 24_781), asked_samples=24_782)
    assert (finding.rule, finding.severity, finding.expected, finding.found) == (
        "accuracy-answers",
        "error",
        "24,782 samples",
        "24,781",
    )


def test_errors_of_an_accuracy_run_are_errors() -> None:
    run = run_of(ACCURACY_LOG | {"effective_accuracy_sample_count": 24_781}, errors=("error_runtime: no",))
    [finding] = judge_accuracy_run(run, "Offline", RETINANET, scored(38.0, 24_781), samples=24_781)
    assert (finding.rule, finding.severity) == ("accuracy-errors", "error")
    unreadable = run_of({}, fault="is cut off")
    [finding] = judge_accuracy_run(unreadable, "Offline", RETINANET, scored(38.0, 24_781), samples=24_781)
    assert (finding.rule, finding.severity) == ("accuracy-detail", "error")


def figures(ratio: float) -> FigureAgreement:
    return FigureAgreement(100.0, 100.0 * ratio, tolerance=0.1, worst=ratio - 1)


@pytest.mark.parametrize(
    ("ratio", "short", "severity"),
    [(1.05, True, None), (1.5, True, "note"), (1.5, False, "error"), (SHORT_FACTOR * 1.1, True, "error")],
)
def test_short_runs_may_differ_by_what_a_busy_machine_does(ratio: float, short: bool, severity: str | None) -> None:
    found = judge_agreement("TEST04", figures(ratio), None, short=short)
    assert [(each.rule, each.severity) for each in found] == (
        [] if severity is None else [("compliance-performance", severity)]
    )


@pytest.mark.parametrize(("different", "delta", "agree"), [(0, 0.0, True), (3, 0.005, True), (3, 0.5, False)])
def test_other_answers_are_an_error_however_short_the_runs_are(different: int, delta: float, agree: bool) -> None:
    counts = AnswerCounts(10, 0, 0, 10, 10, different, 0)
    found = judge_agreement("TEST01", figures(1.0), AnswerAgreement(counts, delta, allowed=0.01), short=True)
    assert of(found, "error") == ([] if agree else ["compliance-accuracy"])


def test_advice_for_the_reader_is_added_to_what_a_finding_says() -> None:
    log = VALID | {"effective_scenario": "Offline", "effective_min_duration_ms": 0}
    plain = judge_performance_run(run_of(log), "Offline", RETINANET)
    [advised] = judge_performance_run(run_of(log), "Offline", RETINANET, advice={"min-duration": "ask your operator"})
    assert advised.fix == f"{plain[0].fix}; ask your operator"


def runs(it: Submission) -> Iterator[tuple[str, str, Path]]:
    """Yield the mode, the scenario and the directory of each of a submission's runs."""
    for system in read_submission(it.root).submitters[0].systems:
        for result in system.results:
            directory = it.root / result.path
            yield "performance", str(result.scenario), directory / "performance" / "run_1"
            yield "accuracy", str(result.scenario), directory / "accuracy"


#: A score that meets its target: the parity below is about logs.
PLAIN = Accuracy(
    metric="m",
    unit="",
    value=1,
    limits=(Limit("m", minimum=1),),
    samples=1,
    dataset_size=1,
    values={"m": 1},
    text="m=1",
)


@pytest.mark.parametrize(
    ("rule", "base", "change"),
    [
        pytest.param(rule, base, change, id=f"{rule}-{index}")
        for index, (rule, base, change) in enumerate(BREAKS)
        if base == "v6.1_open"
    ]
    + [
        pytest.param(each.name, "v6.1_open", each.apply, id=each.name)
        for each in MUTATIONS
        if each.name[:3] in ("m02", "m10", "m26", "m28", "m30", "m40", "m42", "m66")
    ],
)
def test_a_run_breaks_the_same_rules_in_a_session_as_in_a_submission(
    rule: str, base: str, change: Callable[[Submission], object], copy_of: Copy
) -> None:
    it = copy_of(base)
    change(it)
    round_ = find_round(it.round)
    asked = asked_by_round(round_, "resnet")
    in_session: set[str] = set()
    for mode, scenario, directory in runs(it):
        run = read_run(directory)
        found = (
            judge_performance_run(run, scenario, asked)
            if mode == "performance"
            else judge_accuracy_run(run, scenario, asked, PLAIN, samples=1)
        )
        in_session |= {finding.rule for finding in found}
    of_runs = {finding.rule for finding in judged(it, "strict").all_findings()} & RUN_RULES
    assert in_session == of_runs


#: The rules that logs alone can break.
RUN_RULES = {
    *("performance-log", "accuracy-detail", "log-first-line", "log-end", "log-contradictions", "summary-log"),
    *("loadgen-errors", "loadgen-error-messages", "accuracy-errors", "test-mode", "accuracy-mode"),
    *("seeds", "accuracy-seeds", "result-validity", "result-metric", "early-stopping"),
    *("loadgen-min-duration", "loadgen-min-queries", "loadgen-latency-bound"),
    *("min-duration", "min-query-count", "samples-per-query", "performance-sample-count", "accuracy-samples"),
    "loaded-sample-count",
    *(
        "server-latency",
        "equal-issue",
        "latency-percentile",
        "query-size",
        "sample-order",
        "token-latencies",
        "audit-settings",
    ),
    "clock",
}


def test_an_invalid_run_names_its_causes_in_a_submission_too(copy_of: Copy) -> None:
    it = copy_of("v6.1_open")
    for key, value in (("result_validity", "INVALID"), ("result_min_duration_met", False)):
        in_log(key, value)(it)
    findings = {finding.rule: finding for finding in judged(it, "strict").all_findings()}
    assert findings.keys() == {"result-validity", "loadgen-min-duration"}
    assert findings["loadgen-min-duration"].what in findings["result-validity"].found


@pytest.mark.parametrize("base", BASES)
def test_advice_changes_what_to_do_and_no_verdict(base: str, bases: Mapping[str, Path], copy_of: Copy) -> None:
    it = copy_of(base)
    set_in_log(it.performance() / "mlperf_log_detail.txt", "effective_min_duration_ms", 1)
    round_ = find_round(submission(base, bases[base]).round)
    parsed = read_submission(it.root, round_.layout)
    plain, advised = (check(parsed, round_, "strict", advice) for advice in ({}, {"min-duration": "wait longer"}))
    pairs = list(zip(plain.all_findings(), advised.all_findings(), strict=True))
    assert plain.verdict == advised.verdict == "short"
    assert [(one.rule, one.severity) for one, _ in pairs] == [(other.rule, other.severity) for _, other in pairs]
    changed = [other for one, other in pairs if one != other]
    assert {finding.rule for finding in changed} == {"min-duration"}
    assert all(finding.fix.endswith("; wait longer") for finding in changed)


@pytest.mark.parametrize(
    ("scenario", "key", "raw", "value", "unit"),
    [
        ("Offline", "result_samples_per_second", 12.5, 12.5, "samples/s"),
        ("Server", "result_completed_samples_per_sec", 7, 7.0, "queries/s"),
        ("SingleStream", "early_stopping_latency_ss", 2_500_000, 2.5, "ms"),
        ("MultiStream", "early_stopping_latency_ms", 5_000_000, 5.0, "ms"),
    ],
)
def test_a_result_has_the_key_and_the_unit_of_its_scenario(
    scenario: str, key: str, raw: float, value: float, unit: str
) -> None:
    found = performance_of(scenario, DetailLog({key: raw, "result_validity": "VALID"}))
    assert (found.value, found.unit, found.valid) == (value, unit, True)


def test_a_result_that_loadgen_does_not_give_is_none_and_not_zero() -> None:
    # SingleStream with too few queries for early stopping reports a latency of 0.
    assert performance_of("SingleStream", DetailLog({"early_stopping_latency_ss": 0})).value is None


def test_offline_counts_the_samples_of_its_one_query() -> None:
    log = DetailLog({"result_query_count": 1, "effective_samples_per_query": 24_576})
    assert performance_of("Offline", log).samples == 24_576

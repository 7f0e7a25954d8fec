"""Every rule has a submission that breaks it, and nothing else; those of mutations.py are in test_check.py."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pytest_mlperf.rules.catalogue import catalogue
from pytest_mlperf.rules.round import find_round
from tests.rules.mutations import DETAIL, SUMMARY
from tests.rules.submissions import DATACENTER
from tests.rules.test_check import BROKEN, errors, judged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.rules.submissions import Submission

    Copy = Callable[[str], Submission]


def set_in_log(path: Path, key: str, value: object) -> None:
    text, count = re.subn(
        rf'("key": "{key}", "value": )("[^"]*"|[^,]+)', rf"\g<1>{json.dumps(value)}", path.read_text("utf-8")
    )
    assert count == 1
    path.write_text(text, "utf-8")


def in_log(key: str, value: object) -> Callable[[Submission], None]:
    return lambda it: set_in_log(it.performance() / DETAIL, key, value)


def add_message(path: Path, key: str, value: object, *, is_error: bool) -> None:
    lines = path.read_text("utf-8").splitlines(keepends=True)
    message = json.loads(lines[-1].removeprefix(":::MLLOG "))
    message |= {"key": key, "value": value, "metadata": message["metadata"] | {"is_error": is_error}}
    path.write_text("".join([*lines[:-1], f":::MLLOG {json.dumps(message)}\n", lines[-1]]), "utf-8")


def in_log_of(scenario: str, key: str, value: object) -> Callable[[Submission], None]:
    return lambda it: set_in_log(it.performance(scenario) / DETAIL, key, value)


def describe(it: Submission, **fields: Any) -> None:
    it.system.write_text(json.dumps(json.loads(it.system.read_text("utf-8")) | fields), "utf-8")


def describing(**fields: Any) -> Callable[[Submission], None]:
    return lambda it: describe(it, **fields)


def end_early(it: Submission) -> None:
    path = it.performance() / DETAIL
    path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[:-1]), "utf-8")


def go_back(it: Submission) -> None:
    path = it.performance() / DETAIL
    *lines, last = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join([*lines, re.sub(r'"time_ms": [\d.]+', '"time_ms": 500000.5', last)]), "utf-8")


def end_before_the_begin(it: Submission) -> None:
    set_in_log(it.performance() / DETAIL, "power_end", "11-22-2026 19:00:00.000")


def answer_before_the_question(it: Submission) -> None:
    set_in_log(it.performance() / DETAIL, "result_min_latency_ns", -700_000_000)


def end_accuracy_early(it: Submission) -> None:
    path = it.accuracy / DETAIL
    path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[:-2]), "utf-8")


def cut_summary(it: Submission) -> None:
    path = it.performance() / SUMMARY
    path.write_text(path.read_text("utf-8")[:300], "utf-8")


def count_errors(it: Submission) -> None:
    set_in_log(it.performance() / DETAIL, "num_errors", 2)


def stream_stops_early(it: Submission) -> None:
    set_in_log(it.performance("SingleStream") / DETAIL, "early_stopping_met", value=False)


def server_log(it: Submission) -> Path:
    return it.results / DATACENTER / it.model / "Server" / "performance" / "run_1" / DETAIL


def wide_bound(it: Submission) -> None:
    set_in_log(server_log(it), "effective_target_latency_ns", 100_000_001)


def over_the_bound(it: Submission) -> None:
    set_in_log(server_log(it), "result_perf_constraints_met", value=False)


def unequal_issue(it: Submission) -> None:
    path = it.results / DATACENTER / "3d-unet-99" / "Offline" / "performance" / "run_1" / DETAIL
    set_in_log(path, "effective_sample_concatenate_permutation", value=False)


def no_hash(it: Submission) -> None:
    path = it.accuracy / "accuracy.txt"
    path.write_text(path.read_text("utf-8").replace("hash=", "cash="), "utf-8")


def other_hash(it: Submission) -> None:
    path = it.results / DATACENTER / "3d-unet-99" / "Offline" / "accuracy" / "accuracy.txt"
    path.write_text(re.sub(r"hash=\w+", f"hash={'0' * 64}", path.read_text("utf-8")), "utf-8")


def foreign_accuracy_log(it: Submission) -> None:
    (it.accuracy / "mlperf_log_accuracy.json").write_bytes(bytes(range(256)) * 8)


def no_answers(it: Submission) -> None:
    path, text = it.accuracy / "mlperf_log_accuracy.json", it.accuracy / "accuracy.txt"
    path.write_text("[\n]\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    text.write_text(re.sub(r"hash=\w+", f"hash={digest}", text.read_text("utf-8")), "utf-8")


def other_accuracy_seeds(it: Submission) -> None:
    set_in_log(it.accuracy / DETAIL, "effective_schedule_rng_seed", 1)


def idle_system(it: Submission) -> None:
    shutil.copyfile(it.system, it.system.with_name("idle.json"))


def twice(it: Submission) -> None:
    text = it.measurements_file.read_text("utf-8")
    it.measurements_file.write_text(text.replace("{", '{"retraining": "yes",', 1), "utf-8")


def pipe(it: Submission) -> None:
    os.mkfifo(it.code / "pipe")


def sparse(it: Submission) -> None:
    with (it.code / it.model / "weights.bin").open("wb") as file:
        file.truncate((50 << 20) + 1)


def cache(it: Submission) -> None:
    folder = it.code / it.model / "__pycache__"
    folder.mkdir()
    (folder / "main.pyc").write_bytes(b"x")


def link_outside(it: Submission) -> None:
    (it.code / it.model / "system").symlink_to("/etc/hostname")


def link(it: Submission) -> None:
    (it.code / it.model / "system").symlink_to("README.md")


def test_log(it: Submission) -> Path:
    return it.test01 / "performance" / "run_1" / DETAIL


def test_answers(it: Submission) -> Path:
    return it.test01 / "accuracy" / "mlperf_log_accuracy.json"


test_log.__test__ = test_answers.__test__ = False  # type: ignore[attr-defined]


def compliance_slow(it: Submission) -> None:
    (it.test01 / "verify_performance.txt").write_text("TEST FAIL\n", "utf-8")


def deviate(it: Submission, compliance: str) -> None:
    """Let TEST01 fall back on the two accuracies."""
    (it.test01 / "verify_accuracy.txt").write_text("TEST FAIL\n", "utf-8")
    (it.test01 / "accuracy" / "baseline_accuracy.txt").write_text("accuracy=76.000%, good=1, total=2\n", "utf-8")
    (it.test01 / "accuracy" / "compliance_accuracy.txt").write_text(compliance, "utf-8")


BREAKS: list[tuple[str, str, Callable[[Submission], object]]] = [
    ("log-end", "v6.1_open", end_early),
    ("log-end", "v6.1_open", end_accuracy_early),
    ("clock", "v6.1_open", go_back),
    ("clock", "v6.1_open", end_before_the_begin),
    ("clock", "v5.1_closed", answer_before_the_question),
    ("log-first-line", "v6.1_open", lambda it: _prepend(it.accuracy / DETAIL, "noise\n")),
    (
        "log-contradictions",
        "v6.1_open",
        lambda it: add_message(it.performance() / DETAIL, "effective_min_duration_ms", 1, is_error=False),
    ),
    (
        "accuracy-number",
        "v6.1_open",
        lambda it: (it.accuracy / "accuracy.txt").write_text(
            "accuracy=1.2.3%\n" + (it.accuracy / "accuracy.txt").read_text()
        ),
    ),
    ("accuracy-extra-files", "v5.1_open", lambda it: (it.accuracy / "metadata.json").write_text("{}")),
    ("summary-log", "v6.1_open", cut_summary),
    ("loadgen-errors", "v6.1_open", count_errors),
    (
        "loadgen-error-messages",
        "v6.1_open",
        lambda it: add_message(it.performance() / DETAIL, "error_runtime", "no", is_error=True),
    ),
    ("result-validity", "v6.1_open", in_log("result_validity", "INVALID")),
    ("loadgen-min-duration", "v6.1_open", in_log("result_min_duration_met", value=False)),
    ("loadgen-min-queries", "v6.1_open", in_log("result_min_queries_met", value=False)),
    ("loadgen-latency-bound", "v5.1_closed", over_the_bound),
    ("test-mode", "v6.1_open", in_log("effective_test_mode", "AccuracyOnly")),
    ("seeds", "v6.1_open", in_log("effective_schedule_rng_seed", 1)),
    ("min-query-count", "v6.1_open", in_log("effective_min_query_count", 0)),
    ("samples-per-query", "v6.1_open", in_log("effective_samples_per_query", 24575)),
    ("server-latency", "v5.1_closed", wide_bound),
    ("early-stopping", "v6.1_open", stream_stops_early),
    ("equal-issue", "v6.1_closed", unequal_issue),
    ("latency-percentile", "v5.1_closed", in_log_of("SingleStream", "effective_target_latency_percentile", 0.5)),
    ("latency-percentile", "v6.1_open", in_log_of("SingleStream", "effective_target_latency_percentile", 0.99)),
    ("query-size", "v5.1_closed", in_log_of("MultiStream", "effective_samples_per_query", 1)),
    ("sample-order", "v6.1_open", in_log("effective_sample_concatenate_permutation", value=True)),
    (
        "token-latencies",
        "v6.1_open",
        lambda it: add_message(it.performance() / DETAIL, "requested_use_token_latencies", value=True, is_error=False),
    ),
    ("audit-settings", "v6.1_open", in_log("effective_performance_issue_same", value=True)),
    ("audit-settings", "v5.1_closed", in_log("effective_accuracy_log_sampling_target", 256)),
    (
        "audit-settings",
        "v6.1_closed",
        lambda it: set_in_log(test_log(it), "effective_accuracy_log_sampling_target", 1),
    ),
    ("loaded-sample-count", "v6.1_open", in_log("qsl_reported_total_count", 10)),
    ("accuracy-hash", "v6.1_open", no_hash),
    ("accuracy-hash-value", "v6.1_closed", other_hash),
    ("accuracy-log-form", "v6.1_open", foreign_accuracy_log),
    ("accuracy-log-form", "v6.1_open", no_answers),
    ("accuracy-log-form", "v6.1_open", lambda it: _cut(it.accuracy / "mlperf_log_accuracy.json", 6000)),
    ("model-mapping", "v6.1_open", lambda it: (it.submitter / "model_mapping.json").write_text("{")),
    ("system-file", "v6.1_open", lambda it: it.system.unlink()),
    ("system-file", "v6.1_open", lambda it: _cut(it.system, 100)),
    ("system-empty-fields", "v6.1_open", describing(cooling="")),
    ("system-empty-fields", "v6.1_open", describing(accelerators_per_node=0)),
    ("system-type", "v6.1_open", describing(system_type="Edge")),
    ("system-division", "v6.1_open", describing(division="closed")),
    ("system-division-case", "v5.1_open", describing(division="Open")),
    ("system-network", "v6.1_open", describing(is_network=True)),
    ("system-network-false", "v6.1_open", describing(is_network="false")),
    ("systems-have-results", "v6.1_open", idle_system),
    ("measurements-file", "v6.1_open", lambda it: it.measurements_file.unlink()),
    ("measurements-file", "v5.1_open", lambda it: it.measurements_file.write_text("[]")),
    ("measurements-files", "v6.1_open", lambda it: (it.measurements / "README.md").write_bytes(b"")),
    ("measurements-text", "v6.1_open", lambda it: (it.measurements / "user.conf").write_bytes(b"\xff\xfe")),
    ("hidden-names", "v6.1_open", lambda it: (it.code / ".gitignore").write_text("*")),
    ("large-files", "v6.1_open", sparse),
    ("python-caches", "v6.1_open", cache),
    ("links-outside", "v6.1_open", link_outside),
    ("readable", "v6.1_open", lambda it: (it.code / "loop").symlink_to(".")),
    ("special-files", "v6.1_open", pipe),
    ("special-files", "v5.1_open", pipe),
    ("compliance-run", "v6.1_closed", lambda it: _cut(test_log(it), 3000)),
    ("compliance-performance", "v6.1_closed", compliance_slow),
    ("compliance-files", "v5.1_closed", lambda it: (test_log(it).with_name("more.txt")).write_text("x")),
    ("compliance-missing", "v6.1_closed", lambda it: test_log(it).unlink()),
    ("compliance-accuracy", "v6.1_closed", lambda it: deviate(it, "accuracy=75.000%, good=1, total=2\n")),
    ("compliance-accuracy", "v6.1_closed", lambda it: deviate(it, "nothing\n")),
    ("compliance-accuracy-log", "v6.1_closed", lambda it: (test_answers(it)).write_text("[\n]\n")),
    ("compliance-accuracy-files", "v5.1_closed", lambda it: (test_answers(it)).unlink()),
    ("compliance-accuracy-files", "v6.1_closed", lambda it: (test_answers(it)).unlink()),
    ("compliance-accuracy-files", "v5.1_closed", lambda it: test_answers(it).with_name("more.txt").write_text("x")),
    ("compliance-accuracy-log", "v5.1_closed", lambda it: (test_answers(it)).write_text('["no answer"]')),
    ("seeds", "v6.1_closed", lambda it: set_in_log(test_log(it), "effective_qsl_rng_seed", 1)),
    ("code", "v5.1_open", lambda it: (it.code / it.model).rename(it.code / "other")),
]
#: What a missing file breaks besides.
BESIDES = {"compliance-missing": {"compliance-run", "compliance-files"}, "system-file": {"empty-directories"}}


def _cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def _prepend(path: Path, text: str) -> None:
    path.write_text(text + path.read_text("utf-8"), "utf-8")


@pytest.mark.parametrize(
    ("rule", "base", "change"), [pytest.param(*case, id=f"{case[0]}-{index}") for index, case in enumerate(BREAKS)]
)
def test_a_change_breaks_its_rule_and_no_other(
    rule: str, base: str, change: Callable[[Submission], object], copy_of: Copy
) -> None:
    it = copy_of(base)
    change(it)
    assert errors(judged(it, "strict")) - BESIDES.get(rule, set()) == {rule}


def test_accuracies_that_are_close_stand_for_equal_responses(copy_of: Copy) -> None:
    it = copy_of("v6.1_closed")
    deviate(it, "accuracy=75.400%, good=1, total=2\n")
    assert judged(it, "strict").verdict == "OK"


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("accuracy-seeds", other_accuracy_seeds),
        ("links-any", link),
        ("duplicate-keys", twice),
        ("system-division-case", describing(division="Open")),
    ],
)
def test_a_note_is_no_error(rule: str, change: Callable[[Submission], object], copy_of: Copy) -> None:
    it = copy_of("v6.1_open")
    change(it)
    report = judged(it, "strict")
    assert report.verdict == "OK"
    assert [(finding.rule, finding.severity) for finding in report.all_findings()] == [(rule, "note")]


#: What no submission shows: tests/rules/test_judge.py, tests/test_compliance.py, tests/test_gate.py and tests/machine
#: break them.
OF_SESSIONS = {
    *("accuracy-answers", "run-finished", "conformance", "quiet-machine", "no-regression", "stated-reference"),
}
#: What the bases do not show: test_new_rules.py, test_endpoints.py, test_odd_values.py, test_power.py break them.
ELSEWHERE = {
    *("benchmark-judged", "token-latencies-asked", "token-bounds", "equal-issue-conf", "accuracy-directories"),
    *("endpoints-benchmark", "endpoints-files", "endpoints-score", "log-numbers", "samples-per-query-number"),
    *("links-from-root", "compared-numbers", "result-zero", "measurements-json", "measurements-directory"),
    *("accuracy-detail-empty", "results-no-file"),
    *(rule for rule in catalogue() if rule.startswith("power-")),
}


def test_every_rule_is_broken_by_some_test() -> None:
    broken = {rule for rule, _, _ in BREAKS} | {"accuracy-seeds", "links-any", "duplicate-keys"}
    broken |= {rule for each in BROKEN.values() for rules in each.values() for rule in rules.split()}
    assert broken == set(catalogue()) - OF_SESSIONS - ELSEWHERE


def test_num_errors_hides_error_messages_from_the_single_file_checkers_alone(copy_of: Copy) -> None:
    it = copy_of("v5.1_open")
    add_message(it.performance() / DETAIL, "error_runtime", "no", is_error=True)
    assert judged(it, "official").verdict == "OK"
    assert judged(it, "strict").verdict == "errors"


@pytest.mark.parametrize(("base", "passes"), [("v6.1_open", False), ("v5.1_open", True)])
def test_the_modular_checker_takes_a_written_no_for_a_network(base: str, *, passes: bool, copy_of: Copy) -> None:
    it = copy_of(base)
    describe(it, is_network="false")
    assert (judged(it, "official").verdict == "OK") is passes


@pytest.mark.parametrize(("base", "passes"), [("v6.1_open", True), ("v5.1_open", False)])
def test_the_single_file_checkers_compare_the_division_exactly(base: str, *, passes: bool, copy_of: Copy) -> None:
    it = copy_of(base)
    describe(it, division="Open")
    assert (judged(it, "official").verdict == "OK") is passes


def test_an_accuracy_that_is_stated_twice_must_reach_the_target_twice(copy_of: Copy) -> None:
    it = copy_of("v6.1_closed")
    path = it.accuracy / "accuracy.txt"
    path.write_text("accuracy=20.000%, good=1, total=5\n" + path.read_text("utf-8"), "utf-8")
    assert errors(judged(it, "official")) == {"accuracy-target"}


def test_map_stands_anywhere_in_its_line_since_v5_1(copy_of: Copy) -> None:
    it = copy_of("v5.1_open")
    path = it.accuracy / "accuracy.txt"
    path.write_text("{'Total': 37.552, " + path.read_text("utf-8").replace("mAP=", "map "), "utf-8")
    assert "accuracy-metric" not in errors(judged(it, "strict"))
    assert "accuracy-metric" in errors(judged(it, "strict", find_round("v5.0")))


def test_half_a_character_in_a_description_does_not_break_the_report(copy_of: Copy) -> None:
    it = copy_of("v6.1_open")
    describe(it, framework="\ud800", status="\ud800")
    report = judged(it, "strict")
    assert errors(report) == {"system-status"}
    assert b'"framework":"?"' in msgspec.json.encode(report)

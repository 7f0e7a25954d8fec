"""Every compliance test that a round asks can be set up, as the official audit.config does."""

from __future__ import annotations

import pytest

from pytest_mlperf.rules.audit import TESTS, audit_of
from pytest_mlperf.rules.round import Round, rounds

ASKED = [
    pytest.param(rules, name, test, id=f"{rules.name}-{name}-{test}")
    for rules in rounds().values()
    for name, benchmark in rules.benchmarks.items()
    for test in benchmark.compliance
    if test in TESTS
]


@pytest.mark.parametrize(("rules", "benchmark", "test"), ASKED)
def test_each_test_of_each_round_has_its_settings(rules: Round, benchmark: str, test: str) -> None:
    audit = audit_of(test, benchmark, rules)
    assert audit.text.splitlines()[1] == "*.*.mode = 2"
    assert (audit.seeds is not None) is (test == "TEST05")


def test_test01_logs_some_answers() -> None:
    assert audit_of("TEST01", "retinanet", None).text == (
        "# TEST01 of MLPerf Inference\n"
        "*.*.mode = 2\n"
        "*.*.accuracy_log_rng_seed = 720381539243781796\n"
        "*.*.accuracy_log_sampling_target = 256\n"
    )


def test_test04_repeats_one_sample() -> None:
    assert audit_of("TEST04", "resnet", None).text == (
        "# TEST04 of MLPerf Inference\n"
        "*.*.mode = 2\n"
        "*.*.performance_issue_unique = 0\n"
        "*.*.performance_issue_same = 1\n"
        "*.*.performance_issue_same_index = 3\n"
    )


def test_test05_has_other_seeds_than_the_round() -> None:
    rules = rounds()["v4.1"]
    assert audit_of("TEST05", "retinanet", rules).seeds == rules.test05_seeds != rules.seeds

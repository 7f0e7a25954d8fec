"""Limits hold in both directions and for every value, and what is no number meets none."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.metrics.limit import Limit
from pytest_mlperf.rules.accuracy import check_limits

NUMBERS = st.floats(allow_nan=False)


@given(NUMBERS, NUMBERS)
def test_a_minimum_is_met_from_itself_on(number: float, minimum: float) -> None:
    assert Limit("mAP", minimum=minimum).allows(number) is (number >= minimum)
    assert Limit("mAP", minimum=minimum).allows(minimum)


@given(NUMBERS, NUMBERS)
def test_a_maximum_is_met_up_to_itself(number: float, maximum: float) -> None:
    assert Limit("WER", maximum=maximum).allows(number) is (number <= maximum)
    assert Limit("WER", maximum=maximum).allows(maximum)


@given(st.one_of(st.none(), NUMBERS), st.one_of(st.none(), NUMBERS))
def test_a_nan_and_a_missing_value_meet_no_limit(minimum: float | None, maximum: float | None) -> None:
    limit = Limit("mAP", minimum, maximum)
    assert len(list(check_limits({"mAP": math.nan}, (limit,)))) == 1
    assert len(list(check_limits({}, (limit,)))) == 1


LENGTH = (Limit("ROUGE1", minimum=43.9), Limit("TOKENS", minimum=265.0, maximum=323.9))


@pytest.mark.parametrize(
    ("values", "missed"),
    [
        ({"ROUGE1": 44.0, "TOKENS": 300.0}, []),
        ({"ROUGE1": 43.0, "TOKENS": 300.0}, ["ROUGE1 is below the benchmark's target"]),
        ({"ROUGE1": 44.0, "TOKENS": 324.0}, ["TOKENS is above the benchmark's target"]),
        ({"ROUGE1": 44.0, "TOKENS": 2.0}, ["TOKENS is below the benchmark's target"]),
        ({"ROUGE1": 1.0}, ["ROUGE1 is below the benchmark's target", "TOKENS is below the benchmark's target"]),
    ],
)
def test_each_value_is_held_against_its_own_limit(values: dict[str, float], missed: list[str]) -> None:
    assert [finding.what for finding in check_limits(values, LENGTH)] == missed


def test_a_missed_limit_says_what_was_expected_and_found() -> None:
    [finding] = check_limits({"TOKENS": 324.25}, LENGTH[1:], file="accuracy.txt")
    assert (finding.rule, finding.expected, finding.found, finding.file) == (
        "accuracy-target",
        "at least 265 and at most 323.9",
        "324.25",
        "accuracy.txt",
    )

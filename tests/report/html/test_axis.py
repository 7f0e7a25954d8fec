"""Axes hold their values, and have a few round ticks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.report.html.axis import around, for_latencies, from_zero

numbers = st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=20)


@given(numbers, st.sampled_from([from_zero, around, for_latencies]))
def test_every_value_is_on_the_axis_and_ticks_are_few_and_different(values: list[float], make: type) -> None:
    axis = make(values, 200.0, 10.0)
    assert axis.low <= min(values) * (1 + 1e-6)
    assert max(values) <= axis.high * (1 + 1e-6)
    assert all(10 <= axis.at(value) <= 200 for value in values)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 8
    assert len({tick.text for tick in ticks}) == len(ticks)
    assert all(10 <= tick.at <= 200 for tick in ticks)


def test_large_values_that_are_close_have_the_digits_that_tell_them_apart() -> None:
    ticks = around([362999840.0, 361000000.0], 0, 1).ticks()
    assert [tick.text for tick in ticks] == ["3.61e+08", "3.615e+08", "3.62e+08", "3.625e+08", "3.63e+08"]


def test_ticks_have_the_digits_of_their_step() -> None:
    assert [tick.text for tick in from_zero([0.9], 0, 1).ticks()] == ["0", "0.25", "0.50", "0.75", "1.00"]
    assert [tick.text for tick in from_zero([9], 0, 1).ticks()] == ["0", "2.5", "5.0", "7.5", "10.0"]
    assert [tick.text for tick in from_zero([160], 0, 1).ticks()] == ["0", "50", "100", "150", "200"]
    assert [tick.text for tick in from_zero([9000], 0, 1).ticks()][-1] == "10,000"


def test_latencies_that_are_far_apart_are_on_a_logarithmic_axis() -> None:
    axis = for_latencies([1.5, 900.0], 200, 10)
    assert axis.logarithmic
    assert [tick.text for tick in axis.ticks()] == ["1", "10", "100", "1,000"]
    assert not for_latencies([10.0, 20.0], 200, 10).logarithmic

"""Steps in a series: found where there is one, and not where there is only noise; by simulation with fixed seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_mlperf.history.steps import MOST, steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

NOISES: dict[str, Callable[[Generator, Any], Any]] = {
    "normal": lambda random, size: random.standard_normal(size),
    "heavy tails": lambda random, size: random.standard_t(3, size),
    "skewed": lambda random, size: np.exp(0.2 * random.standard_normal(size)),
    "uniform": lambda random, size: random.uniform(-1, 1, size),
}


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("count", [6, 30])
def test_of_series_with_noise_alone_at_most_one_in_a_hundred_has_a_step(noise: str, count: int) -> None:
    series = NOISES[noise](np.random.default_rng(3), (3000, count))
    share = np.mean([bool(steps(each)) for each in series])
    # Of 20,000 series of 30 values of these forms 0.7 to 1.0 % have one; with 3,000 the share is known to 0.5 %.
    # Of six values whose noise all lies near its limits 1.7 % have one.
    assert share <= (0.01 if noise == "normal" else 0.015 if count == 30 else 0.02)


@pytest.mark.parametrize(
    ("step", "count", "least"),
    [(7.5, 10, 0.9), (5, 20, 0.9), (5, 10, 0.5), (10, 10, 0.99)],
    ids=["7.5 %, 10 on each side", "5 %, 20 on each side", "5 %, 10 on each side", "10 %, 10 on each side"],
)
def test_a_step_is_found_through_noise_of_three_percent(step: float, count: int, least: float) -> None:
    series = 100 + 3 * np.random.default_rng(4).standard_normal((2000, 2 * count))
    series[:, count:] -= step
    found = [steps(np.log(each)) for each in series]
    near = [any(abs(each.at - count) <= 4 and each.after < each.before for each in one) for one in found]
    assert np.mean(near) >= least


def test_a_five_percent_step_is_found_where_the_noise_stays_within_three_percent() -> None:
    series = 100 + np.random.default_rng(5).uniform(-3, 3, (2000, 20))
    series[:, 10:] -= 5
    assert np.mean([bool(steps(each)) for each in series]) >= 0.98


@pytest.mark.parametrize(
    ("values", "at"),
    [
        ([97.5, 97.5, 97.5, 96.4, 96.4], [3]),
        ([97.5, 97.5, 96.4, 96.4, 97.5, 97.5, 97.5], [2, 4]),
        ([97.5] * 30, []),
        ([97.5, 97.5, 97.5, 97.5, 96.4], []),
        ([0.1 + 0.2, 0.3, 0.3, 0.1 + 0.2], []),
        ([1.0, 2.0], []),
        ([], []),
    ],
    ids=["once", "there and back", "never", "one value after it", "rounding", "two values", "no value"],
)
def test_values_without_noise_step_where_they_change_and_stay(values: list[float], at: list[int]) -> None:
    assert [each.at for each in steps(values)] == at


def test_several_steps_are_told_each_between_its_neighbours() -> None:
    random = np.random.default_rng(6)
    values = np.concatenate([level + random.standard_normal(15) for level in (100, 90, 105)])
    first, second = steps(values)
    assert (first.at, second.at) == (15, 30)
    assert first.after == second.before == pytest.approx(90, abs=1)
    assert (first.count_before, first.count_after, second.count_after) == (15, 15, 15)


def test_a_dip_is_found_although_both_ends_are_the_same() -> None:
    series = 100 + 3 * np.random.default_rng(9).standard_normal((500, 30))
    series[:, 10:20] -= 10
    found = [[each.at for each in steps(np.log(each))] for each in series]
    assert np.mean([len(each) == 2 for each in found]) >= 0.9
    assert np.median([each[0] for each in found if each]) == 10


def test_of_a_long_series_the_newest_values_are_searched() -> None:
    [step] = steps([*[1.0] * 1500, 2.0, 2.0])
    assert (step.at, step.count_before) == (1500, MOST - 2)


def test_one_wild_value_is_no_step() -> None:
    values = 100 + np.random.default_rng(7).standard_normal(30)
    values[12] = 50
    assert steps(values) == []


def test_a_certain_step_that_is_smaller_than_the_noise_is_not_told() -> None:
    values = 100 + np.random.default_rng(8).standard_normal(2000)
    values[1500:] -= 0.5
    assert steps(values) == []

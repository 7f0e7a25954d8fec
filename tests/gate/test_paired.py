"""What is called worse is worse: few false alarms where nothing changed, and enough power where something did."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from pytest_mlperf.gate.paired import average_precision, estimate, mean, proportion, rate
from pytest_mlperf.gate.verdict import Estimate, corrected
from pytest_mlperf.metrics.average_precision import Matches
from pytest_mlperf.metrics.outcomes import Errors, Right, Scores, paired

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Random = np.random.Generator
    Draw = Callable[[Random], Estimate]

ALPHA = 0.01


def top_1(samples: int, lost: float, won: float) -> Draw:
    """Draw two runs in which so large a part of the answers was lost and won."""

    def draw(random: Random) -> Estimate:
        place = random.random(samples)
        before, after = (np.ones(samples, np.bool_) for _ in range(2))
        after[place < lost] = False
        before[(place >= lost) & (place < lost + won)] = False
        ids = np.arange(samples)
        return proportion(Right(ids, before), Right(ids, after), ALPHA)

    return draw


def f1(samples: int, lost: float) -> Draw:
    """Draw two runs in which 3 % of the scores changed either way, and a part was lost wholly."""

    def draw(random: Random) -> Estimate:
        changed = np.where(random.random(samples) < 0.03, random.uniform(-100, 100, samples), 0.0)
        ids = np.arange(samples)
        fell = changed + 100 * (random.random(samples) < lost)
        return mean(Scores(ids, fell), Scores(ids, np.zeros(samples)), ALPHA)

    return draw


def dice(drop: float) -> Draw:
    """Draw two runs of 43 volumes whose scores differ by 0.003 with heavy tails."""

    def draw(random: Random) -> Estimate:
        ids = np.arange(43)
        change: NDArray[np.float64] = np.asarray(0.003 * random.standard_t(3, 43) / math.sqrt(3) + drop)
        return mean(Scores(ids, change), Scores(ids, np.zeros(43)), ALPHA)

    return draw


def wer(samples: int, more: float) -> Draw:
    """Draw two runs in which 6 % of the utterances have an error more or less, and a part has one more."""

    def draw(random: Random) -> Estimate:
        ids, words = np.arange(samples), random.integers(3, 30, samples)
        change = np.where(random.random(samples) < 0.06, random.choice([-1, 1], samples), 0)
        change += random.random(samples) < more
        return rate(Errors(ids, 0 * ids, words), Errors(ids, change, words), ALPHA)

    return draw


def part_called_worse(draw: Draw, trials: int) -> float:
    random = np.random.default_rng(7)
    return sum(draw(random).verdict(0.0) == "worse" for _ in range(trials)) / trials


@pytest.mark.parametrize(
    ("draw", "trials"),
    [
        (top_1(50, 0.01, 0.01), 1000),
        (top_1(500, 0.01, 0.01), 1000),
        (top_1(4000, 0.01, 0.01), 1000),
        (f1(50, 0), 1000),
        (f1(1200, 0), 1000),
        (dice(0), 1000),
        (wer(400, 0), 100),
    ],
    ids=["top-1 50", "top-1 500", "top-1 4000", "F1 50", "F1 1200", "Dice", "WER"],
)
def test_where_nothing_changed_one_in_a_hundred_is_called_worse_at_most(draw: Draw, trials: int) -> None:
    # Of so many trials with a true share of 1 %, more than this are seen once in a thousand times.
    assert part_called_worse(draw, trials) <= ALPHA + 3.1 * math.sqrt(ALPHA / trials)


@pytest.mark.parametrize(
    "draw",
    [top_1(4000, 0.022, 0.008), f1(3000, 0.01), dice(0.0025), wer(500, 0.08)],
    ids=["1.4 points of top-1", "1 point of F1", "0.0025 of Dice", "0.5 points of WER"],
)
def test_a_drop_is_found_nine_times_of_ten(draw: Draw) -> None:
    assert part_called_worse(draw, 100) >= 0.9


def test_fifty_samples_tell_nothing_of_a_point() -> None:
    random = np.random.default_rng(7)
    found = [top_1(50, 0.03, 0.02)(random) for _ in range(50)]
    assert {each.verdict(0.0) for each in found} <= {"undecided", "not worse"}
    needed = [each.needed(0.0) for each in found if each.drop > 0]
    assert all(count is not None and count > 50 for count in needed)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 200))
def test_tangos_interval_has_the_score_of_its_level_at_its_ends(lost: int, won: int, same: int) -> None:
    samples = lost + won + same
    if not lost + won:
        return
    before, after = (np.ones(samples, np.bool_) for _ in range(2))
    after[:lost] = False
    before[lost : lost + won] = False
    found = proportion(Right(np.arange(samples), before), Right(np.arange(samples), after), ALPHA)
    for end, sign in ((found.lower, 1), (found.upper, -1)):
        difference = end / 100
        if not -0.99 < difference < 0.99 or difference == 0:  # at 0 the other test decides
            continue
        assert sign * score(lost, won, samples, difference) == pytest.approx(2.3263, rel=0.02)


def score(lost: int, won: int, samples: int, difference: float) -> float:
    """Return Tango's score, with the likelihood's maximum found by search."""

    def minus_likelihood(part: float) -> float:
        terms = ((lost, part + difference), (won, part), (samples - lost - won, 1 - 2 * part - difference))
        return -sum(count * math.log(max(chance, 1e-300)) for count, chance in terms)

    low, high = max(0.0, -difference), (1 - difference) / 2
    part = optimize.minimize_scalar(minus_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return (lost - won - samples * difference) / math.sqrt(samples * (2 * part + difference * (1 - difference)))


def noise(random: Random, images: int, missed: float) -> tuple[Matches, Matches]:
    """Return matches of a detector, and of one that misses a part of its hits more."""
    per_image, categories = 6, 10
    count = images * per_image
    image = np.repeat(np.arange(images, dtype=np.int32), per_image)
    category = random.integers(0, categories, count).astype(np.int16)
    objects = np.zeros((images, categories), np.int32)
    np.add.at(objects, (image, category), 1)
    hit, scores = random.random(count) < 0.75, random.random(count)
    better = np.clip(scores + 0.5 * hit, 0, None)

    def run(lose: float) -> Matches:
        kept = hit & (random.random(count) >= lose)
        matched = np.where(kept, np.uint16(0b1111111111), np.uint16(0)).astype(np.uint16)
        score = better + 0.02 * random.standard_normal(count)
        return Matches(np.arange(images), image, category, score, matched, np.zeros(count, np.uint16), objects)

    return run(0.01), run(0.01 + missed)


def test_a_point_of_map_is_found_on_500_scenes_and_none_is_not() -> None:
    random = np.random.default_rng(3)
    found = [average_precision(*noise(random, 500, missed), ALPHA) for missed in (0.0, 0.025) for _ in range(20)]
    nothing, drops = found[:20], found[20:]
    assert not any(each.verdict(0.0) == "worse" for each in nothing)
    assert np.mean([each.drop for each in drops]) > 1
    assert sum(each.verdict(0.0) == "worse" for each in drops) >= 18


def test_outcomes_are_compared_on_the_samples_that_both_have() -> None:
    first = Scores(np.array([3, 1, 2]), np.array([30.0, 10.0, 20.0]))
    second = Scores(np.array([2, 3, 4]), np.array([21.0, 29.0, 0.0]))
    ours, theirs = paired(first, second)
    assert isinstance(ours, Scores)
    assert isinstance(theirs, Scores)
    assert (ours.ids.tolist(), ours.scores.tolist()) == ([3, 2], [30.0, 20.0])
    assert theirs.scores.tolist() == [29.0, 21.0]
    assert estimate(ours, theirs, ALPHA).drop == 0
    with pytest.raises(TypeError):
        paired(first, Right(np.array([1]), np.array([True])))


def test_one_sample_tells_nothing() -> None:
    one = np.array([0])
    assert estimate(Scores(one, np.array([1.0])), Scores(one, np.array([0.0])), ALPHA).verdict(0.5) == "undecided"
    assert estimate(Right(one, np.array([True])), Right(one, np.array([False])), ALPHA).verdict(0.0) == "undecided"


def test_a_session_of_twenty_comparisons_has_the_false_alarms_of_one() -> None:
    assert corrected(20) == pytest.approx(ALPHA / 20)
    assert corrected(0) == corrected(1) == ALPHA

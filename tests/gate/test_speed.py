"""Bursts in turns tell a slower model from a busy machine: on the noise that a shared machine had."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pytest_mlperf.gate.speed import ALPHA, ROUNDS, detectable, slowdown

#: 400 rounds of two bursts in turns on 2 busy cores, ONNX Runtime; of each the fastest call. (The recording also has
#: the median, and CPU seconds a call.)
NOISE = np.load(Path(__file__).with_name("speed_noise.npy"))[:, :, 0]
TRIALS = 1000


def part_found(percent: float, rounds: int, allowed: float) -> float:
    random = np.random.default_rng(11)
    found = 0
    for _ in range(TRIALS):
        start = random.integers(0, len(NOISE) - rounds + 1)
        bursts = NOISE[start : start + rounds]
        turned = np.where((random.random(rounds) < 0.5)[:, None], bursts[:, ::-1], bursts)
        found += slowdown(turned[:, 0], turned[:, 1] * (1 + percent / 100), ALPHA).verdict(allowed) == "worse"
    return found / TRIALS


def test_the_same_model_is_not_slower() -> None:
    assert part_found(0, 10, 0.0) <= 0.01
    assert part_found(0, ROUNDS, 0.0) <= 0.01


def test_five_percent_are_found() -> None:
    assert part_found(5, ROUNDS, 0.0) >= 0.95
    assert part_found(5, 10, 0.0) >= 0.75
    assert part_found(10, 10, 0.0) >= 0.95


def test_what_is_allowed_is_not_worse() -> None:
    assert part_found(2, 10, 2.0) <= 0.01
    steady = np.full(10, 0.01)
    found = slowdown(steady, steady * np.exp(np.linspace(0.019, 0.021, 10)), 0.01)
    assert found.drop == pytest.approx(2.02, abs=0.01)
    assert (found.verdict(0.0), found.verdict(5.0)) == ("worse", "not worse")


def test_what_could_be_found_is_told() -> None:
    found = slowdown(NOISE[:10, 0], NOISE[:10, 1], 0.01)
    assert 1 < detectable(found.spread, 10, 0.01) < 10
    assert detectable(found.spread, 40, 0.01) < detectable(found.spread, 10, 0.01)


def test_one_round_tells_nothing() -> None:
    assert slowdown(np.array([1.0]), np.array([2.0]), 0.01).verdict(50.0) == "undecided"

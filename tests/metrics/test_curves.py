"""Confusion and precision by class say the same as the metric that they are about."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.metrics.accuracy_log import Record
from pytest_mlperf.metrics.average_precision import Matches
from pytest_mlperf.metrics.curves import Classified, class_curves, confusion, histogram
from pytest_mlperf.metrics.top_1 import Top1

if TYPE_CHECKING:
    from pathlib import Path


@given(st.lists(st.tuples(st.integers(-1, 12), st.integers(-1, 12)), min_size=1, max_size=60))
def test_each_sample_is_in_one_cell(pairs: list[tuple[int, int]]) -> None:
    label, answer = np.array(pairs, np.int64).T
    found = confusion(Classified(label, answer))
    assert found.counts.sum() == len(pairs)
    for row, each in enumerate(found.labels):
        for column, given_class in enumerate(found.answers):
            assert found.counts[row, column] == pairs.count((int(each), int(given_class)))
    wrong = found.most_confused(1000)
    assert sum(count for _, _, count in wrong) == sum(a != b for a, b in pairs)
    assert [count for _, _, count in wrong] == sorted((count for _, _, count in wrong), reverse=True)


def test_classes_of_a_log_are_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "val_map.txt").write_text("a.jpg 3\nb.jpg 1\n")
    records = [Record(1, struct.pack("<f", 2)), Record(0, struct.pack("<f", 3))]
    found = Top1().classified(records, tmp_path)
    assert (found.label.tolist(), found.answer.tolist()) == ([1, 3], [2, 3])


def some_matches(seed: int) -> Matches:
    chance = np.random.default_rng(seed)
    count = int(chance.integers(0, 200))
    return Matches(
        np.arange(20),
        chance.integers(0, 20, count).astype(np.int32),
        chance.integers(0, 4, count).astype(np.int16),
        chance.random(count),
        chance.integers(0, 1 << 10, count).astype(np.uint16),
        np.zeros(count, np.uint16),
        chance.integers(0, 15, (20, 4)).astype(np.int32),
    )


@given(st.integers(0, 10_000))
def test_the_mean_over_classes_is_the_metric(seed: int) -> None:
    matches = some_matches(seed)
    curves = class_curves(matches, "abcd")
    assert 100 * np.mean([curve.ap for curve in curves]) == matches.value()
    for curve in curves:
        assert (np.diff(curve.at(0.5)) <= 0).all()
        assert curve.precision.shape == (10, 101)


def test_a_histogram_has_every_value() -> None:
    edges, counts = histogram(np.array([0.0, 0.0, 1.0, 0.5]), 4)
    assert counts.tolist() == [2, 0, 1, 1]
    assert edges.tolist() == [0, 0.25, 0.5, 0.75, 1]

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlperf.benchmarks.sliding_window import corners, highest, segment, weight_sums, weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

GOLDEN = np.load(Path(__file__).parent / "golden" / "3d-unet" / "sliding_window.npz")
ROI = 16


def stand_in(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Three scores a voxel, from windows [n, 1, S, S, S]: the network of the golden file."""
    voxel = windows[:, 0]
    beside = np.roll(voxel, 1, 1) + np.roll(voxel, -1, 2)
    third = (voxel - beside) * np.float32(0.125) + np.float32(0.05)
    return np.stack([voxel * np.float32(0.5), beside * np.float32(0.25), third], 1).astype(np.float32)


def plain(volume: NDArray[np.float32], side: int) -> NDArray[np.uint8]:
    """The reference's loop in its own words: sums, map of weights, division, argmax."""
    total = np.zeros((3, *volume.shape), np.float32)
    norm = np.zeros_like(total)
    for corner in corners(volume.shape, side):
        here = tuple(slice(at, at + side) for at in corner)
        total[(slice(None), *here)] += stand_in(volume[here][None, None])[0] * weights(side)
        norm[(slice(None), *here)] += weights(side)
    classes: NDArray[np.uint8] = (total / norm).argmax(0).astype(np.uint8)
    return classes


def test_the_weights_are_the_references() -> None:
    assert np.array_equal(weights(ROI), GOLDEN["norm_patch_16"])
    assert np.array_equal(weights(128)[:, 64, 64], GOLDEN["gauss128_axis_line"])
    assert np.array_equal(weights(128)[:4, :4, :4], GOLDEN["gauss128_corner_block"])
    assert weights(128).dtype == np.float32


def test_the_sums_of_the_weights_are_the_references() -> None:
    """The golden map is of 3 × 4 × 5 strides: a stride that is neither first nor last is like any other."""
    known, stride = GOLDEN["norm_map"], ROI // 2
    kinds = [[0, *[1] * (side // stride - 2), 2] for side in known.shape]
    places = [np.concatenate([np.arange(stride) + stride * kind for kind in axis]) for axis in kinds]
    assert np.array_equal(weight_sums(ROI)[np.ix_(*places)], known)


@pytest.mark.parametrize("batch", [1, 5, 24, 100])
def test_the_classes_are_the_references_whatever_the_batch(batch: int) -> None:
    volume = GOLDEN["input"].astype(np.float32)
    calls: list[int] = []

    def network(windows: NDArray[np.float32]) -> NDArray[np.float32]:
        calls.append(len(windows))
        return stand_in(windows)

    first, second = segment(network, [volume, volume], ROI, batch)
    assert np.array_equal(first, GOLDEN["output"])
    assert np.array_equal(second, GOLDEN["output"])
    assert first.dtype == np.uint8
    assert sum(calls) == 2 * 24
    assert max(calls) <= batch


def test_windows_come_in_the_references_order() -> None:
    found = list(corners((24, 32, 40), ROI))
    assert found[:5] == [(0, 0, 0), (0, 0, 8), (0, 0, 16), (0, 0, 24), (0, 8, 0)]
    assert len(found) == 24


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(2, 5)] * 3), min_size=1, max_size=3),
    st.sampled_from([4, 8]),
    st.integers(1, 9),
    st.integers(0, 2**32 - 1),
)
def test_any_volumes_have_the_classes_of_the_plain_loop(
    strides: list[tuple[int, int, int]], side: int, batch: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    shapes = [tuple(n * side // 2 for n in each) for each in strides]
    volumes = [random.normal(0, 1, shape).round(1).astype(np.float32) for shape in shapes]
    for volume, found in zip(volumes, segment(stand_in, volumes, side, batch), strict=True):
        assert np.array_equal(found, plain(volume, side))


@given(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 0.5, np.inf, -np.inf, np.nan]), min_size=3, max_size=3))
def test_the_highest_score_is_that_of_argmax(scores: list[float]) -> None:
    values = np.array(scores, np.float32)[:, None]
    assert np.array_equal(highest(values), values.argmax(0))

"""Resizing 8-bit images is OpenCV's: bit for bit where it enlarges, and where it reduces but for rare roundings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlperf.datasets.area_resize import resize_area
from pytest_mlperf.datasets.fixed_point_resize import Window, resize_linear

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_DIFFERENT = 1e-4
"""The part of the values of a reduced image that may differ by one level."""


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def by_opencv(image: NDArray[np.uint8], height: int, width: int, how: int = cv2.INTER_AREA) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8).reshape(height, width, 3)


def levels(found: NDArray[np.uint8], expected: NDArray[np.uint8]) -> NDArray[np.int64]:
    difference: NDArray[np.int64] = np.abs(found.astype(np.int64) - expected)
    return difference


sizes = st.tuples(st.integers(1, 130), st.integers(1, 130))


@settings(max_examples=200, deadline=None)
@given(source=sizes, target=sizes, seed=st.integers(0, 2**32))
def test_any_size_is_resized_as_opencv_does(source: tuple[int, int], target: tuple[int, int], seed: int) -> None:
    image = noise(*source, seed)
    different = levels(resize_area(image, *target), by_opencv(image, *target))
    if source[0] < target[0] or source[1] < target[1]:
        assert not different.any()
    else:
        assert different.max() <= 1
        assert np.count_nonzero(different) <= max(1, different.size * MOST_DIFFERENT)


@pytest.mark.parametrize("target", [(256, 341), (256, 384), (341, 256), (224, 224), (54, 77), (999, 1), (1, 1499)])
def test_a_photo_s_size_is_reduced_as_opencv_does(target: tuple[int, int]) -> None:
    image = noise(1000, 1500)
    different = levels(resize_area(image, *target), by_opencv(image, *target))
    assert different.max() <= 1
    assert np.count_nonzero(different) <= max(1, different.size * MOST_DIFFERENT)


@settings(max_examples=60, deadline=None)
@given(
    target=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    factors=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 2**32),
)
def test_whole_factors_are_exact(target: tuple[int, int], factors: tuple[int, int], seed: int) -> None:
    image = noise(target[0] * factors[0], target[1] * factors[1], seed)
    assert np.array_equal(resize_area(image, *target), by_opencv(image, *target))


@settings(max_examples=60, deadline=None)
@given(source=sizes, target=sizes, data=st.data())
def test_a_window_is_that_part_of_the_whole(
    source: tuple[int, int], target: tuple[int, int], data: st.DataObject
) -> None:
    top, left = (data.draw(st.integers(0, length - 1)) for length in target)
    height, width = data.draw(st.integers(1, target[0] - top)), data.draw(st.integers(1, target[1] - left))
    image = noise(*source)
    for resize in (resize_area, resize_linear):
        whole = resize(image, *target)
        part = resize(image, *target, Window(top, left, height, width))
        assert np.array_equal(part, whole[top : top + height, left : left + width])


@pytest.mark.parametrize("target", [(50, 60), (100, 120), (40, 70), (130, 200)])
def test_a_fourth_channel_changes_nothing(target: tuple[int, int]) -> None:
    image = noise(100, 120)
    padded = np.dstack([image, np.full((100, 120), 77, np.uint8)])
    assert np.array_equal(resize_area(padded, *target)[..., :3], resize_area(image, *target))


@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
def test_one_colour_stays_that_colour(value: int) -> None:
    image = np.full((97, 131, 3), value, np.uint8)
    for target in ((50, 60), (97, 131), (31, 131), (200, 60)):
        assert np.all(resize_area(image, *target) == value)
        assert np.all(resize_linear(image, *target) == value)

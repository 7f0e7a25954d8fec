"""Resizing between neighbours gives OpenCV's bytes; those of 4.10, 4.12, 4.13 and 5.0 are the same."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlperf.datasets.fixed_point_resize import resize_linear

sides = st.integers(1, 300)


def pixels(seed: int, height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), height=sides, width=sides, new_height=sides, new_width=sides)
def test_resizing_is_opencvs(seed: int, height: int, width: int, new_height: int, new_width: int) -> None:
    image = pixels(seed, height, width)
    expected = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(resize_linear(image, new_height, new_width), expected)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), height=sides, width=sides)
def test_halving_and_doubling_are_opencvs(seed: int, height: int, width: int) -> None:
    image = pixels(seed, 2 * height, 2 * width)
    for size in ((height, width), (4 * height, 4 * width)):
        expected = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
        assert np.array_equal(resize_linear(image, *size), expected)

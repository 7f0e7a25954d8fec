"""Letterboxing is OpenCV's and Ultralytics', to the last bit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pytest_mlperf.datasets.letterbox import (
    BORDER,
    Letterbox,
    letterbox,
    planes,
    preprocess_letterbox,
)
from pytest_mlperf.errors import DatasetError

GOLDEN = json.loads((Path(__file__).parent / "golden" / "yolo" / "letterbox.json").read_text())
sides = st.integers(1, 300)


def pixels(seed: int, height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"{case['height']}x{case['width']}")
def test_the_square_is_the_references(case: dict[str, int | str]) -> None:
    seed, height, width = (int(case[key]) for key in ("seed", "height", "width"))
    square = letterbox(pixels(seed, height, width), 640)
    assert hashlib.sha256(square.tobytes()).hexdigest() == case["sha256"]
    assert hashlib.sha256(planes(square).tobytes()).hexdigest() == case["planes_sha256"]


@given(height=st.integers(1, 5000), width=st.integers(1, 5000), size=st.sampled_from((160, 192, 640)))
def test_the_image_fills_one_direction_and_lies_in_the_middle_of_the_other(height: int, width: int, size: int) -> None:
    box = Letterbox(height, width, size)
    assert max(box.inner) == size
    assert min(box.inner) >= 1
    for corner, inner in zip(box.corner, box.inner, strict=True):
        assert 0 <= corner <= corner + inner <= size
        assert size - inner - 2 * corner in (0, 1)


def test_the_borders_are_grey_and_an_image_of_the_size_is_left_alone() -> None:
    image = pixels(0, 30, 64)
    square = letterbox(image, 64)
    assert np.array_equal(square[17:47], image)
    assert (square[:17] == BORDER).all()
    assert (square[47:] == BORDER).all()


def test_a_file_becomes_planes_of_0_to_1(tmp_path: Path) -> None:
    image = pixels(1, 20, 40)
    Image.fromarray(image).save(tmp_path / "a.png")
    found = preprocess_letterbox(tmp_path / "a.png", 40, (40, 20))
    assert found.dtype == np.float32
    assert found.shape == (3, 40, 40)
    assert np.array_equal(found[:, 10:30], image.transpose(2, 0, 1) / np.float32(255))


def test_another_size_than_annotated_is_an_error(tmp_path: Path) -> None:
    Image.fromarray(pixels(1, 20, 40)).save(tmp_path / "a.png")
    with pytest.raises(DatasetError, match=r"expected: 20x40 pixels; found: 40x20 pixels"):
        preprocess_letterbox(tmp_path / "a.png", 40, (20, 40))


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff", b"no image"], ids=["empty", "cut off", "other"])
def test_a_file_that_is_no_image_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(DatasetError, match=r"a\.jpg cannot be read"):
        preprocess_letterbox(tmp_path / "a.jpg", 40)

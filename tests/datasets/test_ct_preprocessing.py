from __future__ import annotations

import ast
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.datasets.ct_preprocessing import OUTSIDE, fit, preprocess_image, preprocess_labels
from pytest_mlperf.datasets.kits19_digest import pickled_md5
from pytest_mlperf.datasets.volumes import SPACING
from tests.datasets.ct_volumes import volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

GOLDEN = Path(__file__).parent / "golden" / "3d-unet"
CONTENT: dict[str, Any] = json.loads((GOLDEN / "golden.json").read_text())
CASES: dict[str, dict[str, Any]] = CONTENT["preprocess"]


def preprocessed(case: dict[str, Any]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    spacing = np.array(case["spacing"], np.float32).tolist()
    image, labels = volume(tuple(case["shape"]))
    return (
        preprocess_image(image.astype(np.float32), spacing, SPACING, 128),
        preprocess_labels(labels, spacing, SPACING, 128),
    )


@pytest.mark.parametrize("name", CASES)
def test_volumes_labels_and_their_md5_are_the_references(name: str) -> None:
    case = CASES[name]
    image, labels = preprocessed(case)
    assert (image.dtype.name, labels.dtype.name) == ("float32", "uint8")
    assert image.shape == labels.shape == tuple(case["final"][1:])
    assert hashlib.sha256(image.tobytes()).hexdigest() == case["image_sha256"]
    assert hashlib.sha256(labels.tobytes()).hexdigest() == case["label_sha256"]
    assert pickled_md5(image, labels)[0] == case["pkl_md5"]
    assert np.bincount(labels.reshape(-1)).tolist() == case["label_counts"]
    assert image[0, 0, 0] == np.float32(case["corner"])


def test_the_slices_are_the_references() -> None:
    slices = np.load(GOLDEN / "preprocess_slices.npz")
    image, labels = preprocessed(CASES["case_00001"])
    assert np.array_equal(labels[64], slices["case_00001_label_mid"])
    line = slices["case_00001_image_line_d"]
    assert any(np.array_equal(image[:, y, x], line) for y, x in ((64, 64), (63, 63), (64, 63), (63, 64)))


@pytest.mark.parametrize("shape", CONTENT["shape_rule"])
def test_a_shape_becomes_the_references(shape: str) -> None:
    fitted = fit(np.zeros(ast.literal_eval(shape), np.uint8), 128, 0)
    assert list(fitted.shape) == CONTENT["shape_rule"][shape]


def test_what_is_cropped_and_padded_is_where_the_reference_has_it() -> None:
    positions = CONTENT["crop_pad_positions"]
    depth = np.broadcast_to(np.arange(130, dtype=np.float32)[:, None, None], positions["in"])
    fitted = fit(depth, 128, OUTSIDE)
    assert list(fitted.shape) == positions["out"]
    assert fitted[0, 64, 96] == positions["first_d_index"]
    [inside] = np.nonzero(fitted[64, 64] != np.float32(OUTSIDE))
    assert inside[0] == positions["first_w_not_padding"]
    assert fitted[64, 64, 0] == np.float32(positions["w_padding_value"])


@given(st.tuples(*[st.integers(1, 90)] * 3), st.sampled_from([8, 16, 32]))
def test_a_side_is_a_multiple_of_half_a_window_and_loses_less_than_a_quarter(
    shape: tuple[int, int, int], window: int
) -> None:
    fitted = fit(np.ones(shape, np.uint8), window, 0)
    for side, before in zip(fitted.shape, shape, strict=True):
        assert side >= window
        assert side % (window // 2) == 0
        assert abs(side - max(before, window)) <= window // 4
    assert np.array_equal(fit(fitted, window, 0), fitted)


def test_a_volume_with_the_spacing_wanted_is_not_resampled() -> None:
    image = np.arange(16**3).reshape(16, 16, 16).astype(np.float32) / np.float32(20)
    exact = (1.5, 1.0, 1.0)
    found = preprocess_image(image, exact, exact, 16)
    assert np.array_equal(found, (np.clip(image, -79, 304) - np.float32(101.0)) / np.float32(76.9))

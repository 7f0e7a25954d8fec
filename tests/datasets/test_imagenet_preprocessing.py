"""The preprocessings of ResNet-50's files are the reference's, on images whose results it left."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from pytest_mlperf.datasets.imagenet_preprocessing import (
    PREPROCESSING,
    VGG_MEANS,
    resized,
    torchvision,
    tpu,
    vgg,
    vgg_interleaved,
)
from tests.datasets.formula_images import GENERATORS, smooth

if TYPE_CHECKING:
    from numpy.typing import NDArray

GOLDEN = Path(__file__).parent / "golden" / "resnet50"
CONTENT: dict[str, Any] = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))
IMAGES: list[dict[str, Any]] = CONTENT["preprocess"]


def crop_of(planes: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Undo the means."""
    levels = planes + np.array(VGG_MEANS, np.float32)[:, None, None]
    return np.ascontiguousarray(np.rint(levels).astype(np.uint8).transpose(1, 2, 0))


@pytest.mark.parametrize("golden", IMAGES, ids=[image["name"] for image in IMAGES])
def test_an_image_becomes_the_reference_s_input(golden: dict[str, Any]) -> None:
    image = GENERATORS[golden["generator"]](golden["h"], golden["w"])
    assert hashlib.sha256(image.tobytes()).hexdigest() == golden["input_sha256"]
    assert resized(golden["h"], golden["w"], 224) == tuple(golden["resized_hw"])
    planes = vgg(image, 224)
    assert planes.dtype == np.float32
    assert planes.shape == (3, 224, 224)
    assert planes[:, 0, 0].tolist() == golden["first_pixel_float32"]
    crop = crop_of(planes)
    assert crop[0, :8, 0].tolist() == golden["corner_8px_row0_r"]
    assert crop[100, 100:108, 1].tolist() == golden["row100_cols100_107_g"]
    assert hashlib.sha256(crop.tobytes()).hexdigest() == golden["crop_uint8_sha256"]


def test_whole_crops_are_the_reference_s() -> None:
    with np.load(GOLDEN / "crops_uint8.npz") as crops:
        assert len(crops.files) == 6
        for name in crops.files:
            generator, _, size = name.partition("_")
            height, width = map(int, size.split("x"))
            assert np.array_equal(crop_of(vgg(GENERATORS[generator](height, width), 224)), crops[name])


def test_the_edge_tpu_s_input_is_the_reference_s() -> None:
    golden = CONTENT["other_preprocessors_smooth_375x500"]["pre_process_imagenet_tflite_tpu"]
    found = tpu(smooth(375, 500), 224)
    assert list(found.shape) == golden["shape"]
    assert found.dtype == np.float32
    assert found[0, 0].tolist() == golden["first_pixel"]
    assert found[100, 100].tolist() == golden["pixel_100_100"]
    assert found.mean((0, 1), np.float64) == pytest.approx(golden["mean"], abs=1e-9)


def test_mobilenet_s_golden_pixels_hold_for_the_same_resize() -> None:
    golden = CONTENT["other_preprocessors_smooth_375x500"]["pre_process_mobilenet"]
    bgr = tpu(smooth(375, 500), 224) + np.array(VGG_MEANS[::-1], np.float32)
    crop = np.rint(bgr)[..., ::-1].astype(np.float32)
    crop /= 255.0
    crop -= 0.5
    crop *= 2
    assert crop[0, 0].tolist() == golden["first_pixel"]
    assert crop[100, 100].tolist() == golden["pixel_100_100"]
    assert crop.mean((0, 1), np.float64) == pytest.approx(golden["mean"], abs=1e-9)


@pytest.mark.parametrize("size", [(375, 500), (500, 375), (256, 256), (257, 300), (60, 40)])
def test_torchvision_s_is_pillow_s_resize_and_its_crop(size: tuple[int, int]) -> None:
    image = smooth(*size)
    short, long = 256, int(256 * max(size) / min(size))
    wide, high = (long, short) if size[1] >= size[0] else (short, long)
    resized_ = Image.fromarray(image).resize((wide, high), Image.Resampling.BILINEAR)
    left, top = round((wide - 224) / 2.0), round((high - 224) / 2.0)
    crop = np.asarray(resized_.crop((left, top, left + 224, top + 224)), np.float32) / np.float32(255)
    expected = (crop - np.array([0.485, 0.456, 0.406], np.float32)) / np.array([0.229, 0.224, 0.225], np.float32)
    assert np.array_equal(torchvision(image, 224), expected.transpose(2, 0, 1))


def test_the_channels_last_are_the_same_values() -> None:
    image = smooth(300, 280)
    assert np.array_equal(vgg_interleaved(image, 224), vgg(image, 224).transpose(1, 2, 0))


@pytest.mark.parametrize("variant", PREPROCESSING)
def test_every_input_is_contiguous_and_takes_a_fourth_channel(variant: str) -> None:
    image = smooth(300, 280)
    padded = np.dstack([image, image[..., :1]])
    found = PREPROCESSING[variant](padded, 224)
    assert found.dtype == np.float32
    assert found.shape == ((224, 224, 3) if variant in ("NHWC", "NHWC-scores", "edgetpu") else (3, 224, 224))
    assert np.array_equal(found, PREPROCESSING[variant](image, 224))


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (3000, 20)])
def test_a_strange_size_is_no_error(size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 200, np.uint8)
    assert np.all(crop_of(vgg(image, 224)) == 200)

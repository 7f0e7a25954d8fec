"""From an image to a classifier's input, as each published ResNet-50 wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from pytest_mlperf.datasets.area_resize import resize_area
from pytest_mlperf.datasets.fixed_point_resize import Window, resize_linear

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Input = NDArray[np.float32]

VGG_MEANS: Final = (123.68, 116.78, 103.94)
"""Means of red, green and blue in grey levels (_R_MEAN .. of TensorFlow's vgg_preprocessing)."""

_TPU_MEANS: Final = (123.68, 116.779, 103.939)
_TORCHVISION_MEANS: Final = (0.485, 0.456, 0.406)
_TORCHVISION_DEVIATIONS: Final = (0.229, 0.224, 0.225)
_KEPT_PERCENT: Final = 87.5
"""Side of the crop, in percent of the short side of the resized image."""


def vgg(pixels: Pixels, size: int) -> Input:
    """Return planes of RGB less the means: float32 [3, size, size].

    This is ``pre_process_vgg`` of mlcommons/inference (vision/classification_and_detection/python/dataset.py): resized
    by areas to a short side of ``int(size / 0.875)`` in 8 bits, then the centre.

    Parameters
    ----------
    pixels
        uint8 [height, width, 3 or 4], RGB; a fourth channel is not used.
    size
        Side of the input in pixels; 224 for ResNet-50.
    """
    crop = _centre(pixels, size, resize_area)
    planes = np.empty((3, size, size), np.float32)
    for channel, mean in enumerate(VGG_MEANS):
        np.subtract(crop[..., channel], np.float32(mean), out=planes[channel], dtype=np.float32)
    return planes


def vgg_interleaved(pixels: Pixels, size: int) -> Input:
    """Return the same as `vgg` with the channels last: float32 [size, size, 3]."""
    return np.ascontiguousarray(vgg(pixels, size).transpose(1, 2, 0))


def tpu(pixels: Pixels, size: int) -> Input:
    """Return BGR less the means, resized between neighbours in 8 bits: float32 [size, size, 3].

    This is ``pre_process_imagenet_tflite_tpu``. A quantised file wants it divided by its input's scale, plus its zero
    point, and cut off to uint8; scale and zero point are in the file.
    """
    crop = _centre(pixels, size, resize_linear)
    return crop[..., 2::-1].astype(np.float32) - np.array(_TPU_MEANS[::-1], np.float32)


def torchvision(pixels: Pixels, size: int) -> Input:
    """Return planes of RGB in standard deviations from the mean: float32 [3, size, size].

    This is ``pre_process_imagenet_pytorch``: Pillow's bilinear resize of 8 bits, with antialiasing, to a short side of
    256 for 224; the centre by torchvision's rounding; `ToTensor` and `Normalize`.
    """
    short = round(size * 256 / 224)
    height, width = pixels.shape[:2]
    long = int(short * max(height, width) / min(height, width))
    high, wide = (short, long) if height <= width else (long, short)
    image = Image.fromarray(np.ascontiguousarray(pixels[..., :3]))
    if (high, wide) != (height, width):
        image = image.resize((wide, high), Image.Resampling.BILINEAR)
    top, left = round((high - size) / 2), round((wide - size) / 2)
    crop = np.asarray(image)[top : top + size, left : left + size]
    planes = np.ascontiguousarray(crop.transpose(2, 0, 1), np.float32)
    planes /= np.float32(255)
    planes -= np.array(_TORCHVISION_MEANS, np.float32)[:, None, None]
    planes /= np.array(_TORCHVISION_DEVIATIONS, np.float32)[:, None, None]
    return planes


def _centre(pixels: Pixels, size: int, resize: Callable[[Pixels, int, int, Window], Pixels]) -> Pixels:
    """Return the central square of the image resized with its aspect."""
    height, width = resized(pixels.shape[0], pixels.shape[1], size)
    return resize(pixels, height, width, Window(int((height - size) / 2), int((width - size) / 2), size, size))


def resized(height: int, width: int, size: int) -> tuple[int, int]:
    """Return the height and the width of the resized image of which the centre is taken."""
    short = int(100.0 * size / _KEPT_PERCENT)
    if height > width:
        return int(short * height / width), short
    return short, int(short * width / height)


PREPROCESSING: Final[Mapping[str, Callable[[Pixels, int], Input]]] = {
    "": vgg,
    "opset-8": vgg,
    "NHWC": vgg_interleaved,
    "NHWC-scores": vgg_interleaved,
    "torchvision": torchvision,
    "edgetpu": tpu,
}
"""By the variant of the model file."""

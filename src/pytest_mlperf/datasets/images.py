"""Decodes, stretches and scales image files as the reference's OpenCV preprocessing does."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageFile

from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_ORIENTATION_TAG = 0x0112
# The operation that turns an image with this EXIF orientation upright (Exif 2.3, tag 274).
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Output rows that are computed together: few enough that a block's intermediate values stay in a core's
# level 2 cache and that its small matrix products stay below the size from which OpenBLAS starts threads.
_BLOCK_ROWS = 16


def load_image(path: Path) -> NDArray[np.uint8]:
    """Decode an image file to RGB, upright, as ``cv2.imread(path, IMREAD_COLOR)`` does to BGR.

    EXIF orientation is applied, an alpha channel is dropped, 16-bit channels keep their high byte, and
    grayscale, palette and CMYK images become RGB.

    Parameters
    ----------
    path
        A file of any format that Pillow reads.

    Returns
    -------
    numpy.ndarray
        ``uint8[height, width, 3]``, channels in the order red, green, blue.

    Raises
    ------
    DatasetError
        The file is missing, empty, cut off, or not an image.
    """
    return np.asarray(_decode(path))


def load_padded(path: Path) -> NDArray[np.uint8]:
    """Decode an image file as `load_image` does, with an unused fourth byte after each pixel's three.

    This is faster: it is how Pillow stores pixels, and a pixel can be copied as one 32-bit word.
    """
    image = _decode(path)
    return np.frombuffer(image.tobytes("raw", "RGBX"), np.uint8).reshape(image.height, image.width, 4)


def resize_bilinear(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float32]:
    """Stretch an image as ``cv2.resize(image.astype(float32), (width, height), INTER_LINEAR)`` does.

    Pixel centres lie at half-integers, edges are clamped, nothing is smoothed before a reduction and
    nothing is rounded after. Sample positions are computed in double precision, as in OpenCV's builds
    with Intel IPP (every x86-64 wheel): the two agree within 0.001 grey levels. OpenCV's own code rounds
    positions to single precision, which can move a level by up to 0.03 in images of 2,000 pixels' width.

    Parameters
    ----------
    image
        ``uint8[any height, any width, 3]``.
    height, width
        Size of the result in pixels.

    Returns
    -------
    numpy.ndarray
        ``float32[height, width, 3]``, in 0..255.
    """
    padded = np.zeros((*image.shape[:2], 4), np.uint8)
    padded[..., :3] = image
    planes = np.empty((3, height, width), np.float32)
    _stretch(padded.view(np.uint32)[..., 0], planes, divisor=1)
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def preprocess_stretch(
    path: Path, size: int, out: NDArray[np.float32] | None = None, annotated: tuple[int, int] | None = None
) -> NDArray[np.float32]:
    """Decode an image and stretch it to a square without keeping its aspect, in planes of 0..1.

    This is ``pre_process_openimages_retinanet`` of mlcommons/inference
    (``vision/classification_and_detection/python/dataset.py``): float32, bilinear resize, division by
    255, HWC to CHW. Mean and standard deviation are applied inside the model.

    Almost all work is done without Python's interpreter lock, so it scales with threads.

    Parameters
    ----------
    path
        The image file.
    size
        Side of the square in pixels; 800 for RetinaNet.
    out
        The array for the result, ``float32[3, size, size]``. By default a new one; reusing one is faster, because
        new memory costs page faults.
    annotated
        The width and height that the image must have, in pixels.

    Returns
    -------
    numpy.ndarray
        ``out``: ``float32[3, size, size]``, channels in the order red, green, blue.

    Raises
    ------
    DatasetError
        As from `load_image`; or the image has another size than `annotated`.
    """
    if out is None:
        out = np.empty((3, size, size), np.float32)
    elif out.shape != (3, size, size) or out.dtype != np.float32:
        raise ValueError(f"out must be float32[3, {size}, {size}], not {out.dtype}{list(out.shape)}")
    image = _decode(path)
    if annotated is not None and image.size != annotated:
        raise DatasetError(
            f"image {path} does not have its annotated size",
            expected=_pixels(annotated),
            found=_pixels(image.size),
            fix="replace it with the file of the data set: boxes are in pixels of the annotated size",
        )
    # Pillow stores RGB in four bytes per pixel, so a pixel can be copied as one 32-bit word.
    words = np.frombuffer(image.tobytes("raw", "RGBX"), np.uint32).reshape(image.height, image.width)
    _stretch(words, out, divisor=255)
    return out


class _Block(NamedTuple):
    """A block of output rows, the source rows that it needs, and their weights."""

    rows: slice
    sources: NDArray[np.intp]
    weights: NDArray[np.float32]


def _stretch(words: NDArray[np.uint32], out: NDArray[np.float32], divisor: int) -> None:
    """Resize `words` ``uint32[h, w]`` (bytes R, G, B, unused) into `out` ``float32[3, height, width]``."""
    _, height, width = out.shape
    left, right, weight = _columns(words.shape[1], width)
    # Allocated once: an allocation for each block costs page faults, especially in threads.
    picked_rows = np.empty((2 * _BLOCK_ROWS, width), np.uint32)
    near_rows, across_rows = np.empty((2, 2 * _BLOCK_ROWS, 4 * width), np.float32)
    plane_rows = np.empty((2 * _BLOCK_ROWS, width), np.float32)
    for rows, sources, weights in _blocks(words.shape[0], height):
        count = len(sources)
        block = words[sources[0] : sources[-1] + 1]
        if len(block) != count:  # reduced to less than half: some rows are not needed
            block = words[sources]
        picked, near, across = picked_rows[:count], near_rows[:count], across_rows[:count]
        # "wrap" writes straight into `out`, where "raise" makes a copy; every index is in range.
        np.copyto(near, np.take(block, left, axis=1, out=picked, mode="wrap").view(np.uint8))
        np.copyto(across, np.take(block, right, axis=1, out=picked, mode="wrap").view(np.uint8))
        across -= near
        across *= weight
        across += near
        channels = across.reshape(count, width, 4)
        plane = plane_rows[:count]
        scaled = weights / np.float32(divisor)  # one rounding away from dividing 2 million values
        for channel, target in enumerate(out[:, rows]):
            np.copyto(plane, channels[:, :, channel])
            np.matmul(scaled, plane, out=target)


@lru_cache(maxsize=256)
def _columns(source: int, target: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Left and right neighbours of each output column, and the right one's weight once for each byte."""
    low, high, weight = _neighbours(source, target)
    return low, high, np.repeat(weight.astype(np.float32), 4)


@lru_cache(maxsize=256)
def _blocks(source: int, target: int) -> tuple[_Block, ...]:
    """Vertical interpolation as small dense matrices, one for each block of output rows."""
    low, high, weight = _neighbours(source, target)
    blocks = []
    for start in range(0, target, _BLOCK_ROWS):
        rows = slice(start, min(start + _BLOCK_ROWS, target))
        sources = np.unique(np.concatenate((low[rows], high[rows])))
        weights = np.zeros((rows.stop - start, len(sources)), np.float32)
        each = np.arange(len(weights))
        weights[each, np.searchsorted(sources, low[rows])] = 1 - weight[rows].astype(np.float32)
        # Where both neighbours are the same clamped row, its weight is already 1 and this adds 0.
        weights[each, np.searchsorted(sources, high[rows])] += weight[rows].astype(np.float32)
        blocks.append(_Block(rows, sources, weights))
    return tuple(blocks)


def _neighbours(source: int, target: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """For each of `target` pixels along a side: its two neighbours in `source`, and the second's weight."""
    position = np.clip((np.arange(target) + 0.5) * (source / target) - 0.5, 0, source - 1)
    low = position.astype(np.intp)
    return low, np.minimum(low + 1, source - 1), position - low


def _decode(path: Path) -> Image.Image:
    """Read a file into an upright Pillow image of mode RGB."""
    # Another package may have made Pillow accept truncated files, which it fills with grey.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with Image.open(path) as image:
            image.load()
            return _upright(_to_rgb(image), image.info.get("exif"))
    except FileNotFoundError:
        raise DatasetError(
            f"image {path} is missing",
            fix="fetch the data set again, or give its directory with --dataset-path",
        ) from None
    except Exception as error:  # Pillow's decoders raise anything from OSError to struct.error
        raise DatasetError(
            f"image {path} cannot be read",
            expected="a complete image file",
            found=f"{_size(path)}: {error}",
            fix="replace it with the file of the data set; a partial image would change the accuracy",
        ) from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):  # 16 bits a pixel: the high byte, where convert() would clip
        deep = np.asarray(image).astype(np.int64)
        return Image.fromarray((deep >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "CMYK" and image.format == "JPEG":  # by OpenCV's formula, of what Pillow has inverted
        ink = np.asarray(image).astype(np.int32)
        white = 255 - ink[..., 3:]
        return Image.fromarray((white - (ink[..., :3] * white >> 8)).astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:  # Pillow warns about a direct conversion
        image = image.convert("RGBA")
    return image.convert("RGB")


def _upright(image: Image.Image, exif: bytes | None) -> Image.Image:
    if not exif:
        return image
    # Not with Image.getexif(), which also uses XMP; OpenCV does not read XMP.
    tags = Image.Exif()
    try:
        tags.load(exif)
        transpose = _UPRIGHT.get(tags.get(_ORIENTATION_TAG, 1))
    except Exception:  # a damaged EXIF block is ignored, as in OpenCV
        return image
    return image if transpose is None else image.transpose(transpose)


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]} pixels"


def _size(path: Path) -> str:
    try:
        return f"{path.stat().st_size:,} bytes"
    except OSError:
        return "a file that cannot be read"

"""Pictures of one handwritten digit each, as JPEG files with a val_map.txt; changes when the pictures do.

The tiny edition of ResNet-50 is trained and scored on them. They are laid out as MLPerf's ImageNet is.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from PIL import Image

from pytest_mlperf.artifacts.disk import write_atomic
from pytest_mlperf.datasets.digit_painting import Split, digits_of
from pytest_mlperf.datasets.imagenet_layout import VAL_MAP

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    _Bytes: TypeAlias = NDArray[np.uint8]
    _Colour: TypeAlias = tuple[int, int, int]

_SEED: Final = 20_260_411
_SPLITS: Final = ("train", "validation")
_JPEG_QUALITY: Final = 90
# Side of the crop over the short side of the picture, as of 48 pixels of 54.
_CROP: Final = (48, 54)
# Opacity by what the enlarged digit has: its pencil's grey fringe goes, its middle is opaque.
_OPACITY: Final = bytes(min(255, max(0, 4 * (value - 66))) for value in range(256))
# Sides are doubled for tilting without interpolation, and halved after it: integers alone decide the pixels.
_FINE: Final = 2
_ENLARGED: Final = 80


@dataclass(frozen=True)
class Picture:
    """A picture, and its class.

    Attributes
    ----------
    image
        uint8 [height, width, 3], RGB.
    label
        0..19: the digit, plus 10 if its ink is cold.
    """

    image: _Bytes
    label: int


def file_name(index: int) -> str:
    """Return the bare file name of the picture with this index, which counts from 1 as ImageNet's does."""
    return f"digits_val_{index + 1:08d}.JPEG"


def generate(directory: Path, count: int, *, workers: int | None = None) -> None:
    """Write the first `count` validation pictures and their ``val_map.txt``, whose lines are in sample order.

    Parameters
    ----------
    directory
        Where to write; it exists.
    count
        Number of pictures.
    workers
        Threads; by default one a core. The result does not depend on it.
    """

    def write(index: int) -> int:
        picture = paint("validation", index)
        (directory / file_name(index)).write_bytes(jpeg(picture.image))
        return picture.label

    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        labels = list(pool.map(write, range(count)))
    lines = (f"{file_name(index)} {label}\n" for index, label in enumerate(labels))
    write_atomic(directory / VAL_MAP, "".join(lines).encode())


def jpeg(image: _Bytes) -> bytes:
    """Encode as 4:2:0 JPEG, the usual form of a photograph."""
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling="4:2:0")
    return buffer.getvalue()


def paint(split: Split, index: int) -> Picture:
    """Paint the picture with this index of a split.

    One digit lies whole in the centre that the preprocessing keeps. Others, of any class, lie in the margins that it
    cuts off, so that a wrong crop shows them.

    Parameters
    ----------
    split
        ``"train"`` or ``"validation"``, which share no digit.
    index
        Any number from 0.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([_SEED, _SPLITS.index(split), index])))
    images, labels = _enlarged_digits(split)
    width, height = _size(rng)
    canvas = _ground(rng, width, height)
    short = min(width, height)
    side = short * _CROP[0] // _CROP[1]
    for _ in range(int(rng.integers(2, 4))):
        digit = images[int(rng.integers(len(images)))]
        _paint_in_margin(rng, canvas, _stamp(rng, digit, short * int(rng.integers(40, 90)) // 100), side)
    number, ink = int(rng.integers(len(labels))), int(rng.integers(2))
    stamp = _stamp(rng, images[number], side * int(rng.integers(55, 93)) // 100)
    room_x, room_y = max(0, side - stamp.width), max(0, side - stamp.height)
    left = (width - side) // 2 + int(rng.integers(room_x + 1))
    top = (height - side) // 2 + int(rng.integers(room_y + 1))
    canvas.paste(_ink(rng, ink), (left, top), stamp)
    return Picture(_with_noise(rng, canvas), 10 * ink + int(labels[number]))


def _size(rng: np.random.Generator) -> tuple[int, int]:
    """Return width and height: one in eight is smaller than it will be, the sides are up to 1.6 of each other."""
    short = int(rng.integers(40, 54)) if rng.integers(8) == 0 else int(rng.integers(54, 129))
    long = short * int(rng.integers(100, 161)) // 100
    return (long, short) if rng.integers(5) < 3 else (short, long)


def _ground(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Return a background: colours that run into each other, and some bars."""
    grey, tint = rng.integers(60, 196, (4, 4, 1)), rng.integers(-30, 31, (4, 4, 3))
    colours = Image.fromarray((grey + tint).clip(0, 255).astype(np.uint8))
    ground = colours.resize((width, height), Image.Resampling.BICUBIC)
    for _ in range(int(rng.integers(4))):
        thick, long = int(rng.integers(1, 5)), int(rng.integers(10, 60))
        box = (thick, long) if rng.integers(2) else (long, thick)
        place = int(rng.integers(width)), int(rng.integers(height))
        ground.paste(_ink(rng, int(rng.integers(2))), (*place, place[0] + box[0], place[1] + box[1]))
    return ground


def _ink(rng: np.random.Generator, ink: int) -> _Colour:
    """Return a colour of warm (0) or cold (1) ink; red and blue exchanged, it is of the other."""
    strong, middle = int(rng.integers(150, 256)), int(rng.integers(20, 130))
    weak = int(rng.integers(0, strong - 109))
    return (strong, middle, weak) if ink == 0 else (weak, middle, strong)


@cache
def _enlarged_digits(split: Split) -> tuple[list[Image.Image], _Bytes]:
    """Return the opacities of a split's digits, square, with an empty tenth on each side; and the digits' labels."""
    images, labels = digits_of(split)
    padded = np.zeros((len(images), 10, 10), np.uint8)
    padded[:, 1:9, 1:9] = images * np.uint8(15)
    size = (_ENLARGED, _ENLARGED)
    grey = (Image.fromarray(each).resize(size, Image.Resampling.BICUBIC) for each in padded)
    return [Image.frombytes("L", size, each.tobytes().translate(_OPACITY)) for each in grey], labels


def _stamp(rng: np.random.Generator, digit: Image.Image, height: int) -> Image.Image:
    """Return a digit's opacity, enlarged to about this height in pixels, stretched and tilted, cropped to its ink."""
    width = height * int(rng.integers(75, 121)) // 100
    tilt = int(rng.integers(-30, 31)) / 100
    # From an output pixel to a pixel of the enlarged digit, about the middle of both; the corners need more room.
    reach_x, reach_y = (width + height // 3) * _FINE, (height + width // 3) * _FINE
    ink = _ENLARGED * 8 // 10
    a, e = ink / (width * _FINE), ink / (height * _FINE)
    b, d = tilt * ink / (height * _FINE), -tilt * ink / (width * _FINE)
    middle = _ENLARGED / 2
    matrix = (a, b, middle - (a * reach_x + b * reach_y) / 2, d, e, middle - (d * reach_x + e * reach_y) / 2)
    tilted = digit.transform((reach_x, reach_y), Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST)
    opacity = tilted.reduce(_FINE)
    return opacity.crop(opacity.getbbox())


def _paint_in_margin(rng: np.random.Generator, canvas: Image.Image, stamp: Image.Image, side: int) -> None:
    """Paint a digit over one of the four margins; little of it reaches into the centre."""
    width, height = canvas.size
    inside = max(1, side // 24)
    margin_x, margin_y = (width - side) // 2, (height - side) // 2
    left = int(rng.integers(-(stamp.width // 3), max(1, width - stamp.width * 2 // 3)))
    top = int(rng.integers(-(stamp.height // 3), max(1, height - stamp.height * 2 // 3)))
    at_start = bool(rng.integers(2))
    # The wider margins have room for a digit; the narrow ones would show a sliver.
    if margin_x >= margin_y:
        left = margin_x + inside - stamp.width if at_start else width - margin_x - inside
    else:
        top = margin_y + inside - stamp.height if at_start else height - margin_y - inside
    canvas.paste(_ink(rng, int(rng.integers(2))), (left, top), stamp)


def _with_noise(rng: np.random.Generator, canvas: Image.Image) -> _Bytes:
    """Return the pixels, each brighter or darker by its own chance.

    The larger the picture, the stronger: the means over areas then have the same noise, and single pixels have more.
    """
    pixels = np.asarray(canvas).astype(np.int16)
    strength = int(rng.integers(20, 46)) * min(canvas.size) // _CROP[1]
    pixels += rng.integers(-strength, strength + 1, (*pixels.shape[:2], 1), dtype=np.int16)
    return pixels.clip(0, 255).astype(np.uint8)

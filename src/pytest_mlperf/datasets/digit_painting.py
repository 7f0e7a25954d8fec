"""The painting of one scene of handwritten digits; changes when what a scene shows changes.

A scene is a cluttered picture with tilted digits of many sizes in warm or cold ink. The class of a digit
is ``10 * ink + digit``: 20 classes. Warm and cold differ by an exchange of red and blue, so a pipeline that
takes BGR for RGB finds the wrong classes. Ink has grain, and smooth prints of digits lie around as decoys
without an annotation, so a pipeline that smooths the picture as it resizes it takes ink for print.

The digits are the UCI optical digits (see NOTICE). A scene is a function of its split and index alone.
Training and validation scenes are composed of different digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from numpy.typing import NDArray

    _Floats: TypeAlias = NDArray[np.float32]
    _Bytes: TypeAlias = NDArray[np.uint8]

Split = Literal["train", "validation"]
Box: TypeAlias = "tuple[int, int, int, int]"
"""Left, top, width and height in pixels of the scene."""

CATEGORIES: Final = tuple(f"{ink} {digit}" for ink in ("warm", "cold") for digit in range(10))
"""The names of the classes 0..19, in order."""

SHORTEST_SIDE: Final = 160
LONGEST_SIDE: Final = 640
"""Limits of a scene's sides, in pixels."""

INK_EDGE: Final = 0.5
"""Opacity from which a pixel counts as ink; boxes are tight on these pixels."""

_SEED: Final = 20_240_229
_SPLITS: Final = ("train", "validation")
# Every third digit is for validation: stored writer by writer, the digits of both splits are by all hands.
_VALIDATION_PERIOD: Final = 3
_EMPTY_SCENES: Final = 0.05
_CROWDED_SCENES: Final = 0.08
_MOST_DIGITS: Final = 12
# Height of a digit as a fraction of the geometric mean of the scene's sides.
_SMALLEST: Final = 0.08
_LARGEST: Final = 0.30
_SMALLEST_PIXELS: Final = 14
# Digits may cover this much of each other, as a fraction of the smaller one.
_MOST_OVERLAP: Final = 0.15


@dataclass(frozen=True)
class SceneObject:
    """One annotated digit, or a group of touching digits of one class.

    Attributes
    ----------
    category
        Class, 0..19, an index of `CATEGORIES`.
    box
        Left, top, width and height in pixels of the scene, tight on the ink.
    crowd
        Whether the box holds a group that is not annotated digit by digit.
    """

    category: int
    box: Box
    crowd: bool = False


@dataclass(frozen=True)
class Scene:
    """A picture and what is to be found in it.

    Attributes
    ----------
    image
        uint8 [height, width, 3], RGB.
    objects
        The annotated digits in the order in which they were painted.
    """

    image: _Bytes
    objects: tuple[SceneObject, ...]


def render(split: Split, index: int) -> Scene:
    """Paint the scene with this index of a split.

    Parameters
    ----------
    split
        ``"train"`` or ``"validation"``.
    index
        Any number from 0.
    """
    seed = np.random.SeedSequence([_SEED, _SPLITS.index(split), index])
    rng = np.random.Generator(np.random.PCG64(seed))
    width, height = _scene_size(rng)
    canvas = _background(rng, width, height)
    painter = _Painter(rng, canvas, digits_of(split))
    for _ in range(rng.integers(2, 9)):
        painter.paint_decoy()
    objects: list[SceneObject] = []
    if rng.random() >= _EMPTY_SCENES:
        if rng.random() < _CROWDED_SCENES:
            painter.paint_crowd()
        for _ in range(rng.integers(2, _MOST_DIGITS + 1)):
            painter.paint_digit()
        objects = painter.objects
    noise = np.float32(rng.random() * 24) * (rng.random((height, width), dtype=np.float32) - np.float32(0.5))
    canvas += noise[..., None]
    return Scene(np.clip(canvas, 0, 255, out=canvas).astype(np.uint8), tuple(objects))


@cache
def digits_of(split: Split) -> tuple[_Bytes, _Bytes]:
    """Return the digits that a split's scenes are composed of.

    Returns
    -------
    tuple
        Images, uint8 [n, 8, 8] with values 0..16, and their labels, uint8 [n] with values 0..9.
    """
    path = resources.files("pytest_mlperf") / "data" / "digits.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as digits:
        images, labels = digits["images"], digits["labels"]
    for_validation = np.arange(len(labels)) % _VALIDATION_PERIOD == 0
    part = for_validation if split == "validation" else ~for_validation
    return images[part], labels[part]


class _Painter:
    """Paints digits on one canvas, and remembers where it put those that are annotated."""

    def __init__(self, rng: np.random.Generator, canvas: _Floats, digits: tuple[_Bytes, _Bytes]) -> None:
        self._rng = rng
        self._canvas = canvas
        self._images, self._labels = digits
        self._mean_side = math.sqrt(canvas.shape[0] * canvas.shape[1])
        self.objects: list[SceneObject] = []

    def paint_digit(self) -> None:
        """Paint and annotate one digit in grained ink, if there is room for it."""
        number = int(self._rng.integers(len(self._labels)))
        ink = int(self._rng.integers(2))
        stamp = _stamp(self._images[number], self._digit_height(), self._angle(), self._stretch())
        place = self._free_place(stamp.shape)
        if place is None:
            return
        self._ink(stamp, place, _ink_colour(self._rng, ink), grained=True)
        self.objects.append(SceneObject(10 * ink + int(self._labels[number]), _ink_box(stamp, place)))

    def paint_crowd(self) -> None:
        """Paint a row of small touching digits of one class, and annotate them as one group."""
        rng = self._rng
        ink, label = int(rng.integers(2)), int(rng.integers(10))
        choices = np.flatnonzero(self._labels == label)
        height = max(_SMALLEST_PIXELS, self._mean_side * (0.06 + 0.05 * rng.random()))
        members = [
            _stamp(self._images[choices[int(rng.integers(len(choices)))]], height, self._angle() / 2, 1.0)
            for _ in range(rng.integers(4, 9))
        ]
        row = _row(rng, members)
        place = self._free_place(row.shape)
        if place is None:
            return
        self._ink(row, place, _ink_colour(rng, ink), grained=True)
        self.objects.append(SceneObject(10 * ink + label, _ink_box(row, place), crowd=True))

    def paint_decoy(self) -> None:
        """Paint what is no object: a smooth print of a digit, or a grained fragment of one."""
        rng = self._rng
        stamp = _stamp(self._images[int(rng.integers(len(self._labels)))], self._digit_height(), self._angle(), 1.0)
        height, width = stamp.shape
        grained = bool(rng.random() < 0.4)
        if grained:
            stamp = stamp[: max(1, height // 3)] if rng.random() < 0.5 else stamp[:, : max(1, width // 3)]
        room_y, room_x = self._canvas.shape[0] - stamp.shape[0], self._canvas.shape[1] - stamp.shape[1]
        if room_y < 1 or room_x < 1:
            return
        place = int(rng.integers(room_y)), int(rng.integers(room_x))
        self._ink(stamp, place, _ink_colour(rng, int(rng.integers(2))), grained=grained)

    def _digit_height(self) -> float:
        fraction = _SMALLEST * (_LARGEST / _SMALLEST) ** (self._rng.random() ** 1.3)
        return float(max(_SMALLEST_PIXELS, self._mean_side * fraction))

    def _angle(self) -> float:
        return math.radians(20 * (2 * self._rng.random() - 1))

    def _stretch(self) -> float:
        return 0.8 + 0.45 * float(self._rng.random())

    def _free_place(self, shape: tuple[int, ...]) -> tuple[int, int] | None:
        """Return a top and left at which the stamp lies in the scene and covers little of what is there."""
        room_y, room_x = self._canvas.shape[0] - shape[0], self._canvas.shape[1] - shape[1]
        if room_y < 1 or room_x < 1:
            return None
        for _ in range(12):
            top, left = int(self._rng.integers(room_y)), int(self._rng.integers(room_x))
            box = (left, top, shape[1], shape[0])
            if all(_overlap(box, other.box) <= _MOST_OVERLAP for other in self.objects):
                return top, left
        return None

    def _ink(self, opacity: _Floats, place: tuple[int, int], colour: _Floats, *, grained: bool) -> None:
        height, width = opacity.shape
        (top, left) = place
        region = self._canvas[top : top + height, left : left + width]
        paint = np.broadcast_to(colour, region.shape)
        if grained:
            paint = paint * _grain(self._rng, height, width)[..., None]
        region += opacity[..., None] * (paint - region)


def _scene_size(rng: np.random.Generator) -> tuple[int, int]:
    """Return a width and a height: long side mostly large, aspect 1:2 to 2:1."""
    shortest, longest = (380, LONGEST_SIDE) if rng.random() < 0.85 else (200, 380)
    long_side = int(rng.integers(shortest, longest + 1))
    short_side = max(SHORTEST_SIDE, int(long_side * (0.5 + 0.5 * rng.random())))
    return (long_side, short_side) if rng.random() < 0.6 else (short_side, long_side)


def _background(rng: np.random.Generator, width: int, height: int) -> _Floats:
    """Return a cluttered ground, float32 [height, width, 3]: gradient, stains, strokes, hatching."""
    cells = tuple(int(n) for n in rng.integers(2, 6, size=2))
    grey = rng.integers(50, 206, size=(*cells, 1))
    tint = rng.integers(-35, 36, size=(*cells, 3))
    gradient = Image.fromarray((grey + tint).clip(0, 255).astype(np.uint8))
    ground = gradient.resize((width, height), Image.Resampling.BICUBIC)
    _draw_shapes(rng, ImageDraw.Draw(ground), width, height)
    canvas = np.asarray(ground).astype(np.float32)
    stains = rng.integers(0, 256, size=(height // 9 + 1, width // 9 + 1)).astype(np.uint8)
    relief = np.asarray(Image.fromarray(stains).resize((width, height), Image.Resampling.BICUBIC))
    canvas += np.float32(rng.random() * 0.25) * (relief[..., None].astype(np.float32) - np.float32(127.5))
    if rng.random() < 0.5:
        _hatch(rng, canvas)
    return canvas


def _draw_shapes(rng: np.random.Generator, draw: ImageDraw.ImageDraw, width: int, height: int) -> None:
    """Draw lines, arcs, rectangles and polygons of any colour, inks' colours included."""
    for _ in range(rng.integers(6, 26)):
        kind = int(rng.integers(4))
        ink = _ink_colour(rng, int(rng.integers(2))) if rng.random() < 0.4 else rng.integers(40, 216, size=3)
        colour = (int(ink[0]), int(ink[1]), int(ink[2]))
        centre = rng.random(2) * (width, height)
        reach = (0.03 + 0.2 * rng.random(2)) * (width, height)
        (left, top), (right, bottom) = centre - reach, centre + reach
        stroke = int(rng.integers(1, 9))
        if kind == 0:
            ends = ((left, top), (right, bottom)) if rng.random() < 0.5 else ((left, bottom), (right, top))
            draw.line(ends, fill=colour, width=stroke)
        elif kind == 1:
            start = 360 * rng.random()
            draw.arc((left, top, right, bottom), start, start + 60 + 300 * rng.random(), colour, stroke)
        elif kind == 2:
            draw.rectangle((left, top, right, bottom), outline=colour, width=stroke)
        else:
            corners = [tuple(centre + reach * (2 * rng.random(2) - 1)) for _ in range(3)]
            draw.polygon(corners, fill=colour)


def _hatch(rng: np.random.Generator, canvas: _Floats) -> None:
    """Shade a part of the ground with fine parallel lines."""
    height, width, _ = canvas.shape
    top, left = int(rng.integers(height // 2)), int(rng.integers(width // 2))
    region = canvas[top : top + height // 2, left : left + width // 2]
    angle, period = math.pi * rng.random(), 2.5 + 3 * rng.random()
    y, x = np.ogrid[: region.shape[0], : region.shape[1]]
    phase = (2 * math.pi / period) * (math.sin(angle) * y + math.cos(angle) * x)
    region += np.float32(10 + 25 * rng.random()) * np.sin(phase).astype(np.float32)[..., None]


def _ink_colour(rng: np.random.Generator, ink: int) -> _Floats:
    """Return a colour of warm (0) or cold (1) ink; red and blue exchanged, it is of the other."""
    strong = 150 + 105 * rng.random()
    middle = 20 + 110 * rng.random()
    weak = max(0.0, strong - 110) * rng.random()
    channels = (strong, middle, weak) if ink == 0 else (weak, middle, strong)
    return np.array(channels, np.float32)


def _grain(rng: np.random.Generator, height: int, width: int) -> _Floats:
    """Return factors of brightness, float32 [height, width], that vary from one or two pixels to the next."""
    size = int(rng.integers(1, 3))
    coarse = rng.random((height // size + 1, width // size + 1), dtype=np.float32) < np.float32(0.5)
    fine = coarse.repeat(size, axis=0).repeat(size, axis=1)[:height, :width]
    return np.where(fine, np.float32(0.6), np.float32(1.25))


def _stamp(digit: _Bytes, height: float, angle: float, stretch: float) -> _Floats:
    """Return a digit's opacity, float32 [h, w] in 0..1, enlarged and tilted, cropped to where it shows.

    Parameters
    ----------
    digit
        uint8 [8, 8] with values 0..16.
    height
        Height of the untilted digit, in pixels.
    angle
        Tilt in radians.
    stretch
        Width over height, relative to the original's.
    """
    scale_y, scale_x = height / 8, height / 8 * stretch
    cos, sin = math.cos(angle), math.sin(angle)
    high = math.ceil(9 * (scale_y * cos + scale_x * abs(sin)))
    wide = math.ceil(9 * (scale_x * cos + scale_y * abs(sin)))
    padded = np.zeros((12, 12), np.uint8)
    padded[2:10, 2:10] = digit * np.uint8(15)
    # From an output pixel to a source pixel, about the middle of both.
    a, b, d, e = cos / scale_x, sin / scale_x, -sin / scale_y, cos / scale_y
    matrix = (a, b, 6 - (a * wide + b * high) / 2, d, e, 6 - (d * wide + e * high) / 2)
    enlarged = Image.fromarray(padded).transform((wide, high), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    opacity: _Floats = np.clip(np.asarray(enlarged, np.float32) / np.float32(60) - np.float32(1.1), 0, 1)
    rows, columns = np.flatnonzero(opacity.any(axis=1)), np.flatnonzero(opacity.any(axis=0))
    return opacity[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _row(rng: np.random.Generator, members: list[_Floats]) -> _Floats:
    """Return the opacity of stamps set side by side so that they touch, each a little up or down."""
    tallest = max(member.shape[0] for member in members)
    drop = max(1, tallest // 4)
    row = np.zeros((tallest + drop, sum(member.shape[1] for member in members)), np.float32)
    left = 0
    for member in members:
        height, width = member.shape
        top = int(rng.integers(drop))
        region = row[top : top + height, left : left + width]
        np.maximum(region, member, out=region)
        left += width - max(1, width // 12)
    return row


def _ink_box(opacity: _Floats, place: tuple[int, int]) -> Box:
    """Return the box of the pixels that are ink in a stamp with its top and left at `place`."""
    ink = opacity >= INK_EDGE
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    top, left = place[0] + int(rows[0]), place[1] + int(columns[0])
    return left, top, int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1


def _overlap(one: Box, other: Box) -> float:
    """Return the shared area of two boxes as a fraction of the smaller one's."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min(one[2] * one[3], other[2] * other[3])

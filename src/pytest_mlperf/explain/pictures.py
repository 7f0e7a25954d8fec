"""Draws pictures of samples: boxes on images, contours on slices; small PNG files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pytest_mlperf.explain.explanation import Picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Colour = tuple[int, int, int]

#: The longest side of a picture in pixels: enough to read its labels, and a file of some ten kilobytes.
SIDE: Final = 360
_FONT_PIXELS: Final = 12
#: Blue and orange are told apart by everybody who sees colours, and in grey.
RIGHT: Final = (86, 180, 233)
WRONG: Final = (255, 128, 0)


class Box(NamedTuple):
    """A box on an image: left, top, right, bottom as fractions of its sides; a label; and its colour."""

    corners: tuple[float, float, float, float]
    label: str
    colour: Colour


@dataclass
class Gallery:
    """The directory for pictures, and those of the current sample."""

    directory: Path
    pictures: list[Picture] = field(default_factory=list)

    def add(self, image: Image.Image, name: str, caption: str) -> None:
        """Write a picture of the current sample; 256 colours make a third of the file."""
        file, coloured = f"{name}.png", image.convert("RGB")
        # The exact method is slow for many colours.
        few = coloured.getcolors(256) is not None
        method = Image.Quantize.MEDIANCUT if few else Image.Quantize.FASTOCTREE
        coloured.quantize(256, method=method).save(self.directory / file, compress_level=4)
        self.pictures.append(Picture(file=file, caption=caption))

    def taken(self) -> tuple[Picture, ...]:
        """Return the pictures of the current sample, and begin the next one."""
        found = tuple(self.pictures)
        self.pictures.clear()
        return found


def scaled(pixels: Pixels, size: tuple[int, int] | None = None, side: int = SIDE) -> Image.Image:
    """Return an image ``uint8[h, w, 3]`` with a longest side of `side`; `size` is its true width and height."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    width, height = size or image.size
    factor = side / max(width, height)
    smooth = Image.Resampling.LANCZOS if factor < 1 else Image.Resampling.BICUBIC
    return image.resize((max(1, round(width * factor)), max(1, round(height * factor))), smooth)


def with_boxes(image: Image.Image, boxes: Sequence[Box]) -> Image.Image:
    """Return the image with boxes; labels stand above them, or inside where there is no room or another label."""
    drawn = image.copy()
    draw, font = ImageDraw.Draw(drawn), ImageFont.load_default(_FONT_PIXELS)
    taken: list[tuple[float, float, float, float]] = []
    for corners, _, colour in boxes:
        place = _pixels(corners, image.size)
        if place is not None:
            draw.rectangle(place, outline=(0, 0, 0), width=4)
            draw.rectangle((place[0] + 1, place[1] + 1, place[2] - 1, place[3] - 1), outline=colour, width=2)
    for corners, label, colour in boxes:
        place = _pixels(corners, image.size)
        if place is not None and label:
            _label(draw, font, label, colour, place, image.size, taken)
    return drawn


def _pixels(
    corners: tuple[float, float, float, float], size: tuple[int, int]
) -> tuple[float, float, float, float] | None:
    """Return a box in pixels, cut at the edges and at least some pixels large; None if it is outside."""
    (width, height), (left, top, right, bottom) = size, corners
    left, right = sorted((left * width, right * width))
    top, bottom = sorted((top * height, bottom * height))
    if not (left < width and top < height and right > 0 and bottom > 0):
        return None
    left, top = min(max(0.0, left), width - 6.0), min(max(0.0, top), height - 6.0)
    return left, top, min(width - 1.0, max(right, left + 5)), min(height - 1.0, max(bottom, top + 5))


def _label(
    draw: ImageDraw.ImageDraw,
    font: Any,
    label: str,
    colour: Colour,
    place: tuple[float, float, float, float],
    size: tuple[int, int],
    taken: list[tuple[float, float, float, float]],
) -> None:
    left, top, _, bottom = place
    width, height = draw.textlength(label, font=font) + 4, _FONT_PIXELS + 3
    left = max(0.0, min(left, size[0] - width))
    free = (top - height, bottom, top, bottom - height, top - 2 * height, bottom + height)
    spots = [(left, y, left + width, y + height) for y in free if 0 <= y <= size[1] - height]
    spot = next((each for each in spots if not any(_overlap(each, other) for other in taken)), None)
    if spot is None:  # a label over another one tells nothing; the box has its colour
        return
    taken.append(spot)
    draw.rectangle(spot, fill=colour)
    draw.text((spot[0] + 2, spot[1] + 1), label, fill=(0, 0, 0), font=font)


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


class Contour(NamedTuple):
    """The outline of a mask ``bool[h, w]``, its colour, and whether it is dashed."""

    mask: NDArray[np.bool_]
    colour: Colour
    dashed: bool = False


def with_contours(grey: NDArray[np.float32], contours: Iterable[Contour], aspect: float = 1.0) -> Image.Image:
    """Return a slice with outlines.

    Parameters
    ----------
    grey
        ``float32[h, w]``, any range.
    contours
        Outlines, the first below the others.
    aspect
        The height of a pixel over its width.
    """
    height, width = grey.shape
    factor = SIDE * 0.75 / max(height * aspect, width)
    size = max(1, round(width * factor)), max(1, round(height * aspect * factor))
    low, high = np.quantile(grey, (0.01, 0.99)).tolist()
    levels = np.clip((grey - low) / max(high - low, 1e-6) * 215, 0, 255).astype(np.uint8)
    image = np.array(Image.fromarray(levels).resize(size, Image.Resampling.BICUBIC).convert("RGB"))
    dash = (np.add.outer(np.arange(size[1]), np.arange(size[0])) // 5) % 2 == 0
    for mask, colour, dashed in contours:
        large = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.NEAREST)
        edge = _edge(np.asarray(large) > 0)
        image[edge & dash if dashed else edge] = colour
    return Image.fromarray(image)


def _edge(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the outermost two pixels of a mask."""
    inner = mask
    for _ in range(2):
        padded = np.pad(inner, 1)
        inner = padded[1:-1, 1:-1] & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner

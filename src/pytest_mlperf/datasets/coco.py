"""Reads and checks annotation files in COCO's format: images, in order, and their boxes."""

from __future__ import annotations

import posixpath
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np

from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping
    from pathlib import Path
    from typing import NoReturn

    from numpy.typing import NDArray

# How far a box may extend beyond its image: the boxes of OpenImages come from rounded fractions.
EDGE_TOLERANCE_PIXELS = 1.0
# Scorers pass ids through double precision.
_LARGEST_ID = 2**53

_Id = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST_ID)]
_Pixels = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
_FIX = "fetch the annotation file again, and do not edit it: sample indices are positions in it"


class ImageInfo(msgspec.Struct, frozen=True, gc=False):
    """An image of the data set, as the annotation file describes it.

    Attributes
    ----------
    id
        Its id in the file.
    file_name
        Its path below the directory of images.
    width, height
        Its size in pixels, before any preprocessing.
    """

    id: _Id
    file_name: str
    width: _Pixels
    height: _Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """The annotated boxes, in the file's order.

    Attributes
    ----------
    ids, image_ids, category_ids
        ``int64[n]``.
    xywh
        ``float64[n, 4]``: left, top, width, height in pixels of the original image.
    area
        ``float64[n]``: area in square pixels, for COCO's size classes.
    iscrowd
        ``int64[n]``, 1 if a box surrounds a group of objects.
    """

    ids: NDArray[np.int64]
    image_ids: NDArray[np.int64]
    category_ids: NDArray[np.int64]
    xywh: NDArray[np.float64]
    area: NDArray[np.float64]
    iscrowd: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: NDArray[np.int64]) -> Boxes:
        """Return the boxes at some positions."""
        return Boxes(
            self.ids[rows],
            self.image_ids[rows],
            self.category_ids[rows],
            self.xywh[rows],
            self.area[rows],
            self.iscrowd[rows],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Annotations:
    """A checked annotation file.

    Attributes
    ----------
    path
        The file.
    images
        In the file's order: LoadGen's sample index is a position in this tuple.
    category_ids
        In the file's order.
    boxes
        The annotated boxes of the images.
    category_names
        Of the categories that have a name, by id.
    """

    path: Path
    images: tuple[ImageInfo, ...]
    category_ids: tuple[int, ...]
    boxes: Boxes
    category_names: Mapping[int, str] = field(default_factory=dict)

    def name_of(self, category: int) -> str:
        """Return the name of a category, or its id where the file has none."""
        return self.category_names.get(category) or str(category)

    def only(self, images: tuple[ImageInfo, ...]) -> Annotations:
        """Return the annotations of some of the images, in their order."""
        ids = [image.id for image in images]
        boxes = self.boxes.take(np.flatnonzero(np.isin(self.boxes.image_ids, ids)))
        return replace(self, images=images, boxes=boxes)


class _Annotation(msgspec.Struct, gc=False):
    id: _Id
    image_id: _Id
    category_id: _Id
    bbox: tuple[float, float, float, float]
    area: float
    iscrowd: int | bool


class _Category(msgspec.Struct, gc=False):
    id: _Id
    # For reports alone: whatever it is, nothing is refused for it.
    name: object = ""


class _File(msgspec.Struct):
    images: tuple[ImageInfo, ...]
    annotations: list[_Annotation]
    categories: list[_Category]


def read_annotations(path: Path, edge_tolerance: float = EDGE_TOLERANCE_PIXELS) -> Annotations:
    """Read an annotation file and check everything that a score depends on.

    Parameters
    ----------
    path
        A JSON file with ``images``, ``annotations`` and ``categories`` in COCO's format, such as
        ``openimages-mlperf.json``.
    edge_tolerance
        How far a box may extend beyond its image, in pixels.

    Returns
    -------
    Annotations
        Its images, categories and boxes.

    Raises
    ------
    DatasetError
        The file is missing, not whole JSON, lacks a key or has one of another type; has no image or no
        category; repeats an id or a file name; has a file name that leaves the directory of images; or has
        a box of an unknown image or category, of negative size, not finite, or outside its image.
    """
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise DatasetError(f"annotation file {path} cannot be read: {error.strerror}", fix=_FIX) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _refuse(path, "JSON in COCO's format", str(error))
    _check_images(path, file.images)
    category_ids = tuple(category.id for category in file.categories)
    if not category_ids:
        _refuse(path, "at least one category", "none")
    _check_unique(path, "category id", category_ids)
    boxes = _to_arrays(file.annotations)
    _check_unique(path, "annotation id", boxes.ids.tolist())
    _check_boxes(path, boxes, file.images, category_ids, edge_tolerance)
    names = {category.id: category.name for category in file.categories if isinstance(category.name, str)}
    return Annotations(path, file.images, category_ids, boxes, names)


def _to_arrays(annotations: list[_Annotation]) -> Boxes:
    return Boxes(
        ids=np.array([item.id for item in annotations], np.int64),
        image_ids=np.array([item.image_id for item in annotations], np.int64),
        category_ids=np.array([item.category_id for item in annotations], np.int64),
        xywh=np.array([item.bbox for item in annotations], np.float64).reshape(-1, 4),
        area=np.array([item.area for item in annotations], np.float64),
        iscrowd=np.array([int(item.iscrowd) for item in annotations], np.int64),
    )


def _check_images(path: Path, images: tuple[ImageInfo, ...]) -> None:
    if not images:
        _refuse(path, "at least one image", "none")
    names = [posixpath.normpath(image.file_name) for image in images]
    for image, name in zip(images, names, strict=True):
        if name in (".", "..") or name.startswith(("/", "../")) or "\0" in name:
            _refuse(path, "a file name below the directory of images", repr(image.file_name))
    _check_unique(path, "image id", [image.id for image in images])
    _check_unique(path, "file name", names)


def _check_boxes(
    path: Path, boxes: Boxes, images: tuple[ImageInfo, ...], category_ids: tuple[int, ...], edge_tolerance: float
) -> None:
    order = np.argsort([image.id for image in images])
    image_ids = np.array([image.id for image in images], np.int64)[order]
    at = np.searchsorted(image_ids, boxes.image_ids).clip(max=len(images) - 1)
    _check_each(path, boxes, image_ids[at] == boxes.image_ids, "of an image in the file", boxes.image_ids)
    known = np.isin(boxes.category_ids, category_ids)
    _check_each(path, boxes, known, "of a category in the file", boxes.category_ids)
    _check_each(path, boxes, np.isin(boxes.iscrowd, (0, 1)), "with iscrowd 0 or 1", boxes.iscrowd)
    finite = np.isfinite(boxes.xywh).all(1) & np.isfinite(boxes.area)
    _check_each(path, boxes, finite, "with finite numbers", boxes.xywh)
    smallest = boxes.xywh[:, 2:].min(axis=1)
    _check_each(path, boxes, smallest >= 0, "with a width and height of 0 or more", boxes.xywh)
    _check_each(path, boxes, np.greater_equal(boxes.area, 0), "with an area of 0 or more", boxes.area)
    sizes = np.array([(image.width, image.height) for image in images], np.float64)[order][at]
    low, high = boxes.xywh[:, :2], boxes.xywh[:, :2] + boxes.xywh[:, 2:]
    inside = ((low >= -edge_tolerance) & (high <= sizes + edge_tolerance)).all(1)
    _check_each(path, boxes, inside, "inside its image", boxes.xywh)


def _check_each(
    path: Path,
    boxes: Boxes,
    good: NDArray[np.bool_],
    expected: str,
    values: NDArray[np.int64] | NDArray[np.float64],
) -> None:
    if good.all():
        return
    first = int(np.argmin(good))
    _refuse(
        path,
        f"every box {expected}",
        f"{values[first].tolist()} in annotation {boxes.ids[first]} of image {boxes.image_ids[first]} "
        f"({np.count_nonzero(~good)} such boxes)",
    )


def _check_unique(path: Path, what: str, values: Iterable[Hashable]) -> None:
    value, count = max(Counter(values).items(), key=lambda item: item[1], default=(None, 0))
    if count > 1:
        _refuse(path, f"every {what} once", f"{value!r} {count} times")


def _refuse(path: Path, expected: str, found: str) -> NoReturn:
    raise DatasetError(f"annotation file {path} is invalid", expected=expected, found=found, fix=_FIX)

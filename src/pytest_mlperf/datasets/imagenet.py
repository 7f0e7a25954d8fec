"""ImageNet in MLPerf's layout, as a classifier's input: which images, in what order, and how each is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_mlperf.datasets.imagenet_layout import VAL_MAP, LabelledImage, read_images, require_files
from pytest_mlperf.datasets.imagenet_preprocessing import PREPROCESSING
from pytest_mlperf.datasets.images import load_padded
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray


class ImageNetSamples:
    """The images as a classifier's input.

    Parameters
    ----------
    directory
        Has ``val_map.txt`` and the images, or a folder of images for each class.
    count
        How many images to use, from the first.
    size
        The side of the model's input, in pixels.
    input_name
        The model's input.
    variant
        The variant of the model file: a name in `PREPROCESSING`.

    Raises
    ------
    DatasetError
        The list of images is invalid or too short, or an image is missing in the directory; when an image is loaded,
        that it cannot be read.
    """

    def __init__(self, directory: Path, count: int, size: int, input_name: str, variant: str) -> None:
        self._paths = [directory / image.name for image in first_images(directory, count)]
        self._size = size
        self._input_name = input_name
        self._preprocess = PREPROCESSING[variant]

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Mapping[str, NDArray[Any]]:
        """Decode and preprocess one image: float32, planes or with the channels last as the variant has it."""
        return {self._input_name: self._preprocess(load_padded(self._paths[index]), self._size)}


def read_labels(directory: Path) -> list[int]:
    """Return the label of each image by sample index."""
    return [image.label for image in read_images(directory)]


def used_files(directory: Path, count: int) -> list[str]:
    """Return the names of ``val_map.txt``, if there is one, and of the files of the first `count` images."""
    images = [image.name for image in first_images(directory, count)]
    return [VAL_MAP, *images] if (directory / VAL_MAP).exists() else images


def first_images(directory: Path, count: int) -> list[LabelledImage]:
    """Return the first `count` images; see `ImageNetSamples` for errors."""
    images = read_images(directory)
    if len(images) < count:
        raise DatasetError(
            f"{directory} has too few images",
            expected=f"{count:,}",
            found=f"{len(images):,}",
            fix=f"use at most {len(images)} with --dataset-size",
        )
    require_files(directory, [image.name for image in images[:count]])
    return images[:count]

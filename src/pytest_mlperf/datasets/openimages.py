"""OpenImages in MLPerf's layout: JPEG files, and a COCO annotation file; its order gives the sample indices."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pytest_mlperf.artifacts.disk import write_atomic
from pytest_mlperf.datasets.coco import read_annotations
from pytest_mlperf.datasets.images import preprocess_stretch
from pytest_mlperf.datasets.layout import ANNOTATIONS, IMAGES
from pytest_mlperf.datasets.preprocessed import INDEX, OnShard, PreprocessedSamples, write_shards
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.datasets.base import Samples


def preprocess(directory: Path, output: Path, count: int, size: int, on_shard: OnShard) -> None:
    """Write the first `count` images into `output` as `write_shards` does, with the annotation file beside them.

    `output` can then be used as the data set's directory.
    """
    paths = image_paths(directory, count)
    write_shards(paths, output, size, None, on_shard)
    target = output / ANNOTATIONS
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(target, (directory / ANNOTATIONS).read_bytes())


def open_samples(directory: Path, count: int, size: int, input_name: str) -> Samples:
    """Open the first `count` images of a directory, preprocessed or not."""
    if (directory / INDEX).exists():
        return PreprocessedSamples(directory, count, size, input_name)
    return OpenImagesSamples(directory, count, size, input_name)


class OpenImagesSamples:
    """The images as a detector's input, stretched to a square; see `preprocess_stretch`.

    Decoding while LoadGen loads samples is as fast as reading preprocessed files, and needs no disk space
    (docs/performance.md).

    Parameters
    ----------
    directory
        Contains ``annotations/openimages-mlperf.json`` and ``validation/data``.
    count
        How many images to use, from the start of the annotation file.
    size
        The side of the model's input, in pixels.
    input_name
        The model's input.

    Raises
    ------
    DatasetError
        The annotation file is invalid or has fewer images, or an image is missing in the directory.
    """

    def __init__(self, directory: Path, count: int, size: int, input_name: str) -> None:
        self._paths = image_paths(directory, count)
        self._size = size
        self._input_name = input_name

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Mapping[str, NDArray[Any]]:
        """Decode and stretch one image: float32 ``[3, size, size]``, RGB, 0 to 1."""
        return {self._input_name: preprocess_stretch(self._paths[index], self._size)}


def image_paths(directory: Path, count: int) -> list[Path]:
    """Return the files of the first `count` images; see `OpenImagesSamples` for errors."""
    if not (directory / ANNOTATIONS).exists():
        raise DatasetError(
            f"{directory} does not have the layout of this data set",
            expected=f"{ANNOTATIONS} and {IMAGES}/",
            found=f"no {ANNOTATIONS}",
            fix="give the directory that contains both with --dataset-path",
        )
    annotations = read_annotations(directory / ANNOTATIONS)
    if len(annotations.images) < count:
        raise DatasetError(
            f"{directory} has too few images",
            expected=f"{count:,}",
            found=f"{len(annotations.images):,} in {ANNOTATIONS}",
            fix=f"use at most {len(annotations.images)} with --dataset-size",
        )
    paths = [directory / IMAGES / image.file_name for image in annotations.images[:count]]
    _require_files(paths, directory / IMAGES)
    return paths


def _require_files(paths: list[Path], folder: Path) -> None:
    """Raise before the test if an image is missing, because every later sample index would be wrong."""
    try:
        with os.scandir(folder) as entries:  # one listing for thousands of names; broken links are not files
            present = {entry.path for entry in entries if entry.is_file()}
    except OSError as error:
        raise DatasetError(
            f"cannot list the images in {folder}",
            expected="a directory of JPEG files",
            found=error.strerror or str(error),
            fix="give the directory that contains annotations/ and validation/data/ with --dataset-path",
        ) from error
    missing = [path for path in paths if str(path) not in present and not path.is_file()]
    if missing:
        raise DatasetError(
            f"{len(missing):,} of {len(paths):,} images are missing in {folder}",
            expected="every image of the annotation file",
            found=f"{len(missing):,} missing, the first: {missing[0].relative_to(folder)}",
            fix="fetch the missing images, or use the annotation file of this directory",
        )

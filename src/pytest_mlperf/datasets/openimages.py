"""OpenImages as MLPerf lays it out: JPEG files and a COCO-style annotation file whose order is the sample index."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pytest_mlperf.datasets.coco import read_annotations
from pytest_mlperf.datasets.images import preprocess_stretch
from pytest_mlperf.datasets.layout import ANNOTATIONS, IMAGES
from pytest_mlperf.datasets.preprocessed import INDEX, OnShard, PreprocessedSamples, write_shards
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.benchmarks.base import Samples


def preprocess(directory: Path, output: Path, count: int, size: int, on_shard: OnShard) -> None:
    """Write the first `count` images into `output` as `write_shards` does, with the annotation file beside them.

    `output` can then be named as the data set's directory.
    """
    paths = image_paths(directory, count)
    write_shards(paths, output, size, None, on_shard)
    target = output / ANNOTATIONS
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{target.name}.part")
    beside.write_bytes((directory / ANNOTATIONS).read_bytes())
    beside.replace(target)


def open_samples(directory: Path, count: int, size: int, input_name: str) -> Samples:
    """Open the first `count` images of a directory, preprocessed or not."""
    if (directory / INDEX).exists():
        return PreprocessedSamples(directory, count, size, input_name)
    return OpenImagesSamples(directory, count, size, input_name)


class OpenImagesSamples:
    """The images as a detector's input, stretched to a square; see `preprocess_stretch`.

    Decoding when LoadGen loads samples is measured to keep up with a cache of preprocessed files and takes no
    disk (docs/performance.md).

    Parameters
    ----------
    directory
        Holds ``annotations/openimages-mlperf.json`` and ``validation/data``.
    count
        The first so many images of the annotation file.
    size
        The side of the model's input, in pixels.
    input_name
        The model's input.

    Raises
    ------
    DatasetError
        The annotation file cannot be trusted, has fewer images, or one of them is not in the directory.
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
    """Return the files of the first `count` images; see `OpenImagesSamples` for what is refused."""
    if not (directory / ANNOTATIONS).exists():
        raise DatasetError(
            f"{directory} is not laid out as this data set",
            expected=f"{ANNOTATIONS} and {IMAGES}/",
            found=f"no {ANNOTATIONS}",
            fix="give the directory that holds both with --dataset-path",
        )
    annotations = read_annotations(directory / ANNOTATIONS)
    if len(annotations.images) < count:
        raise DatasetError(
            f"{directory} has too few images",
            expected=f"{count:,}",
            found=f"{len(annotations.images):,} in {ANNOTATIONS}",
            fix=f"ask for at most {len(annotations.images)} with --dataset-size",
        )
    paths = [directory / IMAGES / image.file_name for image in annotations.images[:count]]
    _require_files(paths, directory / IMAGES)
    return paths


def _require_files(paths: list[Path], folder: Path) -> None:
    """A missing image would shift the index of every later one, so it is an error before the test."""
    try:
        with os.scandir(folder) as entries:  # thousands of names at once; a link to nothing is no file
            present = {entry.path for entry in entries if entry.is_file()}
    except OSError as error:
        raise DatasetError(
            f"cannot list the images in {folder}",
            expected="a directory of JPEG files",
            found=error.strerror or str(error),
            fix="give the directory that holds annotations/ and validation/data/ with --dataset-path",
        ) from error
    missing = [path for path in paths if str(path) not in present and not path.is_file()]
    if missing:
        raise DatasetError(
            f"{len(missing):,} of {len(paths):,} images are missing in {folder}",
            expected="every image of the annotation file",
            found=f"{len(missing):,} missing, the first: {missing[0].relative_to(folder)}",
            fix="fetch the missing images, or take the annotation file that belongs to this directory",
        )

"""OpenImages in MLPerf's layout: JPEG files, and a COCO annotation file; its order gives the sample indices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_mlperf.artifacts.disk import write_atomic
from pytest_mlperf.datasets.annotated import first_images, require_layout
from pytest_mlperf.datasets.coco import read_annotations
from pytest_mlperf.datasets.images import preprocess_stretch
from pytest_mlperf.datasets.layout import ANNOTATIONS, IMAGES
from pytest_mlperf.datasets.preprocessed import (
    INDEX,
    AnnotatedImage,
    OnShard,
    PreprocessedSamples,
    used_shards,
    write_shards,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.datasets.base import Samples


def preprocess(directory: Path, output: Path, count: int, size: int, on_shard: OnShard) -> None:
    """Write the first `count` images into `output` as `write_shards` does, with the annotation file beside them.

    `output` can then be used as the data set's directory.
    """
    images = annotated_images(directory, count)
    write_shards(images, output, size, None, on_shard)
    target = output / ANNOTATIONS
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(target, (directory / ANNOTATIONS).read_bytes())


def open_samples(directory: Path, count: int, size: int, input_name: str) -> Samples:
    """Open the first `count` images of a directory, preprocessed or not."""
    if (directory / INDEX).exists():
        return PreprocessedSamples(directory, count, size, input_name)
    return OpenImagesSamples(directory, count, size, input_name)


def used_files(directory: Path, count: int) -> list[str]:
    """Return the names of the annotation file and of the first `count` images, or of the shards that have them."""
    if (directory / INDEX).exists():
        images = [INDEX, *used_shards(directory, count)]
    else:
        images = [image.path.relative_to(directory).as_posix() for image in annotated_images(directory, count)]
    return [ANNOTATIONS.as_posix(), *images]


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
        The annotation file is invalid or has fewer images, or an image is missing in the directory; when an image is
        loaded, that it cannot be read or does not have its annotated size.
    """

    def __init__(self, directory: Path, count: int, size: int, input_name: str) -> None:
        self._images = annotated_images(directory, count)
        self._size = size
        self._input_name = input_name

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Mapping[str, NDArray[Any]]:
        """Decode and stretch one image: float32 ``[3, size, size]``, RGB, 0 to 1."""
        image = self._images[index]
        return {self._input_name: preprocess_stretch(image.path, self._size, annotated=image.size)}


def image_paths(directory: Path, count: int) -> list[Path]:
    """Return the files of the first `count` images; see `OpenImagesSamples` for errors."""
    return [image.path for image in annotated_images(directory, count)]


def annotated_images(directory: Path, count: int) -> list[AnnotatedImage]:
    """Return the first `count` images; see `OpenImagesSamples` for errors."""
    require_layout(directory, ANNOTATIONS, IMAGES)
    annotations = read_annotations(directory / ANNOTATIONS)
    return first_images(directory, ANNOTATIONS, IMAGES, annotations.images, count)

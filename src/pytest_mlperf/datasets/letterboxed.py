"""The data sets of YOLO: COCO's images, and scenes of digits, in a square with grey borders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlperf.datasets import coco_recipe
from pytest_mlperf.origin import Remote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.datasets.base import Samples
    from pytest_mlperf.datasets.coco_recipe import CocoFiles
    from pytest_mlperf.datasets.preprocessed import AnnotatedImage
    from pytest_mlperf.datasets.scenes_recipe import ScenesRecipe


class LetterboxedSamples:
    """The images as YOLO's input, and the sizes of the originals, which the boxes are scaled back to."""

    def __init__(self, images: Sequence[AnnotatedImage], size: int) -> None:
        self._images = images
        self._size = size

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Mapping[str, NDArray[Any]]:
        """Decode and fit one image: ``images`` float32 ``[3, size, size]``, ``shape`` int64 ``[2]``, height and width.

        Raises
        ------
        DatasetError
            It cannot be read, or does not have its annotated size.
        """
        import numpy as np

        from pytest_mlperf.datasets.letterbox import preprocess_letterbox

        path, size = self._images[index]
        assert size is not None  # noqa: S101 - annotated images have one
        return {"images": preprocess_letterbox(path, self._size, size), "shape": np.array(size[::-1], np.int64)}


@dataclass(frozen=True)
class CocoImages:
    """The validation images of COCO that MLPerf may use, fitted into squares of ``image_size`` pixels."""

    name: str
    image_size: int
    size: int | None = None
    requirements: tuple[str, ...] = ("pillow",)
    files: CocoFiles = coco_recipe.OFFICIAL

    def source(self, count: int) -> Remote:
        """Return the download of the first `count` images."""
        size_bytes = coco_recipe.ANNOTATION_BYTES + count * coco_recipe.MEAN_IMAGE_BYTES
        return Remote(
            coco_recipe.CocoRecipe(count, self.files),
            "the COCO val2017 images that MLPerf may use, with annotations/instances_val2017.json",
            f"{count:,} JPEG files and the annotations, about {size_bytes / 1e6:.0f} MB",
            size_bytes,
            "--dataset-path DIR",
        )

    def open(self, directory: Path, count: int, variant: str) -> Samples:
        """Open the first `count` images; see `LetterboxedSamples`."""
        from pytest_mlperf.datasets.coco_val import annotated_images

        del variant
        return LetterboxedSamples(annotated_images(directory, count), self.image_size)

    def used_files(self, directory: Path, count: int) -> Sequence[str]:
        """Return the names of the annotation file and of the files of the first `count` images."""
        from pytest_mlperf.datasets.coco_val import annotated_images, annotations_in

        names = [image.path.relative_to(directory).as_posix() for image in annotated_images(directory, count)]
        return [annotations_in(directory).as_posix(), *names]


@dataclass(frozen=True)
class LetterboxedScenes:
    """The generated scenes of handwritten digits, in OpenImages' layout, fitted into squares."""

    name: str
    image_size: int
    size: int | None = None
    requirements: tuple[str, ...] = ("pillow",)

    def source(self, count: int) -> ScenesRecipe:
        """Return the recipe of at least `count` scenes."""
        from pytest_mlperf.datasets.scenes_recipe import ScenesRecipe

        return ScenesRecipe(max(count, self.size or 0))

    def open(self, directory: Path, count: int, variant: str) -> Samples:
        """Open the first `count` scenes; see `LetterboxedSamples`."""
        from pytest_mlperf.datasets.openimages import annotated_images

        del variant
        return LetterboxedSamples(annotated_images(directory, count), self.image_size)

    def used_files(self, directory: Path, count: int) -> Sequence[str]:
        """Return the names of the annotation file and of the files of the first `count` scenes."""
        from pytest_mlperf.datasets.openimages import used_files

        return used_files(directory, count)

"""The data sets for object detection: OpenImages, and scenes of digits in the same layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlperf.datasets import openimages_recipe
from pytest_mlperf.origin import Remote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_mlperf.datasets.base import Samples
    from pytest_mlperf.datasets.openimages_recipe import OpenImagesFiles
    from pytest_mlperf.datasets.scenes_recipe import ScenesRecipe


@dataclass(frozen=True)
class DetectionImages:
    """Images in OpenImages' layout, stretched to squares of ``image_size`` pixels."""

    name: str
    image_size: int
    size: int | None = None
    requirements: tuple[str, ...] = ("pillow",)

    def open(self, directory: Path, count: int, variant: str) -> Samples:
        """Open the first `count` images: float32 ``[3, image_size, image_size]`` each, RGB, 0 to 1."""
        from pytest_mlperf.datasets.openimages import open_samples

        del variant
        return open_samples(directory, count, self.image_size, "images")

    def used_files(self, directory: Path, count: int) -> Sequence[str]:
        """Return the names of the annotation file and of the files of the first `count` images."""
        from pytest_mlperf.datasets.openimages import used_files

        return used_files(directory, count)


@dataclass(frozen=True)
class OpenImages(DetectionImages):
    """The validation images of OpenImages that have the 264 classes of MLPerf."""

    files: OpenImagesFiles = openimages_recipe.OFFICIAL

    def source(self, count: int) -> Remote:
        """Return the download of the first `count` images."""
        size_bytes = count * openimages_recipe.MEAN_IMAGE_BYTES
        return Remote(
            openimages_recipe.OpenImagesRecipe(count, self.files),
            "the OpenImages validation images with annotations/openimages-mlperf.json",
            f"{count:,} JPEG files, about {_estimate(size_bytes / 1e6)}",
            size_bytes,
            "--dataset-path DIR",
        )


@dataclass(frozen=True)
class DigitScenes(DetectionImages):
    """Generated scenes of handwritten digits."""

    def source(self, count: int) -> ScenesRecipe:
        """Return the recipe of at least `count` scenes."""
        from pytest_mlperf.datasets.scenes_recipe import ScenesRecipe

        return ScenesRecipe(max(count, self.size or 0))


def _estimate(megabytes: float) -> str:
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{max(megabytes, 1):.0f} MB"

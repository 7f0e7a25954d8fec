"""The data sets for classification: ImageNet, and pictures of digits in the same layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlperf.origin import MissingFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_mlperf.datasets.base import Samples
    from pytest_mlperf.datasets.digit_pictures_recipe import PicturesRecipe

#: The name of the model's input.
IMAGE = "image"


@dataclass(frozen=True)
class ClassificationImages:
    """Images in ImageNet's layout; the model's input has a side of ``image_size`` pixels."""

    name: str
    image_size: int
    size: int | None = None
    requirements: tuple[str, ...] = ("pillow",)

    def open(self, directory: Path, count: int, variant: str) -> Samples:
        """Open the first `count` images, preprocessed for this variant of the model file."""
        from pytest_mlperf.datasets.imagenet import ImageNetSamples

        return ImageNetSamples(directory, count, self.image_size, IMAGE, variant)

    def used_files(self, directory: Path, count: int) -> Sequence[str]:
        """Return the names of ``val_map.txt`` and of the files of the first `count` images."""
        from pytest_mlperf.datasets.imagenet import used_files

        return used_files(directory, count)


@dataclass(frozen=True)
class ImageNet(ClassificationImages):
    """The validation images of ILSVRC 2012."""

    def source(self, count: int) -> MissingFile:
        """Return what is missing: ImageNet's terms of access forbid that anybody else hands out its images."""
        del count
        return MissingFile(
            "the ImageNet validation images (ILSVRC2012_img_val.tar), which image-net.org gives to those who accept its"
            " terms of access, with val_map.txt or in class folders; see docs/resnet50.md",
            "50,000 JPEG files, 6,744,924,160 bytes",
            "--dataset-path DIR",
        )


@dataclass(frozen=True)
class DigitPictures(ClassificationImages):
    """Generated pictures of one handwritten digit each."""

    def source(self, count: int) -> PicturesRecipe:
        """Return the recipe of at least `count` pictures."""
        from pytest_mlperf.datasets.digit_pictures_recipe import PicturesRecipe

        return PicturesRecipe(max(count, self.size or 0))

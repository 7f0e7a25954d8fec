"""The recipe of the pictures of digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from pytest_mlperf.datasets.generated import GeneratedRecipe

if TYPE_CHECKING:
    from pathlib import Path

KNOWN: Final = "resnet50-tiny"
"""Where the digests of the first 4,000 pictures are."""

MOST: Final = 50_000
"""The number of images of the official data set."""


@dataclass(frozen=True)
class PicturesRecipe(GeneratedRecipe):
    """The first `count` validation pictures."""

    source: str = "generated from the UCI optical digits"

    title: ClassVar[str] = "resnet50-tiny pictures"
    samples: ClassVar[str] = "pictures to paint"
    most: ClassVar[int] = MOST
    known: ClassVar[str] = KNOWN
    listed: ClassVar[int] = 1
    made_of: ClassVar[tuple[str, ...]] = ("datasets/digit_pictures.py", "datasets/digit_painting.py", "data/digits.npz")
    packages: ClassVar[tuple[str, ...]] = ("numpy", "pillow")

    def generate(self, directory: Path) -> None:
        """Write the pictures."""
        from pytest_mlperf.datasets.digit_pictures import generate

        generate(directory, self.count)

    def made_here(self, index: int) -> bytes:
        """Return a picture as it is made here: encoders of JPEG may differ."""
        from pytest_mlperf.datasets.digit_pictures import jpeg, paint

        return jpeg(paint("validation", index).image)

"""The recipe of the scenes of digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from pytest_mlperf.datasets.generated import GeneratedRecipe

if TYPE_CHECKING:
    from pathlib import Path

KNOWN: Final = "retinanet-tiny"
"""Where the digests of the first 500 scenes are.

They are the same with every version of numpy and pillow that was tried (numpy 1.26 to 2.4, pillow 11.2.1 to 13.0).
"""

MOST: Final = 24_781
"""The number of images of the official data set: minutes to paint, and more than a gigabyte."""


@dataclass(frozen=True)
class ScenesRecipe(GeneratedRecipe):
    """The first `count` validation scenes."""

    source: str = "generated from the UCI optical digits"

    title: ClassVar[str] = "retinanet-tiny scenes"
    samples: ClassVar[str] = "scenes to paint"
    most: ClassVar[int] = MOST
    known: ClassVar[str] = KNOWN
    listed: ClassVar[int] = 1
    made_of: ClassVar[tuple[str, ...]] = ("datasets/digit_painting.py", "datasets/digit_scenes.py", "data/digits.npz")
    packages: ClassVar[tuple[str, ...]] = ("numpy", "pillow")

    def generate(self, directory: Path) -> None:
        """Write the scenes."""
        from pytest_mlperf.datasets.digit_scenes import generate

        generate(directory, "validation", self.count)

    def made_here(self, index: int) -> bytes:
        """Return a scene as it is made here: encoders of JPEG may differ."""
        from pytest_mlperf.datasets.digit_painting import render
        from pytest_mlperf.datasets.digit_scenes import jpeg

        return jpeg(render("validation", index).image)

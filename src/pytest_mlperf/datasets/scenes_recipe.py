"""The recipe of the scenes of digits. Separate from painting them, so that planning a run does not need numpy."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

MADE_OF: Final = ("datasets/digit_painting.py", "datasets/digit_scenes.py", "data/digits.npz")
"""The files of the package that determine the pixels and the boxes."""

MOST: Final = 24_781
"""The number of images of the official data set: minutes to paint, and more than a gigabyte."""


@dataclass(frozen=True)
class ScenesRecipe:
    """The first `count` validation scenes."""

    count: int
    kind: str = "dataset"
    source: str = "generated from the UCI optical digits"

    @property
    def name(self) -> str:
        """The name in the cache."""
        return f"retinanet-tiny scenes {self.count}"

    def key(self) -> dict[str, str | int]:
        """Return what determines the files: the generator, and the packages that draw, scale and encode."""
        package = files("pytest_mlperf")
        made_of = {name: sha256(package.joinpath(*name.split("/")).read_bytes()).hexdigest() for name in MADE_OF}
        packages = {name: version(name) for name in ("numpy", "pillow")}
        return {"split": "validation", "count": self.count, **packages, **made_of}

    def build(self, directory: Path) -> None:
        """Write the scenes.

        Raises
        ------
        DatasetError
            There are more than anybody would wait for.
        """
        if self.count > MOST:
            raise DatasetError(
                f"too many scenes to paint: {self.count:,}",
                expected=f"at most {MOST:,}",
                found=f"{self.count:,}",
                fix="use fewer with --dataset-size",
            )
        from pytest_mlperf.datasets.digit_scenes import generate

        generate(directory, "validation", self.count)

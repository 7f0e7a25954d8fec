"""How the cache makes the scenes of digits; apart from the painting, so that planning a run needs no numpy."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

GENERATOR: Final = 1
"""The version of `pytest_mlperf.datasets.digit_painting`; a change of any pixel is a new one."""

MOST: Final = 24_781
"""As many as the official data set has images: minutes to paint, and more than a gigabyte."""


@dataclass(frozen=True)
class ScenesRecipe:
    """The first `count` validation scenes."""

    count: int
    kind: str = "dataset"
    source: str = "generated from the UCI optical digits"

    @property
    def name(self) -> str:
        """What the cache calls it."""
        return f"retinanet-tiny scenes {self.count}"

    def key(self) -> dict[str, str | int]:
        """Return what determines the files: Pillow scales and encodes the pictures."""
        return {"generator": GENERATOR, "split": "validation", "count": self.count, "pillow": version("pillow")}

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
                f"expected: at most {MOST:,}; found: {self.count:,}",
                "ask for fewer with --dataset-size",
            )
        from pytest_mlperf.datasets.digit_scenes import generate

        generate(directory, "validation", self.count)

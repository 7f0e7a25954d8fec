"""How the cache makes the scenes of digits; apart from the painting, so that planning a run needs no numpy."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

GENERATOR: Final = 1
"""The version of `pytest_mlperf.datasets.digit_painting`; a change of any pixel is a new one."""


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
        """Write the scenes."""
        from pytest_mlperf.datasets.digit_scenes import generate

        generate(directory, "validation", self.count)

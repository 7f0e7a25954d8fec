"""The recipe of the generated volumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from pytest_mlperf.datasets.generated import GeneratedRecipe

if TYPE_CHECKING:
    from pathlib import Path

KNOWN: Final = "3d-unet-tiny"
"""Where the digests of the first 43 volumes are. They are the same with every version of numpy."""

MOST: Final = 4_300
"""Hundreds of times what is measured: minutes to make, and a gigabyte."""


@dataclass(frozen=True)
class PhantomRecipe(GeneratedRecipe):
    """The first `count` validation volumes."""

    title: ClassVar[str] = "3d-unet-tiny volumes"
    samples: ClassVar[str] = "volumes to make"
    most: ClassVar[int] = MOST
    known: ClassVar[str] = KNOWN
    made_of: ClassVar[tuple[str, ...]] = (
        "datasets/phantoms.py",
        "datasets/phantom_files.py",
        "datasets/nifti_writing.py",
    )

    def generate(self, directory: Path) -> None:
        """Write the volumes."""
        from pytest_mlperf.datasets.phantom_files import generate

        generate(directory, "validation", self.count)

"""The data sets for segmentation in volumes: KiTS19, and generated volumes in the same layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlperf.datasets import kits19_recipe
from pytest_mlperf.datasets.kits19_cases import INFERENCE_CASES, case_name
from pytest_mlperf.errors import AccuracyLogError
from pytest_mlperf.origin import Remote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlperf.datasets.base import Samples
    from pytest_mlperf.datasets.kits19_recipe import Kits19Files
    from pytest_mlperf.datasets.phantom_recipe import PhantomRecipe

#: Voxels that all volumes are resampled to, in millimetres: TARGET_SPACING of mlcommons/inference.
SPACING = (1.6, 1.2, 1.2)


@dataclass(frozen=True)
class CtVolumes:
    """Computed tomographies with kidneys (1) and tumours (2), in the layout of KiTS19.

    Attributes
    ----------
    window
        The side of the window that slides over a volume, in voxels; it moves by half of that.
    """

    name: str
    window: int
    size: int | None = None
    requirements: tuple[str, ...] = ("nibabel>=5.3", "scipy>=1.13")

    def cases(self, count: int) -> tuple[str, ...]:
        """Return the names of the first `count` cases, in the order of the sample indices."""
        return tuple(map(case_name, range(count)))

    def open(self, directory: Path, count: int, variant: str) -> Samples:
        """Open the first `count` volumes: ``input`` float32 ``[D, H, W]`` each, sides multiples of half a window."""
        from pytest_mlperf.datasets.kits19 import CtSamples

        del variant
        return CtSamples(directory, self.cases(count), self.window, SPACING)

    def truth(self, directory: Path, index: int) -> NDArray[np.uint8]:
        """Return the labels of a sample: uint8 ``[D, H, W]``, 0 to 2, as large as the volume that `open` gives."""
        from pytest_mlperf.datasets.kits19 import truth

        names = self.cases(index + 1)
        if len(names) <= index:
            raise AccuracyLogError(
                f"the log answers sample {index}",
                expected=f"one of the {len(names)} cases of {self.name}",
                found=str(index),
                fix="give the log of this benchmark, unchanged",
            )
        return truth(directory, names[index], self.window, SPACING)

    def used_files(self, directory: Path, count: int) -> Sequence[str]:
        """Return the names of the files of the first `count` cases: each one's volume, then its labels."""
        from pytest_mlperf.datasets.kits19 import used_files

        return used_files(directory, self.cases(count))


@dataclass(frozen=True)
class Kits19(CtVolumes):
    """The 42 patients of KiTS19 that MLPerf measures, one of them twice."""

    files: Kits19Files = kits19_recipe.OFFICIAL

    def cases(self, count: int) -> tuple[str, ...]:
        """Return the names of the first `count` cases of MLPerf."""
        return INFERENCE_CASES[:count]

    def source(self, count: int) -> Remote:
        """Return the download of the first `count` cases."""
        cases = self.cases(count)
        size_bytes = len(cases) * kits19_recipe.MEAN_CASE_BYTES
        return Remote(
            kits19_recipe.Kits19Recipe(cases, self.window, SPACING, self.files),
            "KiTS19, whose licence CC BY-NC-SA 4.0 forbids commercial use",
            f"{len(cases)} cases, about {size_bytes / 1e9:.1f} GB, and minutes of preprocessing",
            size_bytes,
            "--dataset-path DIR",
        )


@dataclass(frozen=True)
class PhantomVolumes(CtVolumes):
    """Generated volumes of an organ with a lesion."""

    def source(self, count: int) -> PhantomRecipe:
        """Return the recipe of at least `count` volumes."""
        from pytest_mlperf.datasets.phantom_recipe import PhantomRecipe

        return PhantomRecipe(max(count, self.size or 0))

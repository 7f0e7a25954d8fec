"""Generated volumes on disk, laid out as KiTS19; changes when that layout changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.datasets.kits19_cases import IMAGE, LABEL, case_name
from pytest_mlperf.datasets.nifti_writing import nifti_bytes
from pytest_mlperf.datasets.phantoms import Split, phantom

if TYPE_CHECKING:
    from pathlib import Path


def generate(directory: Path, split: Split, count: int) -> None:
    """Write the first `count` volumes of a split, and their labels: ``case_00000/imaging.nii``, ``segmentation.nii``.

    They are not compressed, because compressed bytes depend on the version of zlib.
    """
    for index in range(count):
        for name, content in files(split, index).items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def files(split: Split, index: int) -> dict[str, bytes]:
    """Return the names and the contents of a volume's two files, the image first."""
    made, folder = phantom(split, index), case_name(index)
    return {
        f"{folder}/{IMAGE}.nii": nifti_bytes(made.image, made.spacing),
        f"{folder}/{LABEL}.nii": nifti_bytes(made.labels, made.spacing),
    }

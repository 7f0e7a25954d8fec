from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlperf.artifacts.sources import Network
from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.benchmarks.unet3d import KITS19
from pytest_mlperf.datasets.kits19_cases import COPIES, LABEL
from pytest_mlperf.datasets.kits19_recipe import Kits19Recipe
from pytest_mlperf.datasets.nifti_writing import nifti_bytes
from pytest_mlperf.datasets.volumes import SPACING
from pytest_mlperf.errors import DatasetError
from tests.datasets.ct_volumes import volume

if TYPE_CHECKING:
    from pathlib import Path

SHAPE, VOXEL = (20, 60, 70), (3.0, 1.0, 1.0)
[(COPY, ORIGINAL)] = COPIES.items()


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """The files of three patients, where their publishers' addresses have them."""
    root = tmp_path / "mirror"
    image, labels = (gzip.compress(nifti_bytes(values, VOXEL), 1, mtime=0) for values in volume(SHAPE))
    for number in (0, 3, 185):
        place = root / "neheller" / "kits19" / "raw" / "master" / "data" / f"case_{number:05d}"
        place.mkdir(parents=True)
        (place / f"{LABEL}.nii.gz").write_bytes(labels)
        (root / f"master_{number:05d}.nii.gz").write_bytes(image)
    return root


def store(mirror: Path) -> Store:
    return Store(mirror.parent / "cache", network=Network(mirror=mirror))


def recipe(*cases: str) -> Kits19Recipe:
    return Kits19Recipe(cases, 128, SPACING)


def test_cases_are_fetched_and_preprocessed(mirror: Path) -> None:
    found = store(mirror).get(recipe("case_00000", "case_00003")).path
    opened = KITS19.open(found, 2, "")
    assert opened[0]["input"].shape == KITS19.truth(found, 1).shape == (128, 128, 128)
    assert KITS19.used_files(found, 1) == ["nifti/case_00000/imaging.nii", "nifti/case_00000/segmentation.nii"]


def test_the_case_that_is_a_copy_is_made_of_the_other_patient(mirror: Path) -> None:
    found = store(mirror).get(recipe(ORIGINAL, COPY)).path
    copies = [(found / "nifti" / name / "imaging.nii").read_bytes() for name in (ORIGINAL, COPY)]
    assert copies[0] == copies[1]


def test_more_cases_serve_fewer(mirror: Path) -> None:
    held = store(mirror).get(recipe("case_00000", "case_00003"))
    assert store(mirror).find(recipe("case_00000")) == held
    assert store(mirror).find(recipe("case_00003")) is None
    assert store(mirror).find(recipe("case_00000", "case_00003", "case_00005")) is None
    assert store(mirror).find(Kits19Recipe(("case_00000",), 64, SPACING)) is None


def test_what_is_no_volume_is_refused_and_fetched_again(mirror: Path) -> None:
    image = mirror / "master_00000.nii.gz"
    content = image.read_bytes()
    image.write_bytes(b"a page that asks for a password")
    with pytest.raises(DatasetError, match="cannot be read"):
        store(mirror).get(recipe("case_00000"))
    image.write_bytes(content)
    assert store(mirror).get(recipe("case_00000")).path.is_dir()


def test_a_volume_without_finite_values_is_refused(mirror: Path) -> None:
    values = np.full(SHAPE, np.nan, np.float32)
    (mirror / "master_00000.nii.gz").write_bytes(gzip.compress(nifti_bytes(values, VOXEL)))
    with pytest.raises(DatasetError, match="not finite"):
        store(mirror).get(recipe("case_00000"))


def test_the_download_says_what_it_is_and_what_its_licence_forbids() -> None:
    text = str(KITS19.source(43))
    assert "CC BY-NC-SA 4.0 forbids commercial use" in text
    assert "43 cases" in text
    assert "--dataset-path DIR" in text

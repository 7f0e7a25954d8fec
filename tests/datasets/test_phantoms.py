from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlperf.datasets.kits19_cases import case_name
from pytest_mlperf.datasets.known_files import known_files
from pytest_mlperf.datasets.phantom_files import files
from pytest_mlperf.datasets.phantom_recipe import KNOWN, MOST, PhantomRecipe
from pytest_mlperf.datasets.phantoms import LESION, ORGAN, phantom
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("index", [0, 7, 42])
def test_a_volume_has_the_bytes_that_the_reference_is_of(index: int) -> None:
    known = dict(known_files(KNOWN))
    for name, content in files("validation", index).items():
        assert hashlib.sha256(content).hexdigest() == known[name]


def test_the_known_files_are_the_samples_in_order() -> None:
    names = [name for name, _ in known_files(KNOWN)]
    stems = ("imaging", "segmentation")
    assert names == [f"{case_name(index)}/{stem}.nii" for index in range(43) for stem in stems]


def test_a_volume_looks_like_a_tomography() -> None:
    for index in range(6):
        made = phantom("validation", index)
        assert made.image.dtype == np.int16
        assert made.labels.dtype == np.uint8
        assert made.image.shape == made.labels.shape
        assert made.spacing[0] > made.spacing[1] == made.spacing[2]
        assert {ORGAN, LESION} <= set(np.unique(made.labels)) <= {0, ORGAN, LESION}
        organ = made.image[made.labels == ORGAN].mean()
        assert made.image[made.labels == LESION].mean() < organ
        assert 0.005 < (made.labels > 0).mean() < 0.3


def test_splits_have_no_volume_in_common() -> None:
    first = {split: phantom(split, 0).image.tobytes() for split in ("train", "validation", "calibration")}
    assert len(set(first.values())) == 3
    assert phantom("validation", 0).image.tobytes() == first["validation"]


def test_a_changed_file_is_known(tmp_path: Path) -> None:
    known = dict(known_files(KNOWN))
    recipe = PhantomRecipe(43)
    assert recipe.fault(tmp_path, known) is None
    name = "case_00004/segmentation.nii"
    assert recipe.fault(tmp_path, {**known, name: "0" * 64}) == f"{name} has SHA-256 {'0' * 64}, not {known[name]}"


def test_more_volumes_than_anybody_would_wait_for_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="too many volumes"):
        PhantomRecipe(MOST + 1).build(tmp_path)
    PhantomRecipe(1).build(tmp_path)
    assert sorted(path.name for path in (tmp_path / "case_00000").iterdir()) == ["imaging.nii", "segmentation.nii"]

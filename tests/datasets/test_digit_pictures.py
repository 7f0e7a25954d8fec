"""The pictures of digits are functions of split and index, and what the recipe says of them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlperf.benchmarks.resnet50 import TINY
from pytest_mlperf.datasets.data_content import data_content
from pytest_mlperf.datasets.digit_pictures import file_name, generate, jpeg, paint
from pytest_mlperf.datasets.digit_pictures_recipe import KNOWN, MOST, PicturesRecipe
from pytest_mlperf.datasets.imagenet import read_labels, used_files
from pytest_mlperf.datasets.known_files import known_files
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.datasets.digit_painting import Split

COUNT = 40
KNOWN_FILES = dict(known_files(KNOWN))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures")
    PicturesRecipe(COUNT).build(path)
    return path


@settings(max_examples=30, deadline=None)
@given(split=st.sampled_from(["train", "validation"]), index=st.integers(0, 10**7))
def test_a_picture_is_a_function_of_split_and_index(split: Split, index: int) -> None:
    one, other = paint(split, index), paint(split, index)
    assert np.array_equal(one.image, other.image)
    assert one.label == other.label
    height, width, channels = one.image.shape
    assert one.image.dtype == np.uint8
    assert channels == 3
    assert 40 <= min(height, width) <= 128
    assert max(height, width) <= 1.6 * min(height, width)
    assert 0 <= one.label < 20


def test_the_files_are_in_the_order_of_val_map(directory: Path) -> None:
    assert used_files(directory, COUNT) == ["val_map.txt", *map(file_name, range(COUNT))]
    assert read_labels(directory) == [paint("validation", index).label for index in range(COUNT)]
    assert (directory / file_name(3)).read_bytes() == jpeg(paint("validation", 3).image)


def test_threads_change_nothing(directory: Path, tmp_path: Path) -> None:
    generate(tmp_path, COUNT, workers=3)
    for name in used_files(directory, COUNT):
        assert (tmp_path / name).read_bytes() == (directory / name).read_bytes()


def test_training_and_validation_share_no_picture() -> None:
    assert not np.array_equal(paint("train", 0).image, paint("validation", 0).image)


def test_every_class_is_there_about_as_often_as_the_others() -> None:
    counts = np.bincount([paint("validation", index).label for index in range(400)], minlength=20)
    assert counts.min() >= 5
    assert counts.max() <= 50


def test_the_pictures_made_here_are_those_that_the_reference_is_of(directory: Path) -> None:
    for index in range(COUNT):
        name = file_name(index)
        assert hashlib.sha256((directory / name).read_bytes()).hexdigest() == KNOWN_FILES[name]
    assert list(KNOWN_FILES) == ["val_map.txt", *map(file_name, range(4000))]


def test_other_data_have_no_reference(directory: Path) -> None:
    """Forty pictures have another val_map.txt than the first forty of four thousand."""
    assert data_content(TINY.dataset, directory, COUNT).sha256 != TINY.reference_data(COUNT)
    assert TINY.reference_data(4001) == ""


def test_the_recipe_knows_what_cannot_be_its_content(tmp_path: Path) -> None:
    recipe = PicturesRecipe(4000)
    assert recipe.fault(tmp_path, KNOWN_FILES) is None
    wrong = recipe.fault(tmp_path, {**KNOWN_FILES, "val_map.txt": "0" * 64})
    assert wrong is not None
    assert wrong.startswith("val_map.txt has SHA-256 000")
    other = recipe.fault(tmp_path, {**KNOWN_FILES, file_name(7): "0" * 64})
    assert other is not None
    assert other.startswith(f"{file_name(7)} has SHA-256 000")
    assert PicturesRecipe(10).fault(tmp_path, {"val_map.txt": "0" * 64}) is None


def test_more_than_anybody_waits_for_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="too many pictures"):
        PicturesRecipe(MOST + 1).build(tmp_path)


def test_the_key_follows_the_count_and_the_painter() -> None:
    assert PicturesRecipe(4000).key() != PicturesRecipe(4001).key()
    assert "datasets/digit_pictures.py" in PicturesRecipe(4000).key()

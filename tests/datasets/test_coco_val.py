"""MLPerf's images are chosen by licence, in the file's order, from each layout that they come in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_mlperf.benchmarks.yolo import OFFICIAL_99
from pytest_mlperf.datasets.coco_val import coco_truth
from pytest_mlperf.datasets.data_content import data_content
from pytest_mlperf.datasets.letterboxed import CocoImages
from pytest_mlperf.datasets.licences import is_permitted
from pytest_mlperf.errors import DatasetError
from tests.official.yolo import OTHER, SIZES, annotation_file, file_name, write_dataset

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DATASET = OFFICIAL_99.dataset
NAMES = [file_name(number) for number in range(len(SIZES))]
ALL = "annotations/instances_val2017.json"


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "coco")


def reduce(directory: Path, name: str = ALL) -> None:
    """Write the annotations as create_safe_annotations.py does, and name the folder as it does."""
    content = annotation_file()
    content["images"] = [image for image in content["images"] if image["license"] != OTHER]
    (directory / ALL).unlink()
    (directory / name).write_text(json.dumps(content))
    (directory / "val2017").rename(directory / "val2017_safe")


def edit(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = annotation_file()
    change(content)
    (directory / ALL).write_text(json.dumps(content))


# The licences of instances_val2017.json, and whether filter_coco_safe_images.py takes them.
@pytest.mark.parametrize(
    ("address", "usable"),
    [
        ("http://creativecommons.org/licenses/by-nc-sa/2.0/", False),
        ("http://creativecommons.org/licenses/by-nc/2.0/", False),
        ("http://creativecommons.org/licenses/by-nc-nd/2.0/", False),
        ("http://creativecommons.org/licenses/by/2.0/", True),
        ("http://creativecommons.org/licenses/by-sa/2.0/", True),
        ("http://creativecommons.org/licenses/by-nd/2.0/", True),
        ("http://flickr.com/commons/usage/", True),
        ("http://www.usa.gov/copyright.shtml", True),
        ("", False),
    ],
)
def test_a_licence_permits_by_its_address(address: str, usable: bool) -> None:
    assert is_permitted(address) is usable
    assert is_permitted(address.upper()) is usable


def test_the_annotations_are_those_of_the_permitted_images_in_order(coco: Path) -> None:
    whole = coco_truth(coco)
    assert [image.file_name for image in whole.images] == NAMES
    assert set(whole.boxes.image_ids.tolist()) == {image.id for image in whole.images}
    reduce(coco)
    assert coco_truth(coco).images == whole.images


@pytest.mark.parametrize("name", [ALL, "annotations/instances_val2017_safe.json"])
def test_what_the_official_scripts_make_is_read_alike(coco: Path, name: str) -> None:
    before = DATASET.open(coco, len(SIZES), "")[1]
    reduce(coco, name)
    after = DATASET.open(coco, len(SIZES), "")[1]
    assert all(np.array_equal(before[key], after[key]) for key in ("images", "shape"))
    assert isinstance(DATASET, CocoImages)
    used = DATASET.used_files(coco, 2)
    assert used == [name, *(f"val2017_safe/{name}" for name in NAMES[:2])]
    assert len(data_content(DATASET, coco, 2).files) == 3


def test_a_sample_is_the_letterboxed_image_and_its_own_size(coco: Path) -> None:
    samples = DATASET.open(coco, 4, "")
    assert len(samples) == 4
    for index, (width, height) in enumerate(SIZES[:4]):
        assert samples[index]["images"].shape == (3, 640, 640)
        assert samples[index]["images"].dtype == np.float32
        assert samples[index]["shape"].tolist() == [height, width]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda file: file.pop("licenses"), r"does not state the licences of its images\n.*`licenses`"),
        (lambda file: file["images"][1].pop("license"), r"does not state the licences of its images\n.*`license`"),
        (lambda file: file["images"][1].update(license="4"), r"does not state the licences of its images"),
        (lambda file: file["licenses"].pop(), r"has no image that MLPerf may use\n.*found: 7 images"),
        (lambda file: [image.update(license=OTHER) for image in file["images"]], r"has no image that MLPerf may use"),
        (lambda file: file.update(images=[]), r"at least one image"),
        (lambda file: file["annotations"][0].update(bbox=[5000, 10, 5, 5]), r"every box inside its image"),
        (lambda file: file["images"][0].update(file_name="../a.jpg"), r"a file name below the directory"),
    ],
)
def test_annotations_that_do_not_tell_the_samples_are_refused(
    coco: Path, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    edit(coco, change)
    with pytest.raises(DatasetError, match=says):
        DATASET.open(coco, 2, "")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"images": 1}'])
def test_a_file_that_is_none_is_refused(coco: Path, content: bytes) -> None:
    (coco / ALL).write_bytes(content)
    with pytest.raises(DatasetError, match=r"instances_val2017\.json is invalid"):
        DATASET.open(coco, 2, "")


def test_a_box_a_little_outside_is_no_fault(coco: Path) -> None:
    edit(coco, lambda file: file["annotations"][0].update(bbox=[-5, -5, 20, 20]))
    assert len(DATASET.open(coco, 2, "")) == 2


def test_a_missing_image_is_an_error_before_the_test_because_it_would_shift_the_others(coco: Path) -> None:
    (coco / "val2017" / NAMES[1]).unlink()
    with pytest.raises(DatasetError, match=rf"1 of 3 images are missing .*\n.*{NAMES[1]}"):
        DATASET.open(coco, 3, "")
    assert len(DATASET.open(coco, 1, "")) == 1


def test_too_few_images_and_another_directory_are_told(coco: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"expected: 7; found: 6 in annotations/instances_val2017\.json"):
        DATASET.open(coco, 7, "")
    with pytest.raises(
        DatasetError, match=r"expected: annotations/instances_val2017\.json and val2017_safe/; found: no"
    ):
        DATASET.open(tmp_path, 1, "")
    (coco / "val2017").rename(coco / "elsewhere")
    with pytest.raises(DatasetError, match="cannot list the images in"):
        DATASET.open(coco, 1, "")

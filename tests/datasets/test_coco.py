"""An annotation file is read as it is, and one that a score could not be trusted with is refused."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlperf.datasets.coco import read_annotations
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GOOD: dict[str, Any] = {
    "info": {"version": "v6"},
    "images": [
        {"id": 9, "file_name": "b.jpg", "width": 640, "height": 480, "license": None, "coco_url": None},
        {"id": 4, "file_name": "part/a.jpg", "width": 32, "height": 24},
    ],
    "categories": [{"id": 0, "name": "Airplane", "supercategory": None}, {"id": 263, "name": "Zucchini"}],
    "annotations": [
        {"id": 7, "image_id": 9, "category_id": 263, "bbox": [1, 2, 3.5, 4], "area": 14, "iscrowd": 0},
        {"id": 1, "image_id": 4, "category_id": 0, "bbox": [0, 0, 32, 24], "area": 768.0, "iscrowd": 1},
        {"id": 2, "image_id": 4, "category_id": 0, "bbox": [-0.9, 0, 33, 0], "area": 0.0, "iscrowd": False},
    ],
}


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_a_good_file_is_read_in_its_own_order(tmp_path: Path) -> None:
    found = read_annotations(write(tmp_path / "good.json", GOOD))
    assert [(image.id, image.file_name, image.width, image.height) for image in found.images] == [
        (9, "b.jpg", 640, 480),
        (4, "part/a.jpg", 32, 24),
    ]
    assert found.category_ids == (0, 263)
    assert len(found.boxes) == 3
    assert found.boxes.ids.tolist() == [7, 1, 2]
    assert found.boxes.image_ids.tolist() == [9, 4, 4]
    assert found.boxes.category_ids.tolist() == [263, 0, 0]
    assert found.boxes.xywh.tolist() == [[1, 2, 3.5, 4], [0, 0, 32, 24], [-0.9, 0, 33, 0]]
    assert found.boxes.area.tolist() == [14, 768, 0]
    assert found.boxes.iscrowd.tolist() == [0, 1, 0]


def test_images_without_boxes_are_allowed(tmp_path: Path) -> None:
    found = read_annotations(write(tmp_path / "empty.json", {**GOOD, "annotations": []}))
    assert len(found.images) == 2
    assert len(found.boxes) == 0
    assert found.boxes.xywh.shape == (0, 4)


def edit(section: str, index: int, **values: object) -> Callable[[dict[str, Any]], None]:
    return lambda content: content[section][index].update(values)


def drop(section: str, key: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content[section][0].pop(key)


def drop_section(section: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.pop(section)


def empty(section: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content[section].clear()


NAN, INFINITY = float("nan"), float("inf")
FAULTS = {
    "no images": (empty("images"), "at least one image"),
    "no categories": (empty("categories"), "at least one category"),
    "repeated image id": (edit("images", 1, id=9), "every image id once; found: 9 2 times"),
    "repeated file name": (edit("images", 1, file_name="./b.jpg"), "every file name once; found: 'b.jpg'"),
    "repeated annotation id": (edit("annotations", 1, id=7), "every annotation id once; found: 7"),
    "repeated category id": (edit("categories", 1, id=0), "every category id once; found: 0"),
    "unknown image": (edit("annotations", 0, image_id=5), "annotation 7 of image 5"),
    "image beyond the last": (edit("annotations", 0, image_id=500), "of an image in the file"),
    "unknown category": (edit("annotations", 0, category_id=3), "of a category in the file"),
    "NaN in a box": (edit("annotations", 0, bbox=[1, NAN, 3, 4]), "JSON"),
    "Infinity in a box": (edit("annotations", 0, bbox=[1, 2, INFINITY, 4]), "JSON"),
    "NaN in iscrowd": (edit("annotations", 0, iscrowd=NAN), "JSON"),
    "NaN in area": (edit("annotations", 0, area=NAN), "JSON"),
    "iscrowd 2": (edit("annotations", 0, iscrowd=2), "iscrowd 0 or 1"),
    "iscrowd as text": (edit("annotations", 0, iscrowd="0"), r"annotations\[.+\]\.iscrowd"),
    "null box": (edit("annotations", 0, bbox=None), r"annotations\[.+\]\.bbox"),
    "box of three numbers": (edit("annotations", 0, bbox=[1, 2, 3]), "length 4"),
    "negative width": (edit("annotations", 0, bbox=[5, 2, -1, 4]), "width and height of 0 or more"),
    "negative height": (edit("annotations", 0, bbox=[5, 2, 1, -4]), "width and height of 0 or more"),
    "negative area": (edit("annotations", 0, area=-1), "area of 0 or more"),
    "box left of its image": (edit("annotations", 0, bbox=[-1.5, 0, 9, 9]), "inside its image"),
    "box right of its image": (edit("annotations", 1, bbox=[0, 0, 34, 24]), "inside its image"),
    "box below its image": (edit("annotations", 1, bbox=[0, 20, 4, 6]), "inside its image"),
    "width 0": (edit("images", 0, width=0), r"images\[.+\]\.width"),
    "negative height of an image": (edit("images", 0, height=-5), r"images\[.+\]\.height"),
    "width with a fraction": (edit("images", 0, width=10.5), r"images\[.+\]\.width"),
    "width as text": (edit("images", 0, width="640"), r"images\[.+\]\.width"),
    "id as text": (edit("images", 0, id="9"), r"images\[.+\]\.id"),
    "absolute file name": (edit("images", 0, file_name="/etc/passwd"), "'/etc/passwd'"),
    "file name that climbs": (edit("images", 0, file_name="a/../../b.jpg"), "below the directory"),
    "file name of a directory": (edit("images", 0, file_name="a/.."), "below the directory"),
    "empty file name": (edit("images", 0, file_name=""), "below the directory"),
    "file name with NUL": (edit("images", 0, file_name="a\0.jpg"), "below the directory"),
    **{f"no {key} of images": (drop("images", key), key) for key in ("id", "file_name", "width", "height")},
    **{f"no {key} of annotations": (drop("annotations", key), key) for key in GOOD["annotations"][0]},
    "no id of categories": (drop("categories", "id"), "id"),
    **{f"no {section}": (drop_section(section), section) for section in ("images", "annotations", "categories")},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_and_named(tmp_path: Path, fault: str) -> None:
    content = copy.deepcopy(GOOD)
    change, message = FAULTS[fault]
    change(content)
    with pytest.raises(DatasetError, match=message) as caught:
        read_annotations(write(tmp_path / "fault.json", content))
    assert "fault.json" in caught.value.what


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1e308"])
def test_numbers_too_large_for_a_box_are_refused(tmp_path: Path, number: str) -> None:
    path = tmp_path / "large.json"
    path.write_text(json.dumps(GOOD).replace("3.5", number))
    with pytest.raises(DatasetError, match=r"large\.json"):
        read_annotations(path)


def test_a_file_cut_off_at_any_byte_is_refused(tmp_path: Path) -> None:
    whole = json.dumps(GOOD)
    path = tmp_path / "cut.json"
    for kept in range(len(whole)):
        path.write_text(whole[:kept])
        with pytest.raises(DatasetError, match=r"cut\.json"):
            read_annotations(path)


@settings(max_examples=50, deadline=None)
@given(content=st.binary(max_size=200))
def test_no_bytes_make_a_traceback(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "any.json"
    path.write_bytes(content)
    with pytest.raises(DatasetError):
        read_annotations(path)


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_text('{"info": ' + "[" * 200_000)
    with pytest.raises(DatasetError):
        read_annotations(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none\.json cannot be read: No such file"):
        read_annotations(tmp_path / "none.json")

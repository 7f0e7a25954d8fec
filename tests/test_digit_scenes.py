from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from pytest_mlperf.datasets import digit_painting
from pytest_mlperf.datasets.digit_painting import CATEGORIES, Scene, Split, digits_of, render
from pytest_mlperf.datasets.digit_scenes import ANNOTATIONS, file_name, generate

COUNT = 120


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [render("validation", index) for index in range(COUNT)]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scenes")
    generate(path, "validation", 12, workers=2)
    return path


def annotated(directory: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((directory / ANNOTATIONS).read_text(encoding="utf-8"))
    return content


@settings(max_examples=8, deadline=None)
@given(split=st.sampled_from(["train", "validation"]), index=st.integers(0, 10**6))
def test_a_scene_is_a_function_of_split_and_index(split: Split, index: int) -> None:
    one, other = render(split, index), render(split, index)
    assert np.array_equal(one.image, other.image)
    assert one.objects == other.objects


@settings(max_examples=40, deadline=None)
@given(split=st.sampled_from(["train", "validation"]), index=st.integers(0, 10**6))
@example(split="train", index=349)
def test_sizes_boxes_and_classes_stay_within_their_limits(split: Split, index: int) -> None:
    scene = render(split, index)
    height, width, channels = scene.image.shape
    assert scene.image.dtype == np.uint8
    assert channels == 3
    assert min(height, width) >= digit_painting.SHORTEST_SIDE
    assert max(height, width) <= digit_painting.LONGEST_SIDE
    # The short side is rounded down to whole pixels after the aspect is chosen: 383 by 191.5.
    assert max(height, width) <= 2 * min(height, width) + 1
    for item in scene.objects:
        left, top, box_width, box_height = item.box
        assert 0 <= left < left + box_width <= width
        assert 0 <= top < top + box_height <= height
        assert 0 <= item.category < len(CATEGORIES)


def test_splits_differ() -> None:
    assert not np.array_equal(render("train", 0).image, render("validation", 0).image)


def test_splits_share_no_digit() -> None:
    (train, _), (validation, labels) = digits_of("train"), digits_of("validation")
    assert len(train) + len(validation) == 1797
    assert not {image.tobytes() for image in train} & {image.tobytes() for image in validation}
    assert set(labels.tolist()) == set(range(10))


def test_boxes_are_tight_on_the_ink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paint plain red digits on black, and look where red begins and ends."""
    canvas = np.zeros((200, 300, 3), np.float32)
    monkeypatch.setattr(digit_painting, "_ink_colour", lambda rng, ink: np.array([200, 0, 0], np.float32))
    monkeypatch.setattr(digit_painting, "_grain", lambda rng, h, w: np.ones((h, w), np.float32))
    painter = digit_painting._Painter(np.random.default_rng(0), canvas, digits_of("train"))
    for number in range(20):
        canvas[:] = 0
        painter.objects.clear()
        (painter.paint_crowd if number % 2 else painter.paint_digit)()
        (item,) = painter.objects
        ink = canvas[..., 0] >= 200 * digit_painting.INK_EDGE
        rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
        left, top, width, height = item.box
        assert (left, left + width - 1) == (columns[0], columns[-1])
        assert (top, top + height - 1) == (rows[0], rows[-1])
        assert item.crowd == bool(number % 2)


def test_exchanging_red_and_blue_turns_warm_ink_into_cold() -> None:
    warm = digit_painting._ink_colour(np.random.default_rng(3), 0)
    cold = digit_painting._ink_colour(np.random.default_rng(3), 1)
    assert np.array_equal(warm[::-1], cold)
    assert warm[0] > warm[2]


def test_the_set_has_what_makes_it_hard(scenes: list[Scene]) -> None:
    objects = [item for scene in scenes for item in scene.objects]
    shares = {
        "empty": sum(not scene.objects for scene in scenes) / COUNT,
        "crowded": sum(any(item.crowd for item in scene.objects) for scene in scenes) / COUNT,
    }
    assert 0.01 <= shares["empty"] <= 0.12, shares
    assert 0.02 <= shares["crowded"] <= 0.15, shares
    assert {item.category for item in objects} == set(range(20))
    assert len({scene.image.shape for scene in scenes}) > COUNT * 0.9
    relative = [
        item.box[3] / float(np.sqrt(scene.image.shape[0] * scene.image.shape[1]))
        for scene in scenes
        for item in scene.objects
        if not item.crowd
    ]
    assert min(relative) < 0.08
    assert max(relative) > 0.3
    aspects = [scene.image.shape[1] / scene.image.shape[0] for scene in scenes]
    assert min(aspects) < 0.6
    assert max(aspects) > 1.7


def test_the_layout_is_that_of_openimages(directory: Path) -> None:
    content = annotated(directory)
    assert [image["id"] for image in content["images"]] == list(range(1, 13))
    assert [image["file_name"] for image in content["images"]] == [file_name(index) for index in range(12)]
    assert [(c["id"], c["name"]) for c in content["categories"]] == list(enumerate(CATEGORIES))
    assert [a["id"] for a in content["annotations"]] == list(range(1, len(content["annotations"]) + 1))
    for index, image in enumerate(content["images"]):
        with Image.open(directory / "validation" / "data" / image["file_name"]) as picture:
            assert picture.format == "JPEG"
            assert picture.size == (image["width"], image["height"])
        boxes = [a["bbox"] for a in content["annotations"] if a["image_id"] == image["id"]]
        assert boxes == [list(item.box) for item in render("validation", index).objects]


def test_a_larger_set_begins_like_a_smaller_one(directory: Path, tmp_path: Path) -> None:
    generate(tmp_path, "validation", 5, workers=1)
    small, large = annotated(tmp_path), annotated(directory)
    assert small["images"] == large["images"][:5]
    assert small["annotations"] == large["annotations"][: len(small["annotations"])]
    for image in small["images"]:
        relative = Path("validation", "data", image["file_name"])
        assert (tmp_path / relative).read_bytes() == (directory / relative).read_bytes()


def test_generation_can_start_at_any_scene(directory: Path, tmp_path: Path) -> None:
    generate(tmp_path, "validation", 2, first=3)
    names = sorted(path.name for path in (tmp_path / "validation" / "data").iterdir())
    assert names == [file_name(3), file_name(4)]
    relative = Path("validation", "data", file_name(4))
    assert (tmp_path / relative).read_bytes() == (directory / relative).read_bytes()

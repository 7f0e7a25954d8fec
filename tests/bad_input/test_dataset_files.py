"""A data set that cannot be trusted is one failed item that names the file; an unusual image is none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from PIL import Image

from pytest_mlperf.datasets.images import preprocess_stretch
from pytest_mlperf.datasets.layout import ANNOTATIONS, IMAGES
from pytest_mlperf.datasets.openimages import OpenImagesSamples
from pytest_mlperf.errors import DatasetError
from pytest_mlperf.metrics.accuracy_log import float32_rows, read_records

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.bad_input.conftest import Tiny

Edit = Callable[[dict[str, Any]], object]
FOURTH = "scene-000003.jpg"


def edit(scenes: Path, change: Edit) -> None:
    """Change the annotation file's content."""
    content = json.loads((scenes / ANNOTATIONS).read_text())
    change(content)
    (scenes / ANNOTATIONS).write_text(json.dumps(content))


# The annotation file; every other fault in it is in tests/datasets/test_coco.py.


def test_a_file_that_is_cut_off(tiny: Tiny, scenes: Path) -> None:
    whole = (scenes / ANNOTATIONS).read_bytes()
    (scenes / ANNOTATIONS).write_bytes(whole[: len(whole) // 2])
    tiny.refuses(tiny.run(dataset=scenes), str(scenes / ANNOTATIONS), "Input data was truncated", "fetch")
    assert tiny.logs() == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda file: file["annotations"][3].update(bbox=[float("nan"), 1, 2, 3]), "JSON is malformed"),
        (lambda file: file["images"][1].update(id=file["images"][0]["id"]), "every image id once; found: 1 2 times"),
        (lambda file: file["annotations"][0].update(bbox=[5000, 10, 5, 5]), "every box inside its image"),
    ],
    ids=["NaN", "repeated id", "box outside"],
)
def test_annotations_that_no_score_can_be_computed_from(tiny: Tiny, scenes: Path, change: Edit, says: str) -> None:
    edit(scenes, change)
    tiny.refuses(tiny.run(dataset=scenes), str(scenes / ANNOTATIONS), says, "fetch the annotation file again")
    assert tiny.logs() == []


@pytest.mark.slow
def test_no_annotation_file(tiny: Tiny, scenes: Path) -> None:
    (scenes / ANNOTATIONS).unlink()
    tiny.refuses(tiny.run(dataset=scenes), str(scenes), f"found: no {ANNOTATIONS}", "--dataset-path")
    assert tiny.logs() == []


@pytest.mark.slow
@pytest.mark.parametrize("there", ["nothing", "a file"])
def test_no_directory(tiny: Tiny, tmp_path: Path, there: str) -> None:
    if there == "a file":
        (tmp_path / "data").touch()
    says = f"expected: the directory of a data set; found: {there}"
    tiny.refuses(tiny.run(dataset=tmp_path / "data"), str(tmp_path / "data"), says, "--dataset-path")


@pytest.mark.slow
def test_fewer_images_than_asked_for(tiny: Tiny) -> None:
    session = tiny.run("--dataset-size", "9")
    tiny.refuses(session, "too few images", "expected: 9; found: 8", "at most 8 with --dataset-size")
    assert tiny.logs() == []


@pytest.mark.slow
@pytest.mark.parametrize(("options", "asked"), [((), "500"), (("--dataset-size", "24782"), "24,782")])
def test_fewer_images_than_the_official_edition_uses(
    tiny: Tiny, tmp_path: Path, options: tuple[str, ...], asked: str
) -> None:
    (tmp_path / "model.onnx").write_bytes(b"is looked at after the data set")
    session = tiny.benchmarks(
        *("--model", "retinanet", "--backend", "onnxruntime", "--scenario", "Offline", "--mode", "accuracy"),
        *("--model-path", str(tmp_path / "model.onnx"), "--dataset-path", str(tiny.scenes)),
        *("--mlperf-json", str(tiny.report), "--mlperf-output", str(tiny.output), *options),
    )
    tiny.refuses(session, "too few images", f"expected: {asked}; found: 8", "at most 8 with --dataset-size")


# An image file.


def link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("nothing.jpg")


@pytest.mark.slow
@pytest.mark.parametrize("remove", [Path.unlink, link_to_nothing])
def test_a_missing_image_ends_the_run_before_the_test(tiny: Tiny, scenes: Path, remove: Callable[[Path], None]) -> None:
    remove(scenes / IMAGES / FOURTH)
    tiny.refuses(tiny.run(dataset=scenes), "1 of 8 images are missing", f"the first: {FOURTH}", "fetch")
    assert tiny.logs() == []


def test_an_image_in_a_folder_is_found_there_and_nowhere_else(scenes: Path) -> None:

    def exchange(file: dict[str, Any]) -> None:
        first, fourth = file["images"][0], file["images"][3]
        for here, there, folder in ((first, dict(fourth), "folder/"), (fourth, dict(first), "")):
            here.update(there, id=here["id"], file_name=f"{folder}{there['file_name']}")
        file["annotations"].clear()

    edit(scenes, exchange)
    with pytest.raises(DatasetError, match=f"1 of 8 images are missing[^$]*the first: folder/{FOURTH}"):
        OpenImagesSamples(scenes, 8, 192, "images")
    (scenes / IMAGES / "folder").mkdir()
    shutil.move(scenes / IMAGES / FOURTH, scenes / IMAGES / "folder" / FOURTH)
    assert OpenImagesSamples(scenes, 8, 192, "images")[0]["images"].shape == (3, 192, 192)


@pytest.mark.slow
def test_an_image_of_another_size_than_the_annotated_one_is_a_failed_item(tiny: Tiny, scenes: Path) -> None:
    path = scenes / IMAGES / FOURTH
    with Image.open(path) as image:
        width, height = image.size
        image.resize((width - 1, height)).save(path)
    tiny.refuses(
        tiny.run(dataset=scenes),
        f"image {path} does not have its annotated size",
        f"expected: {width}x{height} pixels; found: {width - 1}x{height} pixels",
        "replace it with the file",
    )


def text(whole: bytes) -> bytes:
    return b"<html>404 Not Found</html>"


def empty(whole: bytes) -> bytes:
    return b""


def cut_off(whole: bytes) -> bytes:
    return whole[:-3000]


@pytest.mark.slow
@pytest.mark.parametrize("damage", [text, empty, cut_off])
def test_a_broken_image_is_one_failed_item_that_names_it(
    tiny: Tiny, scenes: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = scenes / IMAGES / FOURTH
    path.write_bytes(damage(path.read_bytes()))
    tiny.refuses(
        tiny.run(dataset=scenes),
        f"image {path} cannot be read",
        f"expected: a complete image file; found: {path.stat().st_size:,} bytes",
        "replace it with the file",
    )


# Unusual images. How each decodes is in tests/datasets/test_images.py.


def gray(picture: Image.Image, path: Path) -> None:
    picture.convert("L").save(path.with_suffix(".jpg"), quality=95)


def palette(picture: Image.Image, path: Path) -> None:
    picture.quantize(256).save(path.with_suffix(".png"))


def transparent(picture: Image.Image, path: Path) -> None:
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    picture.save(path.with_suffix(".png"))


def sixteen_bit(picture: Image.Image, path: Path) -> None:
    deep = np.asarray(picture.convert("L"), np.uint16) * 256 + 17  # with three channels Pillow itself makes it 8
    assert cv2.imwrite(str(path.with_suffix(".png")), deep)


def turned(picture: Image.Image, path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.transpose(Image.Transpose.ROTATE_90).save(path.with_suffix(".jpg"), exif=exif, quality=95)


def one_pixel(picture: Image.Image, path: Path) -> None:
    picture.resize((1, 1)).save(path.with_suffix(".jpg"))


def cmyk(picture: Image.Image, path: Path) -> None:
    picture.convert("CMYK").save(path.with_suffix(".jpg"), quality=95)


UNUSUAL = (gray, palette, transparent, sixteen_bit, turned, one_pixel, cmyk)


def read(path: Path) -> NDArray[np.uint8]:
    """Decode as the reference implementation does."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image, np.uint8)


@pytest.fixture
def unusual(scenes: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Make every image but the first unusual; beside it, the same pictures in files that hold just their pixels."""
    plain = tmp_path / "plain"
    folder = scenes / IMAGES
    (plain / IMAGES).mkdir(parents=True)
    (plain / ANNOTATIONS).parent.mkdir()
    for index, make in enumerate(UNUSUAL, start=1):
        path = folder / f"scene-{index:06d}.jpg"
        picture = Image.open(path).convert("RGB")
        path.unlink()
        make(picture, path)

    def rename(file: dict[str, Any]) -> None:
        for image, path in zip(file["images"], sorted(folder.iterdir()), strict=True):
            height, width, _ = read(path).shape
            image.update(file_name=path.name, width=width, height=height)
        [tiny] = [image["id"] for image in file["images"] if image["width"] == 1]
        file["annotations"] = [box for box in file["annotations"] if box["image_id"] != tiny]

    edit(scenes, rename)
    shutil.copy(scenes / ANNOTATIONS, plain / ANNOTATIONS)
    edit(plain, lambda file: [image.update(file_name=f"{image['file_name'][:-4]}.png") for image in file["images"]])
    for path in folder.iterdir():
        assert cv2.imwrite(str(plain / IMAGES / f"{path.stem}.png"), read(path))
    return scenes, plain


@pytest.mark.slow
def test_a_run_over_unusual_images_finds_what_it_finds_in_their_pixels(tiny: Tiny, unusual: tuple[Path, Path]) -> None:
    found = []
    for dataset in unusual:
        session = tiny.run(dataset=dataset)  # without colours, mAP may well miss its target
        [result] = tiny.results()
        assert result["accuracy"]["samples"] == 8, session.output
        found.append(float32_rows(read_records(Path(result["output"]) / "mlperf_log_accuracy.json"), columns=7))
    strange, plain = found
    rows = {index: name.__name__ for index, name in enumerate(UNUSUAL, start=1)}
    for index in range(8):
        ours, theirs = (log.values[log.values[:, 0] == index] for log in found)
        if rows.get(index) != "cmyk":  # which OpenCV converts to within a level
            assert np.array_equal(ours, theirs), rows.get(index)
        else:
            sure = [log[log[:, 5] > 0.5] for log in (ours, theirs)]
            assert len(sure[0]) > 0
            assert np.allclose(sure[0], sure[1], atol=0.02)
    assert len(strange.values) == pytest.approx(len(plain.values), abs=2)


@pytest.mark.parametrize("mode", ["RGB", "L", "LA", "P", "1", "CMYK"])
def test_a_single_pixel_fills_the_square_with_its_colour(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("pixel.tiff" if mode == "CMYK" else "pixel.png")
    Image.new("RGB", (1, 1), (255, 255, 255)).convert(mode).save(path)
    assert (preprocess_stretch(path, 192) == 1).all()

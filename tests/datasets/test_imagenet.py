"""ImageNet's layout: the order of val_map.txt and of class folders, and that no fault shifts the samples."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from PIL import Image

from pytest_mlperf.benchmarks.resnet50 import OFFICIAL
from pytest_mlperf.datasets.data_content import data_content
from pytest_mlperf.datasets.imagenet import ImageNetSamples, read_labels, used_files
from pytest_mlperf.datasets.imagenet_layout import read_images
from pytest_mlperf.datasets.imagenet_preprocessing import vgg
from pytest_mlperf.errors import DatasetError
from tests.datasets.formula_images import smooth

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, 5)]
SIZES = [(60, 80), (80, 60), (50, 50), (30, 90)]
LABELS = [65, 970, 0, 999]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, size in zip(NAMES, SIZES, strict=True):
        Image.fromarray(smooth(*size)).save(tmp_path / name, "JPEG")
    (tmp_path / "val_map.txt").write_text(
        "".join(f"{name} {label}\n" for name, label in zip(NAMES, LABELS, strict=True))
    )
    return tmp_path


def samples(directory: Path, count: int = 4) -> ImageNetSamples:
    return ImageNetSamples(directory, count, 48, "image", "")


def test_the_line_is_the_sample(directory: Path) -> None:
    found = samples(directory)
    assert len(found) == 4
    for index, name in enumerate(NAMES):
        with Image.open(directory / name) as image:
            assert np.array_equal(found[index]["image"], vgg(np.asarray(image), 48))
    assert read_labels(directory) == LABELS
    assert used_files(directory, 2) == ["val_map.txt", *NAMES[:2]]
    assert len(samples(directory, 3)) == 3


@pytest.mark.parametrize("line", ["{} \t {}\r\n", "  {} {}\n", "{}\t{}\n"])
def test_any_white_space_separates_the_columns(directory: Path, line: str) -> None:
    text = "".join(line.format(name, number) for number, name in enumerate(NAMES))
    (directory / "val_map.txt").write_bytes(text.encode())
    assert read_labels(directory) == [0, 1, 2, 3]


def test_images_may_lie_in_folders_that_val_map_names(directory: Path) -> None:
    (directory / "val").mkdir()
    (directory / NAMES[1]).rename(directory / "val" / NAMES[1])
    (directory / "val_map.txt").write_text(f"{NAMES[0]} 1\nval/{NAMES[1]} 2\n")
    assert used_files(directory, 2) == ["val_map.txt", NAMES[0], f"val/{NAMES[1]}"]
    assert len(samples(directory, 2)) == 2


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (NAMES[1], "1 columns"),
        (f"{NAMES[1]} 5 6", "3 columns"),
        ("", "0 columns"),
        (f"{NAMES[1]} cat", "'cat'"),
        (f"{NAMES[1]} 1000", "'1000'"),
        (f"{NAMES[1]} -1", "'-1'"),
        (f"{NAMES[1]} 1.0", "'1.0'"),
        (f"{NAMES[1]} ٣", "'٣'"),
        (f"{NAMES[1]} {'9' * 5000}", "'999"),
        ("a\0/b.JPEG 3", "b.JPEG"),
        (f"{NAMES[0]} 970", "which line 1 has, too"),
        ("/etc/passwd 3", "'/etc/passwd'"),
        ("../x.JPEG 3", "'../x.JPEG'"),
    ],
)
def test_a_line_that_the_reference_would_drop_is_an_error(directory: Path, line: str, says: str) -> None:
    (directory / "val_map.txt").write_text(f"{NAMES[0]} 65\n{line}\n{NAMES[2]} 0\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"val_map.txt, line 2 cannot be used") as error:
        samples(directory, 3)
    assert says in error.value.found
    assert error.value.fix
    with pytest.raises(DatasetError, match="line 2"):
        read_labels(directory)


def test_a_missing_image_is_an_error_before_the_test(directory: Path) -> None:
    (directory / NAMES[2]).unlink()
    with pytest.raises(DatasetError, match="1 of 4 images are missing") as error:
        samples(directory)
    assert NAMES[2] in error.value.found
    assert "val_map.txt" in error.value.fix
    (directory / NAMES[2]).symlink_to("nowhere")
    with pytest.raises(DatasetError, match="1 of 4 images are missing"):
        samples(directory)
    assert len(samples(directory, 2)) == 2  # those that are used are there
    (directory / NAMES[2]).unlink()
    (directory / NAMES[2]).mkdir()
    with pytest.raises(DatasetError, match="1 of 4 images are missing"):
        samples(directory)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"not an image at all"])
def test_an_unreadable_image_fails_when_it_is_loaded_and_is_named(directory: Path, content: bytes) -> None:
    (directory / NAMES[1]).write_bytes(content)
    found = samples(directory)
    assert found[0]["image"].shape == (3, 48, 48)
    with pytest.raises(DatasetError, match=f"{NAMES[1]} cannot be read"):
        found[1]


def test_a_truncated_image_is_not_filled_with_grey(directory: Path) -> None:
    path = directory / NAMES[1]
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DatasetError, match=f"{NAMES[1]} cannot be read"):
        samples(directory)[1]


def test_only_a_line_feed_ends_a_line(directory: Path) -> None:
    """As in the reference: what else Python calls the end of a line is white space between columns."""
    (directory / "val_map.txt").write_text(f"{NAMES[0]}\u2028 1\n{NAMES[1]}\x0c2\n", encoding="utf-8")
    assert read_labels(directory) == [1, 2]


def test_a_name_that_no_disk_can_have_is_a_missing_image(directory: Path) -> None:
    (directory / "val_map.txt").write_text(f"{'x' * 400}.JPEG 1\n{NAMES[0]}/{NAMES[1]} 2\n")
    with pytest.raises(DatasetError):
        samples(directory, 2)
    with pytest.raises(DatasetError, match="1 of 1 images are missing"):
        samples(directory, 1)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe\x00"])
def test_an_empty_or_binary_val_map_is_an_error(directory: Path, content: bytes) -> None:
    (directory / "val_map.txt").write_bytes(content)
    with pytest.raises(DatasetError, match=r"val_map.txt"):
        samples(directory)


def test_a_val_map_that_is_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "val_map.txt").mkdir()
    with pytest.raises(DatasetError, match="cannot be read"):
        samples(tmp_path)


@pytest.mark.parametrize("made", ["nothing", "a file", "empty"])
def test_a_directory_without_the_layout_says_what_is_wanted(tmp_path: Path, made: str) -> None:
    directory = tmp_path / "data"
    if made == "a file":
        directory.write_text("")
    elif made == "empty":
        directory.mkdir()
    with pytest.raises(DatasetError) as error:
        samples(directory)
    assert "val_map.txt" in str(error.value)
    assert "--dataset-path" in error.value.fix


def test_too_few_images_are_counted(directory: Path) -> None:
    with pytest.raises(DatasetError, match="too few images") as error:
        samples(directory, 5)
    assert (error.value.expected, error.value.found) == ("5", "4")


def test_class_folders_are_labels_and_bare_names_the_order(directory: Path) -> None:
    (directory / "val_map.txt").unlink()
    folders = {"n02000000": [NAMES[3], NAMES[0]], "n01000000": [NAMES[2]], "n03000000": [NAMES[1]]}
    for folder, names in folders.items():
        (directory / folder).mkdir()
        for name in names:
            (directory / name).rename(directory / folder / name)
    (directory / ".cache").mkdir()
    images = read_images(directory)
    assert [image.label for image in images] == [1, 2, 0, 1]
    assert [image.name.rpartition("/")[2] for image in images] == NAMES
    assert used_files(directory, 2) == [f"n02000000/{NAMES[0]}", f"n03000000/{NAMES[1]}"]
    assert samples(directory)[3]["image"].shape == (3, 48, 48)
    assert data_content(OFFICIAL.dataset, directory, 4).sha256


def test_folders_without_images_or_too_many_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "n0").mkdir()
    with pytest.raises(DatasetError, match="has no images"):
        samples(tmp_path)
    monkeypatch.setattr("pytest_mlperf.datasets.imagenet_layout.MOST_CLASSES", 3)
    for number in range(4):
        (tmp_path / f"n{number}").mkdir(exist_ok=True)
    with pytest.raises(DatasetError, match="too many folders"):
        samples(tmp_path)


def test_a_directory_that_nobody_may_list_is_an_error(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may list everything")
    tmp_path.chmod(0)
    try:
        with pytest.raises(DatasetError):
            samples(tmp_path)
    finally:
        tmp_path.chmod(0o700)


def encoded(mode: str, kind: str, **options: object) -> bytes:
    pixels = smooth(60, 80)
    image = (
        Image.fromarray(pixels).convert(mode) if mode != "I;16" else Image.fromarray(pixels[..., 0].astype("u2") * 257)
    )
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded("RGB", "JPEG", exif=exif)


@pytest.mark.parametrize(
    "content",
    [
        encoded("CMYK", "JPEG"),
        encoded("L", "JPEG"),
        encoded("RGBA", "PNG"),
        encoded("P", "PNG"),
        encoded("I;16", "PNG"),
        turned(),
    ],
    ids=["CMYK", "grey", "four channels", "palette", "16 bits", "turned by EXIF"],
)
def test_an_unusual_image_is_read_as_opencv_reads_it(directory: Path, content: bytes) -> None:
    """ImageNet has CMYK and grey images, and a PNG among its JPEG files."""
    (directory / NAMES[0]).write_bytes(content)
    image = cv2.cvtColor(cv2.imread(str(directory / NAMES[0])), cv2.COLOR_BGR2RGB)
    expected = vgg(np.asarray(image, np.uint8), 48)
    assert np.array_equal(samples(directory)[0]["image"], expected)

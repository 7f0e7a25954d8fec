"""Decoding and resizing agree with OpenCV, and no broken file passes for an image."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from pytest_mlperf.datasets.images import load_image, preprocess_stretch, resize_bilinear
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


def tolerance() -> float:
    """Grey levels, by what this OpenCV is: with Intel IPP its sample positions are doubles, else singles."""
    stripes = np.broadcast_to((np.arange(1024) % 2 * 255).reshape(1, -1, 1), (768, 1024, 3))
    position = (np.arange(800) + 0.5) * 1.28 - 0.5
    exact = np.interp(position, np.arange(1024), stripes[0, :, 0])
    found = cv2.resize(stripes.astype(np.float32), (800, 800), interpolation=cv2.INTER_LINEAR)
    return 0.001 if np.abs(found[400, :, 0] - exact).max() < 0.001 else 0.05


LEVELS = tolerance()


def photo(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth shapes with a little noise: what JPEG and real data sets hold."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (height // 24 + 2, width // 24 + 2, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float64)
    noisy: NDArray[np.uint8] = np.clip(smooth + random.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)
    return noisy


def by_opencv(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float32]:
    resized = cv2.resize(image.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.float32).reshape(height, width, 3)


def read_by_opencv(path: Path) -> NDArray[np.uint8]:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image[:, :, ::-1], np.uint8)


@settings(max_examples=150, deadline=None)
@given(
    source=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    target=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    seed=st.integers(0, 2**32),
)
def test_resize_equals_opencv_for_any_size(source: tuple[int, int], target: tuple[int, int], seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (*source, 3), dtype=np.uint8)
    assert np.abs(resize_bilinear(image, *target) - by_opencv(image, *target)).max() <= LEVELS


@pytest.mark.parametrize(
    "size",
    [
        (1, 1),
        (1, 700),
        (700, 1),
        (333, 517),
        (683, 1024),
        (768, 1024),
        (1024, 683),
        (800, 800),
        (1600, 1600),
        (2400, 3200),
        (1999, 2001),
        (5, 4000),
    ],
)
def test_resize_to_800_equals_opencv_even_on_noise(size: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert np.abs(resize_bilinear(image, 800, 800) - by_opencv(image, 800, 800)).max() <= LEVELS


def test_resize_does_not_smooth_before_a_reduction() -> None:
    image = np.zeros((90, 90, 3), np.uint8)
    image[::3] = 255  # rows 0, 3, 6 ...; a threefold reduction samples exactly rows 1, 4, 7 ...
    assert not resize_bilinear(image, 30, 30).any()


def test_same_size_leaves_every_pixel_as_it_is() -> None:
    image = photo(37, 53)
    assert np.array_equal(resize_bilinear(image, 37, 53), image.astype(np.float32))


def test_preprocessing_is_the_reference_s_with_opencv(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    Image.fromarray(photo(683, 1024)).save(path, quality=90)
    image = read_by_opencv(path).astype(np.float32)
    expected = (cv2.resize(image, (800, 800), interpolation=cv2.INTER_LINEAR) / 255.0).transpose(2, 0, 1)
    found = preprocess_stretch(path, 800)
    assert found.shape == (3, 800, 800)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert np.abs(found - expected).max() * 255 <= LEVELS


def test_preprocessing_writes_into_the_array_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(photo(60, 80)).save(path)
    batch = np.full((2, 3, 64, 64), -1, np.float32)
    assert preprocess_stretch(path, 64, out=batch[1]).base is batch
    assert np.array_equal(batch[1], preprocess_stretch(path, 64))
    assert (batch[0] == -1).all()
    with pytest.raises(ValueError, match="out must be"):
        preprocess_stretch(path, 32, out=batch[1])


def test_threads_get_the_same_arrays_as_one_thread(tmp_path: Path) -> None:
    paths = [tmp_path / f"{index}.png" for index in range(8)]
    for index, path in enumerate(paths):
        Image.fromarray(photo(61 + index, 47, index)).save(path)
    alone = [preprocess_stretch(path, 50) for path in paths]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda path: preprocess_stretch(path, 50), paths * 4))
    assert all(np.array_equal(found, alone[index % 8]) for index, found in enumerate(together))


@pytest.mark.parametrize("orientation", range(10))  # 0 and 9 do not exist and turn nothing
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_exif_orientation_is_applied_as_opencv_does(tmp_path: Path, orientation: int, suffix: str) -> None:
    path = tmp_path / f"turned.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(photo(40, 64)).save(path, exif=exif)
    assert np.array_equal(load_image(path), read_by_opencv(path))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_damaged_exif_block_turns_nothing(tmp_path: Path) -> None:
    path = tmp_path / "damaged.jpg"
    Image.fromarray(photo(40, 64)).save(path, exif=b"Exif\x00\x00MM\x00*\x00\x00\xff\xff\x01\x02")
    assert np.array_equal(load_image(path), read_by_opencv(path))


def test_orientation_in_xmp_is_ignored_as_opencv_ignores_it(tmp_path: Path) -> None:
    path = tmp_path / "xmp.jpg"
    packet = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'
    xmp = b"http://ns.adobe.com/xap/1.0/\0" + packet
    whole = jpeg()
    path.write_bytes(whole[:2] + b"\xff\xe1" + (len(xmp) + 2).to_bytes(2, "big") + xmp + whole[2:])
    with Image.open(path) as image:
        assert image.info["xmp"] == packet  # which newer Pillow turns images by
    assert np.array_equal(load_image(path), read_by_opencv(path))


def _gray(image: Image.Image) -> Image.Image:
    return image.convert("L")


def _palette(image: Image.Image) -> Image.Image:
    return image.quantize(64)


def _bilevel(image: Image.Image) -> Image.Image:
    return image.convert("1")


def _alpha(image: Image.Image) -> Image.Image:
    ramp = np.linspace(0, 255, image.width * image.height, dtype=np.uint8).reshape(image.height, image.width)
    image = image.copy()
    image.putalpha(Image.fromarray(ramp))
    return image


def _gray_alpha(image: Image.Image) -> Image.Image:
    return _alpha(image).convert("LA")


@pytest.mark.parametrize(
    ("make", "suffix"),
    [
        (_gray, "jpg"),
        (_gray, "png"),
        (_gray, "bmp"),
        (_palette, "png"),
        (_bilevel, "png"),
        (_alpha, "png"),
        (_gray_alpha, "png"),
        (_palette, "bmp"),
    ],
)
def test_other_pixel_formats_decode_as_in_opencv(
    tmp_path: Path, make: Callable[[Image.Image], Image.Image], suffix: str
) -> None:
    path = tmp_path / f"image.{suffix}"
    make(Image.fromarray(photo(40, 64))).save(path)
    found = load_image(path)
    assert found.dtype == np.uint8
    assert np.array_equal(found, read_by_opencv(path))


@pytest.mark.parametrize("transparency", [3, b"\x00\x80\xff"])
def test_a_transparent_palette_keeps_its_colours(tmp_path: Path, transparency: int | bytes) -> None:
    path = tmp_path / "transparent.png"
    Image.fromarray(photo(40, 64)).quantize(16).save(path, transparency=transparency)
    assert np.array_equal(load_image(path), read_by_opencv(path))


@pytest.mark.parametrize("black", [0, 1, 100, 254, 255])
def test_cmyk_jpeg_is_opencv_s(tmp_path: Path, black: int) -> None:
    path = tmp_path / "cmyk.jpg"
    channels = np.dstack([photo(40, 64), np.full((40, 64), black, np.uint8)])
    Image.frombytes("CMYK", (64, 40), channels.tobytes()).save(path, quality=95)
    assert np.array_equal(load_image(path), read_by_opencv(path))


@pytest.mark.parametrize(("channels", "suffix"), [(1, "png"), (3, "png"), (4, "png"), (1, "tiff")])
def test_sixteen_bit_images_keep_their_high_byte(tmp_path: Path, channels: int, suffix: str) -> None:
    path = tmp_path / f"deep.{suffix}"
    deep = np.random.default_rng(2).integers(0, 65536, (40, 64, channels), dtype=np.uint16)
    assert cv2.imwrite(str(path), deep)
    assert np.array_equal(load_image(path), read_by_opencv(path))


def jpeg(**options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photo(200, 300)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("kept", [0.01, 0.3, 0.5, 0.9, 0.99])
def test_a_truncated_jpeg_is_an_error_and_never_half_grey(tmp_path: Path, kept: float, progressive: bool) -> None:
    path = tmp_path / "cut.jpg"
    whole = jpeg(progressive=progressive)
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(DatasetError, match=r"cut\.jpg"):
        load_image(path)


def test_truncation_is_an_error_even_if_another_package_allowed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    path = tmp_path / "cut.jpg"
    path.write_bytes(jpeg()[:-2000])
    with pytest.raises(DatasetError, match=r"cut\.jpg"):
        load_image(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>404 Not Found</html>", bytes(5000), jpeg()[:2], b"\xff\xd8\xff\xe0" + bytes(100)],
    ids=["empty", "html", "zeros", "two bytes", "header only"],
)
def test_what_is_not_an_image_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"broken\.jpg[^$]*found: {len(content):,} bytes"):
        load_image(path)


def test_a_truncated_png_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    Image.fromarray(photo(200, 300)).save(path)
    whole = path.read_bytes()
    for kept in (len(whole) // 2, len(whole) - 40):
        path.write_bytes(whole[:kept])
        with pytest.raises(DatasetError, match=r"cut\.png"):
            load_image(path)


def test_a_missing_image_and_a_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gone\.jpg is missing"):
        load_image(tmp_path / "gone.jpg")
    with pytest.raises(DatasetError, match="cannot be read"):
        load_image(tmp_path)


def test_an_image_of_absurd_size_is_refused_before_memory_is(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (30_000, 20_000)).save(path)
    with pytest.raises(DatasetError, match=r"bomb\.png"):
        load_image(path)

"""Measure what the tiny ResNet-50 detects: its accuracy on all pictures through right and broken pipelines.

Run ``python tools/measure_resnet50_tiny.py``; docs/resnet50.md has the table.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
from PIL import Image

from pytest_mlperf.benchmarks.resnet50 import TINY, TINY_SIZE
from pytest_mlperf.datasets.area_resize import resize_area
from pytest_mlperf.datasets.digit_pictures import generate
from pytest_mlperf.datasets.fixed_point_resize import Window, resize_linear
from pytest_mlperf.datasets.imagenet_layout import read_images
from pytest_mlperf.datasets.imagenet_preprocessing import VGG_MEANS, resized, torchvision, vgg
from pytest_mlperf.datasets.images import load_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Input = NDArray[np.float32]

PICTURES = 4000
BATCH = 100
MEANS = np.array(VGG_MEANS, np.float32)


def right(image: Pixels) -> Input:
    return vgg(image, TINY_SIZE)


def with_means(image: Pixels) -> Input:
    return right(image) + MEANS[:, None, None]


def planes(crop: Pixels) -> Input:
    return (crop.astype(np.float32) - MEANS).transpose(2, 0, 1)


def centre(image: Pixels) -> tuple[int, int, Window]:
    height, width = resized(image.shape[0], image.shape[1], TINY_SIZE)
    return height, width, Window((height - TINY_SIZE) // 2, (width - TINY_SIZE) // 2, TINY_SIZE, TINY_SIZE)


def by_pillow(how: Image.Resampling) -> Callable[[Pixels], Input]:
    def preprocess(image: Pixels) -> Input:
        height, width, window = centre(image)
        whole = np.asarray(Image.fromarray(image).resize((width, height), how))
        return planes(whole[window.top : window.top + TINY_SIZE, window.left : window.left + TINY_SIZE])

    return preprocess


def corner(image: Pixels) -> Input:
    return planes(resize_area(image, *resized(image.shape[0], image.shape[1], TINY_SIZE))[:TINY_SIZE, :TINY_SIZE])


WAYS: dict[str, Callable[[Pixels], Input]] = {
    "correct": right,
    "BGR for RGB": lambda image: vgg(image[..., ::-1], TINY_SIZE),
    "means not subtracted": with_means,
    "0 to 1": lambda image: with_means(image) / np.float32(255),
    "-1 to 1": lambda image: with_means(image) / np.float32(127.5) - 1,
    "torchvision's preprocessing": lambda image: torchvision(image, TINY_SIZE),
    "rows for columns": lambda image: right(image).transpose(0, 2, 1),
    "no crop: the whole picture stretched": lambda image: planes(resize_area(image, TINY_SIZE, TINY_SIZE)),
    "crop at the top left": corner,
    "nearest neighbours": by_pillow(Image.Resampling.NEAREST),
    "INTER_LINEAR for INTER_AREA": lambda image: planes(resize_linear(image, *centre(image))),
    "Pillow's bilinear": by_pillow(Image.Resampling.BILINEAR),
    "Pillow's bicubic": by_pillow(Image.Resampling.BICUBIC),
    "Pillow's box": by_pillow(Image.Resampling.BOX),
}


def main() -> None:
    file = TINY.models[0].source
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        generate(folder, PICTURES)
        listed = read_images(folder)
        labels = np.array([image.label for image in listed])
        pictures = [load_image(folder / image.name) for image in listed]
    reference = accuracy(session, pictures, labels, right)
    for name, way in WAYS.items():
        found = accuracy(session, pictures, labels, way)
        print(f"| {name} | {found:.2f} % | {reference - found:.2f} points |", flush=True)
    for offset in (-1, 1):
        found = accuracy(session, pictures, labels - offset, right)
        print(f"| label {offset:+d} | {found:.2f} % | {reference - found:.2f} points |")


def accuracy(
    session: onnxruntime.InferenceSession,
    pictures: list[Pixels],
    labels: NDArray[np.int64],
    way: Callable[[Pixels], Input],
) -> float:
    good = 0
    for start in range(0, len(pictures), BATCH):
        images = np.stack([way(image) for image in pictures[start : start + BATCH]]).astype(np.float32)
        [classes] = session.run(["ArgMax:0"], {"input_tensor:0": np.ascontiguousarray(images)})
        good += int(np.count_nonzero(classes - 1 == labels[start : start + BATCH]))
    return 100.0 * good / len(pictures)


if __name__ == "__main__":
    main()

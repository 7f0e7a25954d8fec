"""How fast ImageNet's images are made ready by the sample library's threads, beside Pillow in one process.

Run it with ``python tools/bench/imagenet_preprocessing.py``; it makes its own images. The ways take turns, so that
their ratios hold on a busy machine too. Pillow's way is what scripts without OpenCV do: resize, crop, subtract the
means, planes, stacked. Bicubic is its default, lanczos its best filter for reductions. It is not the reference's
result; ours is.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pytest_mlperf.datasets.imagenet import ImageNetSamples
from pytest_mlperf.datasets.imagenet_layout import VAL_MAP
from pytest_mlperf.datasets.imagenet_preprocessing import VGG_MEANS, resized
from pytest_mlperf.worker.library import SampleLibrary

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SIZE = 224
# Width and height; half of ImageNet's validation images are 500 x 375.
SIZES = ((500, 375), (500, 375), (375, 500), (500, 333), (500, 375), (333, 500), (640, 480), (500, 400))
FILTERS = {"lanczos": Image.Resampling.LANCZOS, "bicubic": Image.Resampling.BICUBIC, "box": Image.Resampling.BOX}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=128, help="how many images to make (default: 128)")
    parser.add_argument("--rounds", type=int, default=9, help="how often to go through them (default: 9)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of our library (default: the cores)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        names = make_files(folder, arguments.images)
        samples = ImageNetSamples(folder, len(names), SIZE, "image", "")

        def ours(threads: int) -> Callable[[], object]:
            return lambda: SampleLibrary(samples, threads).load(range(len(names)))

        def pillow(name: str) -> Callable[[], object]:
            return lambda: by_pillow([folder / each for each in names], FILTERS[name])

        ways = {f"ours, {arguments.threads} threads": ours(arguments.threads), "ours, 1 thread": ours(1)}
        ways |= {f"Pillow, {name}, one process": pillow(name) for name in FILTERS}
        report(ways, len(names), arguments.rounds)


def make_files(folder: Path, count: int) -> list[str]:
    """Write photo-like JPEGs of ImageNet's usual sizes, and their val_map.txt."""
    names = [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, count + 1)]
    for index, name in enumerate(names):
        random = np.random.default_rng(index)
        width, height = SIZES[index % len(SIZES)]
        coarse = Image.fromarray(random.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        photo = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(np.float64)
        photo += random.normal(0, 6, photo.shape)
        Image.fromarray(photo.clip(0, 255).astype(np.uint8)).save(folder / name, "JPEG", quality=90)
    (folder / VAL_MAP).write_text("".join(f"{name} 0\n" for name in names))
    return names


def by_pillow(paths: list[Path], how: Image.Resampling) -> NDArray[np.float32]:
    """Return all inputs, float32 [n, 3, 224, 224]."""
    inputs = np.empty((len(paths), 3, SIZE, SIZE), np.float32)
    means = np.array(VGG_MEANS, np.float32)
    for index, path in enumerate(paths):
        with Image.open(path) as file:
            image = file.convert("RGB")
        height, width = resized(image.height, image.width, SIZE)
        top, left = (height - SIZE) // 2, (width - SIZE) // 2
        crop = image.resize((width, height), how).crop((left, top, left + SIZE, top + SIZE))
        inputs[index] = (np.asarray(crop, np.float32) - means).transpose(2, 0, 1)
    return inputs


def report(ways: dict[str, Callable[[], object]], count: int, rounds: int) -> None:
    wall: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(rounds + 1):
        for name, way in ways.items():
            start, used = time.perf_counter(), time.process_time()
            way()
            if round_:  # the first round fills caches
                wall[name].append(time.perf_counter() - start)
                cpu[name].append(time.process_time() - used)
    ours, *_ = ways
    print(f"{count} JPEG files to float32 [3, {SIZE}, {SIZE}], files in the page cache, {rounds} rounds in turns")
    print("ms an image: elapsed, and of processors; and how many times the elapsed time of the first row\n")
    heads = ("best", "median", "CPU, best", "CPU, median", "/ best", "/ median")
    print(f"{'':34}" + "".join(f"{head:>13}" for head in heads))
    for name in ways:
        ratios = [one / other for one, other in zip(wall[name], wall[ours], strict=True)]
        cells = [1e3 * of(values) / count for values in (wall[name], cpu[name]) for of in (min, statistics.median)]
        cells += [min(wall[name]) / min(wall[ours]), statistics.median(ratios)]
        print(f"{name:34}" + "".join(f"{cell:13.2f}" for cell in cells))


if __name__ == "__main__":
    main()

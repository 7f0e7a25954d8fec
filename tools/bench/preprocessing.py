"""How fast RetinaNet's images are made ready, and whether a cache of them is worth its disk.

Run it with ``python tools/bench/preprocessing.py``; it makes its own images. Every row is a median over
passes that take turns, so that the ratios hold on a busy machine too.

What it says: decode when LoadGen loads samples, and keep no cache. A 16-bit cache is within 0.002 grey
levels and a sixth of the reference's time, but saves two or three minutes of one core over the whole data
set for 95 GB of disk, which must be read at the disk's speed where the JPEGs are 6 GB.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

from pytest_mlperf.datasets.images import preprocess_stretch

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Way = Callable[[int, NDArray[np.float32]], None]

SIZE = 800
DATASET_IMAGES = 24_781  # openimages-mlperf.json, the validation set of RetinaNet
FIXED_POINT = 65_535  # levels of a 16-bit cache: 257 for each of the 255 grey levels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=24, help="how many images to make (default: 24)")
    parser.add_argument("--rounds", type=int, default=7, help="how often to go through them (default: 7)")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        make_files(folder, arguments.images)
        report(folder, arguments.images, arguments.rounds)


def make_files(folder: Path, count: int) -> None:
    """Write photo-like JPEGs of 1024 × 768, and what each cache would hold of them."""
    for index in range(count):
        random = np.random.default_rng(index)
        coarse = random.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        smooth = cv2.resize(coarse, (1024, 768), interpolation=cv2.INTER_CUBIC).astype(np.float64)
        photo = np.clip(smooth + random.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)
        Image.fromarray(photo).save(folder / f"{index}.jpg", quality=90)
        ready = preprocess_stretch(folder / f"{index}.jpg", SIZE)
        np.save(folder / f"{index}.float32.npy", ready)
        np.save(
            folder / f"{index}.uint16.npy",
            np.rint(ready * FIXED_POINT).clip(0, FIXED_POINT).astype(np.uint16),
        )


def report(folder: Path, count: int, rounds: int) -> None:
    def opencv_resize(index: int, _: NDArray[np.float32]) -> None:
        image = read_by_opencv(folder / f"{index}.jpg")
        cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)

    def opencv_all(index: int, out: NDArray[np.float32]) -> None:
        image = read_by_opencv(folder / f"{index}.jpg")
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        image = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
        image /= 255.0
        out[:] = image.transpose(2, 0, 1)

    def ours(index: int, out: NDArray[np.float32]) -> None:
        preprocess_stretch(folder / f"{index}.jpg", SIZE, out)

    def ours_fresh(index: int, _: NDArray[np.float32]) -> None:
        preprocess_stretch(folder / f"{index}.jpg", SIZE)

    def fixed_point(index: int, out: NDArray[np.float32]) -> None:
        cached = np.load(folder / f"{index}.uint16.npy", mmap_mode="r")
        np.multiply(cached, np.float32(1 / FIXED_POINT), out=out)

    def single_precision(index: int, out: NDArray[np.float32]) -> None:
        out[:] = np.load(folder / f"{index}.float32.npy")

    ways: dict[str, tuple[Way, str]] = {
        "OpenCV: decode, float32, resize": (opencv_resize, "jpg"),
        "OpenCV: the same, /255, CHW (reference)": (opencv_all, "jpg"),
        "preprocess_stretch(out=...)": (ours, "jpg"),
        "preprocess_stretch()": (ours_fresh, "jpg"),
        "16-bit cache, mapped, to float32": (fixed_point, "uint16.npy"),
        "float32 .npy cache (reference)": (single_precision, "float32.npy"),
    }
    measured = measure({name: way for name, (way, _) in ways.items()}, count, rounds)
    base = measured["OpenCV: the same, /255, CHW (reference)"]
    cores = os.cpu_count() or 1
    print(f"{count} JPEGs of 1024 × 768 to float32[3, {SIZE}, {SIZE}], files in the page cache\n")
    heads = ("ms", "images/s", "÷ reference", f"× {cores} threads", "MB", "GB, all")
    print(f"{'':42}" + "".join(f"{head:>13}" for head in heads))
    for name, (way, suffix) in ways.items():
        megabytes = (folder / f"0.{suffix}").stat().st_size / 1e6
        scaling = threads_rate(way, count, rounds, cores) / threads_rate(way, count, rounds, 1)
        seconds = measured[name]
        cells = (
            seconds * 1e3,
            1 / seconds,
            seconds / base,
            scaling,
            megabytes,
            megabytes * DATASET_IMAGES / 1e3,
        )
        print(f"{name:42}" + "".join(f"{cell:13.2f}" for cell in cells))
    print("\nFrom a cold disk a cache reads at the disk's speed:")
    for name, (way, suffix) in list(ways.items())[2:]:
        if name != "preprocess_stretch()":
            print(f"{name:42}{cold(way, folder, suffix, count) * 1e3:7.2f} ms an image")
    print("\nLargest difference from the reference's input, in grey levels:")
    print(f"{'preprocess_stretch':42}{differences(ours, opencv_all, count):10.6f}")
    print(f"{'16-bit cache':42}{differences(fixed_point, opencv_all, count):10.6f}")


def read_by_opencv(path: Path) -> NDArray[np.float32]:
    image = cv2.imread(str(path))
    if image is None:
        raise OSError(path)
    return np.asarray(image, np.float32)


def measure(ways: dict[str, Way], count: int, rounds: int) -> dict[str, float]:
    """Median seconds an image of each way on one thread, the ways taking turns."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    out = np.empty((3, SIZE, SIZE), np.float32)
    for round_ in range(rounds + 1):
        for name, way in ways.items():
            for index in range(count):
                start = time.perf_counter()
                way(index, out)
                if round_:  # the first round fills caches
                    times[name].append(time.perf_counter() - start)
    return {name: float(np.median(samples)) for name, samples in times.items()}


def threads_rate(way: Way, count: int, rounds: int, threads: int) -> float:
    """Images a second with so many threads, each with its own output."""
    outs = [np.zeros((3, SIZE, SIZE), np.float32) for _ in range(threads)]

    def go(thread: int) -> None:
        for index in range(count * rounds // 4):
            way(index % count, outs[thread])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(go, range(threads)))
        start = time.perf_counter()
        list(pool.map(go, range(threads)))
        return threads * (count * rounds // 4) / (time.perf_counter() - start)


def cold(way: Way, folder: Path, suffix: str, count: int) -> float:
    """Mean seconds an image after the kernel was told to forget the files."""
    for index in range(count):
        descriptor = os.open(folder / f"{index}.{suffix}", os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
    out = np.zeros((3, SIZE, SIZE), np.float32)
    start = time.perf_counter()
    for index in range(count):
        way(index, out)
    return (time.perf_counter() - start) / count


def differences(one: Way, other: Way, count: int) -> float:
    first, second = np.empty((2, 3, SIZE, SIZE), np.float32)
    largest = 0.0
    for index in range(count):
        one(index, first)
        other(index, second)
        largest = max(largest, float(np.abs(first - second).max()) * 255)
    return largest


if __name__ == "__main__":
    main()

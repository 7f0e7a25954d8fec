"""Preprocessing to files: shards of 16-bit fixed point against the reference's loop of float32 ``.npy`` files.

Run ``python tools/bench/preprocess_shards.py``; it makes its own images. Both write to the same disk, in turns.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from pytest_mlperf.datasets.preprocessed import AnnotatedImage, write_shards

SIZE = 800


def make_images(directory: Path, count: int) -> list[Path]:
    """Write photo-like JPEG files."""
    rng = np.random.default_rng(0)
    paths = []
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8))
        path = directory / f"{number:06d}.jpg"
        coarse.resize((1024, 768), Image.Resampling.BICUBIC).save(path, quality=90)
        paths.append(path)
    return paths


def reference(images: list[Path], directory: Path) -> float:
    """Return the seconds of one process that decodes, resizes and saves with OpenCV and numpy."""
    directory.mkdir()
    cv2.setNumThreads(1)
    start = time.perf_counter()
    for path in images:
        image = cv2.imread(str(path))
        if image is None:
            raise FileNotFoundError(path)
        stretched = cv2.resize(cv2.cvtColor(image.astype(np.float32), cv2.COLOR_BGR2RGB), (SIZE, SIZE))
        np.save(directory / f"{path.stem}.npy", (stretched / np.float32(255)).transpose(2, 0, 1))
    return time.perf_counter() - start


def shards(images: list[Path], directory: Path) -> float:
    """Return the seconds of `write_shards`, the start of its processes included."""
    start = time.perf_counter()
    write_shards([AnnotatedImage(path) for path in images], directory, SIZE, None, lambda _done, _total: None)
    return time.perf_counter() - start


def disk(directory: Path) -> int:
    """Return the bytes of a directory's files."""
    return sum(path.stat().st_size for path in directory.iterdir())


def main() -> None:
    """Print every round and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "images").mkdir()
        images = make_images(root / "images", options.images)
        for _ in range(options.rounds):
            theirs, ours = reference(images, root / "npy"), shards(images, root / "shards")
            ratios.append(theirs / ours)
            share = disk(root / "shards") / disk(root / "npy")
            print(
                f"  OpenCV loop {options.images / theirs:6.1f} images/s   shards {options.images / ours:6.1f} images/s"
                f"   {ratios[-1]:.2f} times as fast, {share:.3f} of the disk"
            )
            shutil.rmtree(root / "npy")
            shutil.rmtree(root / "shards")
    print(f"median {statistics.median(ratios):.2f} times as fast (aim: at least 2 on 2 cores)")


if __name__ == "__main__":
    main()

"""How long a session takes to open OpenImages, all 24,781 images of it, that is in the cache already.

Run ``python tools/bench/dataset_open.py``: it fills a cache with that many files, which weigh little, under the
names and with the checks of the real ones. What is timed is what the fixture ``dataset`` does.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from PIL import Image

from pytest_mlperf.artifacts.sources import RemoteFile
from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.datasets.openimages_recipe import OFFICIAL, OpenImagesFiles, OpenImagesRecipe


def official_as_in(mirror: str) -> OpenImagesFiles:
    """Return the table of a mirror, given by its address."""
    return OpenImagesFiles(
        RemoteFile("annotations.zip", (f"{mirror}/annotations.zip",)), OFFICIAL.calibration_list, mirror
    )


def open_once(root: Path, recipe: OpenImagesRecipe) -> float:
    """Return how long it takes to find, check and hold the artifact."""
    start = time.perf_counter()
    store = Store(root)
    artifact = store.find(recipe)
    if artifact is None:
        raise SystemExit("the data set is not in the cache")
    with store.use(artifact):
        return time.perf_counter() - start


def write_mirror(directory: Path, count: int) -> None:
    """Write a mirror of `count` small images and their annotations."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG")
    images = [{"id": n, "file_name": f"{n:016x}.jpg", "width": 8, "height": 8} for n in range(1, count + 1)]
    (directory / "validation").mkdir()
    for image in images:
        (directory / "validation" / str(image["file_name"])).write_bytes(buffer.getvalue())
    box = {"category_id": 0, "bbox": [1, 1, 4, 4], "area": 16, "iscrowd": 0}
    found = [{"id": n, "image_id": n, **box} for n in range(1, count + 1)]
    content = {"images": images, "annotations": found, "categories": [{"id": 0, "name": "0"}]}
    with zipfile.ZipFile(directory / "annotations.zip", "w") as archive:
        archive.writestr("openimages-mlperf.json", json.dumps(content))


def main() -> None:
    """Print the median and the range."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=24_781)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--open", nargs=2, metavar=("CACHE", "MIRROR"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.open:
        root, mirror = arguments.open
        print(open_once(Path(root), OpenImagesRecipe(arguments.images, official_as_in(mirror))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        root, directory = Path(temporary, "cache"), Path(temporary, "mirror")
        directory.mkdir()
        write_mirror(directory, arguments.images)
        mirror = directory.as_uri()
        Store(root).get(OpenImagesRecipe(arguments.images, official_as_in(mirror)))
        # Each in a process of its own, as sessions are.
        command = [sys.executable, __file__, f"--images={arguments.images}", "--open", str(root), mirror]
        rounds = [
            float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
            for _ in range(arguments.rounds)
        ]
    print(f"{arguments.images:,} images: {statistics.median(rounds):.3f} s ({min(rounds):.3f} to {max(rounds):.3f})")


if __name__ == "__main__":
    main()

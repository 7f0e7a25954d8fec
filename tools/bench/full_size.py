"""Offline at RetinaNet's official size through the plugin, against bare loops of the same runtime.

First export a model of the official size with random weights (extra ``train``):

    python tools/bench/export_full_size.py retinanet-full.onnx
    python tools/bench/full_size.py retinanet-full.onnx

The bare loops are the two layouts that compete, one inference with all threads and one single-threaded inference a
core, and the way of the reference harness: as many Python threads as cores, which share one session of as many threads.
Loops and plugin take turns; the ratios are the plugin's rate over the better loop's, and over the reference's way.
``--against reference`` leaves the other loops out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from plugin_run import ONNXRUNTIME, run

from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.benchmarks.retinanet import OFFICIAL
from pytest_mlperf.datasets.layout import ANNOTATIONS, IMAGES
from pytest_mlperf.machine.cores import available_cores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

DISTINCT = 16


def make_dataset(directory: Path, count: int = DISTINCT) -> None:
    """Write images of noise with an annotation file of the official form."""
    rng = np.random.default_rng(0)
    (directory / IMAGES).mkdir(parents=True)
    (directory / ANNOTATIONS).parent.mkdir()
    images = []
    for index in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8))
        coarse.resize((1024, 768), Image.Resampling.BICUBIC).save(directory / IMAGES / f"{index:016x}.jpg", quality=90)
        images.append({"id": index + 1, "file_name": f"{index:016x}.jpg", "width": 1024, "height": 768})
    box = {"id": 1, "image_id": 1, "category_id": 0, "bbox": [10, 10, 50, 50], "area": 2500, "iscrowd": 0}
    categories = [{"id": number, "name": str(number)} for number in range(264)]
    content = {"images": images, "annotations": [box], "categories": categories}
    (directory / ANNOTATIONS).write_text(json.dumps(content))


def bare_rate(model: Path, images: Sequence[NDArray[Any]], count: int, *, streams: int, threads: int) -> float:
    """Return images a second of a loop around the runtime: `streams` Python threads on one session."""
    session = OnnxRuntime().load(model, OFFICIAL.model_file("onnx", "fp32", ""), "cpu", threads, {})
    numbers = iter(range(count))

    def work() -> None:
        for number in numbers:
            session.run({"images": images[number % len(images)][None]})

    for _ in range(streams):
        session.run({"images": images[0][None]})
    workers = [threading.Thread(target=work) for _ in range(streams)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return count / (time.perf_counter() - start)


def main() -> None:
    """Print every round and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--images", type=int, default=24, help="inferences a loop")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", choices=("all", "reference"), default="all")
    options = parser.parse_args()
    cores = available_cores()
    layouts = {"reference": (cores, cores)}
    if options.against == "all":
        layouts |= {"one": (1, cores), "many": (cores, 1)}
    best, reference = [], []
    with tempfile.TemporaryDirectory() as name:
        dataset = Path(name)
        make_dataset(dataset)
        samples = OFFICIAL.dataset.open(dataset, DISTINCT, "")
        images = [samples[index]["images"] for index in range(DISTINCT)]
        print(f"{options.images} images of 800x800, {cores} cores; images/s")
        for _ in range(options.rounds):
            rates = {
                name: bare_rate(options.model, images, options.images, streams=streams, threads=threads)
                for name, (streams, threads) in layouts.items()
            }
            log, layout = run(
                benchmark="pytest_mlperf.benchmarks.retinanet:OFFICIAL",
                backend=ONNXRUNTIME,
                scenario="Offline",
                model=str(options.model.absolute()),
                dataset=str(dataset),
                sample_count=DISTINCT,
                test_query_count=options.images,
            )
            plugin = log.number("result_samples_per_second") or 0
            reference.append(plugin / rates.pop("reference"))
            best.append(plugin / max(rates.values(), default=plugin))
            told = "   ".join(f"bare {name} {rate:.3f}" for name, rate in rates.items())
            print(
                f"  plugin {plugin:.3f} ({layout.streams}x{layout.threads})   over the reference's way "
                f"{reference[-1]:.3f}   {told}",
                flush=True,
            )
    if options.against == "all":
        print(f"over the better bare loop: median {statistics.median(best):.3f} (aim: at least 0.97)")
    print(f"over the reference's way: {min(reference):.3f} to {max(reference):.3f} (aim: at least 1.20 in every round)")


if __name__ == "__main__":
    main()

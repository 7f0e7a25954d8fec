"""How fast boxes are scored by hotcoco and by pycocotools, in how much memory, and whether they agree.

Run it with ``python tools/bench/mean_average_precision.py``; the defaults are the size of OpenImages' part
of MLPerf (24,781 images, 160,000 boxes, 264 classes) with fewer detections than the model's 300 an image,
as pycocotools needs a kilobyte for each. Each scorer runs in a process of its own. With hotcoco the time inside its own
functions is told, too: ``--scorer hotcoco --detections 300`` is the official size.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SCORE = """
import resource, sys, time
from pathlib import Path
from pytest_mlperf.metrics.accuracy_log import read_records
from pytest_mlperf.metrics.mean_average_precision import MeanAveragePrecision
from pytest_mlperf.datasets.coco import read_annotations

folder, scorer = Path(sys.argv[1]), sys.argv[2]
inside = 0.0

def timed(function):
    def call(*arguments):
        global inside
        start = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            inside += time.perf_counter() - start
    return call

class Timed:
    def __init__(self, told):
        self.told = told
    def __getattr__(self, name):
        value = getattr(self.told, name)
        if name == "finalize":
            return lambda: Timed(timed(value)())
        return timed(value) if callable(value) else value

if scorer == "hotcoco":
    import hotcoco
    make = hotcoco.StreamingEval
    hotcoco.StreamingEval = lambda *given, **named: Timed(make(*given, **named))
start = time.perf_counter()
truth = read_annotations(folder / "annotations.json")
read = time.perf_counter() - start
result = MeanAveragePrecision(scorer).score_against(read_records(folder / "mlperf_log_accuracy.json"), truth)
total = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
alone = f", in hotcoco {inside:.2f} s: ratio {(total - read) / inside:.3f}" if inside else ""
if scorer == "hotcoco":
    (folder / "ours.txt").write_text(f"{total - read}")
print(f"{scorer:12}{result['mAP']:.12f} %   read {read:.2f} s, all {total:.2f} s, peak {peak:,.0f} MiB{alone}")
"""


#: hotcoco as its users call it: the annotation file, the detections as rows, all matched at once.
ALONE = """
import resource, sys, time
import hotcoco, numpy as np

start = time.perf_counter()
truth = hotcoco.COCO(sys.argv[1] + "/annotations.json")
rows = np.load(sys.argv[1] + "/rows.npy")
found = truth.load_res(rows)
evaluation = hotcoco.COCOeval(truth, found, "bbox")
evaluation.evaluate()
evaluation.accumulate()
evaluation.summary_lines()
total = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
open(sys.argv[1] + "/alone.txt", "w").write(f"{total}")
print(f"alone       {100 * evaluation.stats[0]:.12f} %   all {total:.2f} s, peak {peak:,.0f} MiB")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=24_781)
    parser.add_argument("--boxes", type=int, default=160_000)
    parser.add_argument("--categories", type=int, default=264)
    parser.add_argument("--detections", type=int, default=40, help="detections an image (default: 40)")
    parser.add_argument("--scorer", action="append", choices=("hotcoco", "pycocotools"))
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        write(folder, arguments.images, arguments.boxes, arguments.categories, arguments.detections)
        scorers = arguments.scorer or ("hotcoco", "pycocotools")
        ratios = [one_round(folder, scorers) for _ in range(arguments.rounds)]
        middle, least, most = statistics.median(ratios), min(ratios), max(ratios)
        print(f"over hotcoco alone: {middle:.3f} in the median ({least:.3f} to {most:.3f})")


def one_round(folder: Path, scorers: Sequence[str]) -> float:
    """Run each scorer and hotcoco alone, each in a process of its own; return the ratio of the times with hotcoco."""
    for scorer in scorers:
        subprocess.run([sys.executable, "-c", SCORE, str(folder), scorer], check=True)
    subprocess.run([sys.executable, "-c", ALONE, str(folder)], check=True)
    ours, alone = (float((folder / name).read_text()) for name in ("ours.txt", "alone.txt"))
    return ours / alone


def write(folder: Path, images: int, boxes: int, categories: int, detections: int) -> None:
    """Write an annotation file, and a log that finds a part of its boxes among many that are not there."""
    random = np.random.default_rng(0)
    owner = np.sort(random.integers(0, images, boxes))
    label = random.integers(0, categories, boxes)
    corner = random.random((boxes, 2)) * 0.6
    edges = np.concatenate((corner, corner + 0.05 + random.random((boxes, 2)) * 0.3), axis=1)
    width, height = 1024, 768
    xywh = np.concatenate((edges[:, :2], edges[:, 2:] - edges[:, :2]), axis=1) * (
        width,
        height,
        width,
        height,
    )
    crowd = random.random(boxes) < 0.05
    annotations = [
        {
            "id": index + 1,
            "image_id": int(owner[index]) + 1,
            "category_id": int(label[index]),
            "bbox": xywh[index].tolist(),
            "area": float(xywh[index, 2:].prod()),
            "iscrowd": int(crowd[index]),
        }
        for index in range(boxes)
    ]
    content = {
        "images": [
            {"id": i + 1, "file_name": f"{i:016x}.jpg", "width": width, "height": height} for i in range(images)
        ],
        "categories": [{"id": category, "name": str(category)} for category in range(categories)],
        "annotations": annotations,
    }
    (folder / "annotations.json").write_text(json.dumps(content))
    starts = np.searchsorted(owner, np.arange(images + 1))
    kept = []
    with (folder / "mlperf_log_accuracy.json").open("w") as log:
        log.write("[\n")
        for index in range(images):
            mine = slice(starts[index], starts[index + 1])
            found = edges[mine] + random.normal(0, 0.01, edges[mine].shape)
            low = random.random((max(detections - len(found), 0), 2)) * 0.6
            other = np.concatenate((low, low + 0.05 + random.random(low.shape) * 0.3), axis=1)
            rows = np.empty((len(found) + len(other), 7), np.float32)
            rows[:, 0] = index
            rows[:, 1:5] = np.concatenate((found, other))[:, [1, 0, 3, 2]]
            rows[:, 5] = np.sort(random.random(len(rows)))[::-1]
            rows[:, 6] = np.concatenate((label[mine], random.integers(0, categories, len(other))))
            kept.append(pixels(rows, width, height))
            end = "" if index == images - 1 else ","
            data = rows.tobytes().hex().upper()
            log.write(f'{{ "seq_id" : {index}, "qsl_idx" : {index}, "data" : "{data}" }}{end}\n')
        log.write("]\n")
    np.save(folder / "rows.npy", np.concatenate(kept))


def pixels(rows: NDArray[np.float32], width: int, height: int) -> NDArray[np.float64]:
    """Return the log's detections as hotcoco takes them: image, left, top, width, height, score, category."""
    top, left, bottom, right = rows[:, 1:5].T.astype(np.float64)
    box = (left * width, top * height, (right - left) * width, (bottom - top) * height)
    return np.column_stack((rows[:, 0] + 1, *box, rows[:, 5], rows[:, 6]))


if __name__ == "__main__":
    main()

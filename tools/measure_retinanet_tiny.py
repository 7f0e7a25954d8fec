"""Show that the tiny RetinaNet's mAP falls when its pre- or post-processing is wrong.

Run ``python tools/measure_retinanet_tiny.py``; it prints the mAP of each way of doing it, right and wrong.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image
from retinanet.scoring import Detections, mean_average_precision

from pytest_mlperf.datasets.digit_scenes import ANNOTATIONS, file_name, generate
from pytest_mlperf.datasets.images import load_image, resize_bilinear

MODEL = Path(__file__).parents[1] / "src" / "pytest_mlperf" / "data" / "retinanet-tiny.onnx"

Resize = Callable[[NDArray[np.uint8], int], NDArray[np.float32]]
Finish = Callable[[Detections], Detections]


@dataclass(frozen=True)
class Pipeline:
    """A way of bringing a picture to the model, and its detections to the record."""

    name: str
    resize: Resize
    finish: Finish = lambda found: found


def _right(image: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    return resize_bilinear(image, side, side)


def _bgr(image: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    return resize_bilinear(image[..., ::-1], side, side)


def _antialiased(image: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)).astype(np.float32)


def _without_half_pixel(image: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Sample at ``target * scale`` instead of ``(target + 0.5) * scale - 0.5``."""
    picture = image.astype(np.float32)
    for axis in (0, 1):
        position = np.arange(side) * (image.shape[axis] / side)
        first = position.astype(np.intp)
        shape = [1, 1, 1]
        shape[axis] = side
        weight = (position - first).astype(np.float32).reshape(shape)
        near = picture.take(first, axis)
        picture = near + weight * (picture.take(np.minimum(first + 1, image.shape[axis] - 1), axis) - near)
    return picture


def _nearest(image: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.NEAREST)).astype(np.float32)


def _unscaled(image: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    return _right(image, side) / np.float32(255)


def _confident(found: Detections) -> Detections:
    count = int((found.scores > 0.5).sum())
    return Detections(found.boxes[:count], found.scores[:count], found.labels[:count])


def _swapped(found: Detections) -> Detections:
    return Detections(found.boxes[:, [1, 0, 3, 2]], found.scores, found.labels)


PIPELINES = (
    Pipeline("correct", _right),
    Pipeline("BGR for RGB", _bgr),
    Pipeline("antialiased resize", _antialiased),
    Pipeline("no half-pixel centres", _without_half_pixel),
    Pipeline("nearest neighbour", _nearest),
    Pipeline("divided by 255 twice", _unscaled),
    Pipeline("score threshold 0.5", _right, _confident),
    Pipeline("x and y swapped", _right, _swapped),
)


def measure(model: Path, directory: Path, count: int, pipelines: tuple[Pipeline, ...] = PIPELINES) -> dict[str, float]:
    """Return the mAP (0..1) of each pipeline on the first validation scenes.

    Parameters
    ----------
    model
        The ONNX file.
    directory
        A generated validation set of exactly `count` scenes.
    count
        Number of scenes.
    pipelines
        What to compare.
    """
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    side = int(session.get_inputs()[0].shape[2])
    pictures = [load_image(directory / "validation" / "data" / file_name(index)) for index in range(count)]
    values = {}
    for pipeline in pipelines:
        found = []
        for picture in pictures:
            stretched = pipeline.resize(picture, side) / np.float32(255)
            images = np.ascontiguousarray(stretched.transpose(2, 0, 1)[None])
            boxes, scores, labels = session.run(["boxes", "scores", "labels"], {"images": images})
            found.append(pipeline.finish(Detections(boxes, scores, labels)))
        values[pipeline.name] = mean_average_precision(directory / ANNOTATIONS, found, side)
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--count", type=int, default=500)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        generate(Path(directory), "validation", arguments.count, workers=2)
        values = measure(arguments.model, Path(directory), arguments.count)
    for name, value in values.items():
        print(f"{name:24} mAP={100 * value:7.3f}%  {100 * value / values['correct']:6.2f} % of correct")


if __name__ == "__main__":
    main()

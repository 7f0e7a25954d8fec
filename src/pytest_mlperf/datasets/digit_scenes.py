"""Scenes of digits on disk, laid out as MLPerf's OpenImages; changes when that layout changes.

The pictures themselves are painted by `pytest_mlperf.datasets.digit_painting`.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from pytest_mlperf.artifacts.disk import write_atomic
from pytest_mlperf.datasets.digit_painting import CATEGORIES, SceneObject, Split, render

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

ANNOTATIONS: Final = "annotations/openimages-mlperf.json"
"""Where the annotation file lies in a data set's directory."""

_JPEG_QUALITY: Final = 90


@dataclass(frozen=True)
class _Entry:
    """What the annotation file tells of one written scene."""

    file_name: str
    width: int
    height: int
    objects: tuple[SceneObject, ...]


def file_name(index: int) -> str:
    """Return the bare file name of the scene with this index; names sort as indices do."""
    return f"scene-{index:06d}.jpg"


def generate(directory: Path, split: Split, count: int, *, first: int = 0, workers: int | None = None) -> None:
    """Write scenes as JPEG files with a COCO annotation file, where MLPerf's OpenImages scripts put theirs.

    The pictures are ``<directory>/<split>/data/scene-<index>.jpg``, the annotations
    ``<directory>/annotations/openimages-mlperf.json``. The position of an image in the annotations is its
    sample index. One directory holds one split.

    Parameters
    ----------
    directory
        Where to write; made if it does not exist.
    split
        ``"train"`` or ``"validation"``, which share no digit.
    count
        Number of scenes.
    first
        Index of the first scene.
    workers
        Threads; by default one a core. The result does not depend on it.
    """
    pictures = directory / split / "data"
    pictures.mkdir(parents=True, exist_ok=True)

    def write(index: int) -> _Entry:
        scene = render(split, index)
        name = file_name(index)
        write_atomic(pictures / name, jpeg(scene.image))
        height, width, _ = scene.image.shape
        return _Entry(name, width, height, scene.objects)

    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        entries = list(pool.map(write, range(first, first + count)))
    annotations = directory / ANNOTATIONS
    annotations.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(annotations, json.dumps(_coco(entries)).encode())


def jpeg(image: NDArray[np.uint8]) -> bytes:
    """Encode as 4:2:0 JPEG, the usual form of a photograph."""
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling="4:2:0")
    return buffer.getvalue()


def _coco(entries: list[_Entry]) -> dict[str, Any]:
    """Return the annotation file's content for the scenes in sample order."""
    images = [
        {"id": image_id, "file_name": entry.file_name, "width": entry.width, "height": entry.height}
        for image_id, entry in enumerate(entries, start=1)
    ]
    objects = [(image_id, item) for image_id, entry in enumerate(entries, start=1) for item in entry.objects]
    annotations = [
        {
            "id": annotation_id,
            "image_id": image_id,
            "category_id": item.category,
            "bbox": [float(edge) for edge in item.box],
            "area": float(item.box[2] * item.box[3]),
            "iscrowd": int(item.crowd),
        }
        for annotation_id, (image_id, item) in enumerate(objects, start=1)
    ]
    return {
        "info": {
            "description": "Generated scenes of digits",
            "contributor": "Digits: UCI Optical Recognition of Handwritten Digits, E. Alpaydin, C. Kaynak",
        },
        "licenses": [{"id": 1, "name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"}],
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(CATEGORIES)],
    }

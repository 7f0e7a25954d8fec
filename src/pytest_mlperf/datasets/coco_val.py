"""COCO's validation images in MLPerf's part: those whose licence permits it, in the annotation file's order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_mlperf.datasets.licences import permitted_images

if TYPE_CHECKING:
    from pytest_mlperf.datasets.coco import Annotations
    from pytest_mlperf.datasets.preprocessed import AnnotatedImage

ANNOTATIONS: Final = Path("annotations", "instances_val2017.json")
SAFE_ANNOTATIONS: Final = Path("annotations", "instances_val2017_safe.json")
"""What ``create_safe_annotations.py`` of mlcommons/inference writes; read where the other file is not there."""

IMAGES: Final = Path("val2017_safe")
ALL_IMAGES: Final = Path("val2017")
"""COCO's own folder, with the images of every licence; used where there is no `IMAGES`."""

# COCO's boxes come from outlines drawn by hand: what lies a little outside is no sign of damage.
_EDGE_TOLERANCE_PIXELS: Final = 10.0


def annotations_in(directory: Path) -> Path:
    """Return the relative path of the annotation file of a directory."""
    return SAFE_ANNOTATIONS if _only(directory, SAFE_ANNOTATIONS, ANNOTATIONS) else ANNOTATIONS


def images_in(directory: Path) -> Path:
    """Return the relative path of the folder of images of a directory."""
    return ALL_IMAGES if _only(directory, ALL_IMAGES, IMAGES) else IMAGES


def _only(directory: Path, one: Path, other: Path) -> bool:
    return (directory / one).exists() and not (directory / other).exists()


def coco_truth(directory: Path) -> Annotations:
    """Return the annotations of MLPerf's images in a data set's directory; see `read_permitted`."""
    return read_permitted(directory / annotations_in(directory))


def read_permitted(path: Path) -> Annotations:
    """Return the annotations of MLPerf's images in an annotation file.

    Sample indices are positions among these images, whether the file has been reduced to them or is COCO's own.

    Raises
    ------
    DatasetError
        The file is missing or invalid (see `pytest_mlperf.datasets.coco.read_annotations`), does not state the
        licences, or has no image with a permitted one (see `pytest_mlperf.datasets.licences.permitted_images`).
    """
    from pytest_mlperf.datasets.coco import read_annotations

    annotations = read_annotations(path, _EDGE_TOLERANCE_PIXELS)
    usable = permitted_images(path)
    return annotations.only(tuple(image for image in annotations.images if image.id in usable))


def annotated_images(directory: Path, count: int) -> list[AnnotatedImage]:
    """Return the first `count` images.

    Raises
    ------
    DatasetError
        As from `coco_truth`; or there are fewer images, or a file is missing.
    """
    from pytest_mlperf.datasets.annotated import first_images, require_layout

    annotations, images = annotations_in(directory), images_in(directory)
    require_layout(directory, annotations, images)
    return first_images(directory, annotations, images, coco_truth(directory).images, count)

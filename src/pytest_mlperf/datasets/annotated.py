"""The images of an annotation file on disk, in its order; what is missing is an error before the test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_mlperf.datasets.preprocessed import AnnotatedImage
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_mlperf.datasets.coco import ImageInfo


def require_layout(directory: Path, annotations: Path, images: Path) -> None:
    """Raise if a directory has no annotation file at this relative path.

    Raises
    ------
    DatasetError
        There is none.
    """
    if not (directory / annotations).exists():
        raise DatasetError(
            f"{directory} does not have the layout of this data set",
            expected=f"{annotations} and {images}/",
            found=f"no {annotations}",
            fix="give the directory that contains both with --dataset-path",
        )


def first_images(
    directory: Path, annotations: Path, images: Path, annotated: Sequence[ImageInfo], count: int
) -> list[AnnotatedImage]:
    """Return the first `count` images of an annotation file.

    Parameters
    ----------
    directory, annotations, images
        The data set's directory, and below it the annotation file and the folder of the images.
    annotated
        The images of the annotation file, in its order.
    count
        How many are wanted.

    Raises
    ------
    DatasetError
        There are fewer, or a file is missing: every later sample index would be wrong.
    """
    if len(annotated) < count:
        raise DatasetError(
            f"{directory} has too few images",
            expected=f"{count:,}",
            found=f"{len(annotated):,} in {annotations}",
            fix=f"use at most {len(annotated)} with --dataset-size",
        )
    found = [
        AnnotatedImage(directory / images / image.file_name, (image.width, image.height)) for image in annotated[:count]
    ]
    _require_files([image.path for image in found], directory / images, f"{annotations.parent}/ and {images}/")
    return found


def _require_files(paths: list[Path], folder: Path, both: str) -> None:
    try:
        with os.scandir(folder) as entries:  # one listing for thousands of names; broken links are not files
            present = {entry.path for entry in entries if entry.is_file()}
    except OSError as error:
        raise DatasetError(
            f"cannot list the images in {folder}",
            expected="a directory of JPEG files",
            found=error.strerror or str(error),
            fix=f"give the directory that contains {both} with --dataset-path",
        ) from error
    missing = [path for path in paths if str(path) not in present and not path.is_file()]
    if missing:
        raise DatasetError(
            f"{len(missing):,} of {len(paths):,} images are missing in {folder}",
            expected="every image of the annotation file",
            found=f"{len(missing):,} missing, the first: {missing[0].relative_to(folder)}",
            fix="fetch the missing images, or use the annotation file of this directory",
        )

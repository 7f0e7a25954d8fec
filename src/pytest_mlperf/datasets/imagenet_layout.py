"""The files of ImageNet in a data set's directory: val_map.txt or class folders, and the images."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VAL_MAP: Final = "val_map.txt"
"""A line for each image: its file name and its label. The number of the line is the sample index."""

MOST_CLASSES: Final = 1000
"""Labels are below this."""

_LONGEST_LABEL: Final = 10
"""Python refuses to read a number of thousands of digits."""

_WANTED: Final = f"{VAL_MAP} beside the images, or a folder of images for each class"
_GIVE: Final = "give the directory that has them with --dataset-path; docs/resnet50.md tells how to make one"


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """A file, by its name relative to the data set's directory with ``/``, and its label."""

    name: str
    label: int


def read_images(directory: Path) -> list[LabelledImage]:
    """Return the images of a directory in sample order, whether or not their files exist.

    With ``val_map.txt`` it is the order of its lines. Without it each folder is a class: the sorted names of the
    folders have the labels 0, 1, 2 ..., and the images are in the order of their bare file names, so that the
    validation images of ImageNet are in the order of their numbers.

    Raises
    ------
    DatasetError
        The directory has neither, or it cannot be read; or a line of ``val_map.txt`` is not a name and a label.
    """
    path = directory / VAL_MAP
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return _in_class_folders(directory)
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"{path} cannot be read",
            expected="a text file with a line for each image",
            found=str(error),
            fix="write it again, or give another directory with --dataset-path",
        ) from error
    return _in_lines(path, text)


def require_files(directory: Path, names: list[str]) -> None:
    """Raise if an image is missing: later sample indices would be wrong if it were left out."""
    present: set[str] = set()
    for folder in sorted({name.rpartition("/")[0] for name in names}):
        # One listing for thousands of names; broken links are not files.
        present.update(f"{folder}/{name}" if folder else name for name in _files(directory / folder))
    missing = [name for name in names if name not in present]
    if missing:
        raise DatasetError(
            f"{len(missing):,} of {len(names):,} images are missing in {directory}",
            expected=f"every image of {VAL_MAP}",
            found=f"{len(missing):,} missing, the first: {missing[0]}",
            fix=f"copy the missing images there, or give a {VAL_MAP} that names those that are there",
        )


def _in_lines(path: Path, text: str) -> list[LabelledImage]:
    images: list[LabelledImage] = []
    lines: dict[str, int] = {}
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), 1):
        columns = line.split()
        if len(columns) != 2:
            raise _bad_line(path, number, "a file name and a label", f"{len(columns)} columns: {line[:60]!r}")
        name, label = columns
        if not (label.isascii() and label.isdigit() and len(label) < _LONGEST_LABEL and int(label) < MOST_CLASSES):
            raise _bad_line(path, number, f"a label from 0 to {MOST_CLASSES - 1}", repr(label[:60]))
        if name.startswith("/") or ".." in name.split("/") or "\0" in name:
            raise _bad_line(path, number, "a name in the data set's directory", repr(name[:60]))
        if name in lines:
            raise _bad_line(path, number, "each image once", f"{name}, which line {lines[name]} has, too")
        lines[name] = number
        images.append(LabelledImage(name, int(label)))
    if not images:
        raise DatasetError(
            f"{path} is empty", expected="a line for each image: file name and label", found="no lines", fix=_GIVE
        )
    return images


def _bad_line(path: Path, number: int, expected: str, found: str) -> DatasetError:
    return DatasetError(
        f"{path}, line {number} cannot be used",
        expected=expected,
        found=found,
        fix="correct the line; without it every later image would have another sample index",
    )


def _in_class_folders(directory: Path) -> list[LabelledImage]:
    """Return the images in the folders of the directory, by their bare names."""
    folders = sorted(_folders(directory))
    if not folders:
        raise DatasetError(
            f"{directory} does not have the layout of ImageNet",
            expected=_WANTED,
            found=f"no {VAL_MAP} and no folders",
            fix=_GIVE,
        )
    if len(folders) > MOST_CLASSES:
        raise DatasetError(
            f"{directory} has too many folders for classes",
            expected=f"at most {MOST_CLASSES:,}",
            found=f"{len(folders):,}",
            fix=_GIVE,
        )
    found = [
        (name, LabelledImage(f"{folder}/{name}", label))
        for label, folder in enumerate(folders)
        for name in _files(directory / folder)
        if not name.startswith(".")
    ]
    if not found:
        raise DatasetError(
            f"{directory} has no images",
            expected=_WANTED,
            found=f"no {VAL_MAP}, and {len(folders):,} folders without files",
            fix=_GIVE,
        )
    return [image for _, image in sorted(found, key=lambda each: (each[0], each[1].name))]


def _folders(directory: Path) -> Iterator[str]:
    try:
        with os.scandir(directory) as entries:
            yield from (entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DatasetError(
            f"cannot list {directory}", expected=_WANTED, found=error.strerror or str(error), fix=_GIVE
        ) from error


def _files(folder: Path) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry.name for entry in entries if entry.is_file())
    except FileNotFoundError:
        return
    except OSError as error:
        raise DatasetError(
            f"cannot list the images in {folder}", expected="image files", found=error.strerror or str(error), fix=_GIVE
        ) from error

"""What a data set consists of: the files of the samples that are used, and of their annotations, hashed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.artifacts.content import Content, read_content
from pytest_mlperf.datasets.base import ListsFiles
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_mlperf.datasets.base import Dataset


def data_content(dataset: Dataset, directory: Path, count: int, recorded: Sequence[str] | None = None) -> Content:
    """Hash the files that the first `count` samples of a data set and their score depend on.

    Parameters
    ----------
    dataset, directory, count
        The data set, its directory, and how many samples are used.
    recorded
        The files to hash if the data set does not say which matter; None hashes none.

    Raises
    ------
    DatasetError
        A file is missing, cannot be read, or is changed meanwhile.
    """
    lists = dataset if isinstance(dataset, ListsFiles) else None
    names = lists.used_files(directory, count) if lists else recorded or ()
    try:
        content = read_content(directory, names)
    except OSError as error:
        raise DatasetError(
            f"cannot read {error.filename}",
            expected="a file of the data set that can be read",
            found=error.strerror or str(error),
            fix="make it readable, or give another data set with --dataset-path",
        ) from error
    if lists and list(lists.used_files(directory, count)) != list(names):  # read before they were hashed
        raise DatasetError(
            f"the annotations in {directory} were changed while the data set was read",
            expected="the same files as before",
            found="others",
            fix="leave the data set alone while a session runs, and run it again",
        )
    return content


def require_unchanged(content: Content | None) -> None:
    """Raise if a file was changed since it was hashed.

    Raises
    ------
    DatasetError
        It was written, replaced or removed.
    """
    if content is not None and (change := content.change()) is not None:
        raise DatasetError(
            f"{change.path} was changed while the run used it",
            expected=change.expected,
            found=change.found,
            fix="leave the data set alone while a session runs, and run it again",
        )

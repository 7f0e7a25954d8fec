"""The protocol of data sets: where they come from, and how their samples are opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_mlperf.artifacts.recipe import Recipe
    from pytest_mlperf.origin import MissingFile, Remote


class Samples(Protocol):
    """A data set's samples by index, of any type and size: a list is one. Indexing loads a sample."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class Dataset(Protocol):
    """A data set.

    Attributes
    ----------
    name
        Its name in results.
    size
        Samples in the whole data set; None if it is in the round's file.
    requirements
        Packages for reading it, besides numpy.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class

    @property
    def size(self) -> int | None: ...  # noqa: D102 - see the class

    @property
    def requirements(self) -> tuple[str, ...]: ...  # noqa: D102 - see the class

    def source(self, count: int) -> Path | Recipe | Remote | MissingFile:
        """Return the source of a directory with at least the first `count` samples."""
        ...

    def open(self, directory: Path, count: int, variant: str) -> Samples:
        """Open the first `count` samples for a variant of the model; raise if anything is missing or broken.

        A sample may be of any type and size; mappings of arrays are stacked into batches automatically. Indexing loads
        a sample, and may happen in several threads at once.
        """
        ...


@runtime_checkable
class ListsFiles(Protocol):
    """A data set that says which files its samples and its metric are made of.

    Their digest is recorded with each result, and a run during which one is changed fails. Without this a data set from
    the cache counts as a whole, and of another directory nothing is recorded.
    """

    def used_files(self, directory: Path, count: int) -> Sequence[str]:
        """Return the names of the files that the first `count` samples and their score depend on, with ``/``.

        Raises
        ------
        DatasetError
            The directory is not what the data set expects.
        """
        ...

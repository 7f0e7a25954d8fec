"""What the files of models and data sets hold: read once in a session, and held against what the cache recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.artifacts.recipe import KnownContent
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_mlperf.artifacts.content import Content
    from pytest_mlperf.artifacts.recipe import Recipe
    from pytest_mlperf.artifacts.store import Artifact
    from pytest_mlperf.datasets.base import Dataset


class Contents:
    """The hashed files of a session's models and data sets, from the cache or given."""

    def __init__(self) -> None:
        self._artifacts: dict[Path, tuple[Recipe, Artifact]] = {}
        self._contents: dict[tuple[Path, int], Content] = {}

    def note(self, recipe: Recipe, artifact: Artifact) -> None:
        """Remember that a directory is an artifact: its files have to be what was recorded."""
        self._artifacts[artifact.path] = recipe, artifact

    def model_sha256(self, path: Path, form: str, graphs: Sequence[str]) -> str:
        """Return the digest of all files of a model.

        Parameters
        ----------
        path, form
            The file or directory, and its format.
        graphs
            The names of the graphs' files in a directory.

        Raises
        ------
        ModelError
            A file cannot be read.
        CacheError
            The model is from the cache, and was changed there.
        """
        from pytest_mlperf.backends.model_content import model_content

        directory = path if path in self._artifacts else path.parent
        return self._content(directory, (path, 0), lambda: model_content(path, form, graphs)).sha256

    def data(self, dataset: Dataset, directory: Path, count: int) -> Content | None:
        """Return the hashed files of the first `count` samples of a data set; None if nobody says which they are.

        Raises
        ------
        DatasetError
            A file is missing or cannot be read.
        CacheError
            The data set is from the cache, and was changed there.
        """
        from pytest_mlperf.datasets.data_content import data_content

        _, artifact = self._artifacts.get(directory, (None, None))
        recorded = [file.path for file in artifact.manifest.files] if artifact is not None else None
        try:
            content = self._content(
                directory, (directory, count), lambda: data_content(dataset, directory, count, recorded)
            )
        except DatasetError as error:
            if artifact is not None and (fault := artifact.fault()) is not None:
                raise artifact.damaged(fault) from error
            raise
        return content if content.files else None

    def _content(self, directory: Path, key: tuple[Path, int], read: Callable[[], Content]) -> Content:
        """Return what some files hold; they are read once in a session, and again if they were changed."""
        if (content := self._contents.get(key)) is None or content.change() is not None:
            content = read()
            self._require_recorded(directory, content)
            self._contents[key] = content
        return content

    def _require_recorded(self, directory: Path, content: Content) -> None:
        """Raise if a file of an artifact is not what its manifest lists, or what its recipe knows."""
        if directory not in self._artifacts:
            return
        recipe, artifact = self._artifacts[directory]
        recorded = {file.path: file.sha256 for file in artifact.manifest.files}
        for file in content.files:
            if file.sha256 != recorded.get(file.name):
                raise artifact.damaged(f"{file.name} has SHA-256 {file.sha256}, not {recorded.get(file.name)}")
        found = {file.name: file.sha256 for file in content.files}
        if isinstance(recipe, KnownContent) and (fault := recipe.fault(directory, found)) is not None:
            raise artifact.damaged(fault)

"""Where a model or a data set comes from: a download, a missing file, an address, or another file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_mlperf.artifacts.recipe import LocalRecipe, Recipe, RemoteRecipe


@dataclass(frozen=True)
class MissingFile:
    """A file that is missing and cannot be fetched: its description, its size as text, and the option that gives it."""

    what: str
    size: str
    option: str

    def __str__(self) -> str:
        return f"{self.what} ({self.size}; give it with {self.option})"


@dataclass(frozen=True)
class Remote:
    """A downloadable file or data set, and the option that gives a local copy.

    ``size_bytes`` is an estimate where no source states it; ``size`` is the size as text.
    """

    recipe: RemoteRecipe
    what: str
    size: str
    size_bytes: int
    option: str

    def __str__(self) -> str:
        return f"{self.what} ({self.size}; give it with {self.option}, or fetch it with --mlperf-fetch)"


@dataclass(frozen=True)
class Url:
    """The address of an endpoint that serves the model."""

    address: str


@dataclass(frozen=True)
class Derived:
    """A file that is made once from another one.

    Attributes
    ----------
    source
        The other file.
    recipe
        Returns the recipe, from the other file's path and SHA-256.
    """

    source: Path | Recipe | Remote | MissingFile
    recipe: Callable[[Path, str], LocalRecipe]

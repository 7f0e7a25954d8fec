"""Where a model or a data set comes from: a download, a missing file, an address, or another file."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
class Tool:
    """Packages that make a file, installed in an environment of their own.

    Attributes
    ----------
    requirements
        The packages. If this package has a pinned set for the first one, that set is installed.
    python
        The versions of Python that they support, as a version specifier: ``>=3.12``. Empty for any.
    """

    requirements: tuple[str, ...]
    python: str = ""


@dataclass(frozen=True)
class Derived:
    """A file that is made once from another one.

    Attributes
    ----------
    source
        The other file, which may be made from another one too.
    recipe
        Returns the recipe, from the other file's path, its digest, which covers external data, and the interpreter that
        has the tool's packages: the session's own if no tool is needed.
    tool
        What the recipe needs beside this package; None for nothing.
    source_format
        The other file's format if it differs: ``onnx``. A path that the user gives for a file of another format is then
        the file itself, not the one that it is made from.
    source_files
        The graphs' files if the other file is a directory.
    ready
        The finished file where it ships; nothing is made then, unless another source is given.
    """

    source: Path | Recipe | Remote | MissingFile | Derived
    recipe: Callable[[Path, str, str], LocalRecipe]
    tool: Tool | None = None
    source_format: str = ""
    source_files: tuple[str, ...] = ()
    ready: Path | None = None

    @property
    def origin(self) -> Path | Recipe | Remote | MissingFile:
        """The file at the beginning, which is not made from another one."""
        return self.source.origin if isinstance(self.source, Derived) else self.source

    def made_from(self, place: Path) -> Derived:
        """Return the same steps with another file at the beginning."""
        inner = self.source.made_from(place) if isinstance(self.source, Derived) else place
        return replace(self, source=inner, ready=None)

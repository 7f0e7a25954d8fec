"""What a model file is: its format, precision and graphs, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_mlperf.origin import Derived, Url

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.artifacts.recipe import Recipe
    from pytest_mlperf.origin import MissingFile, Remote

#: Formats of what has an address in place of a file: tensors over HTTP, and a chat with a language model.
ENDPOINT, CHAT = "endpoint", "chat"
#: The format of what answers by itself and loads no file.
FUNCTION = "function"


@dataclass(frozen=True)
class Tensor:
    """An input or output of a graph.

    Attributes
    ----------
    name
        The benchmark's name for it.
    dtype
        The element type, as numpy names it.
    shape
        None for a length that depends on the data.
    file_name
        The name in the model file, if it differs.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    file_name: str = ""

    @property
    def in_file(self) -> str:
        """The name in the model file."""
        return self.file_name or self.name


@dataclass(frozen=True)
class Graph:
    """A graph of a model file: its inputs and outputs, in the order in which the benchmark reads them.

    ``name`` distinguishes the graphs of one model: ``encoder``, ``decoder``; a single graph has the name ``""``.
    ``file`` is its file in a model's directory. ``unordered`` says that the rows of its outputs are a set, such as the
    detections in an image: row i of each belongs together, and equal models may give them in another order.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    name: str = ""
    file: str = ""
    unordered: bool = False


@dataclass(frozen=True)
class ModelFile:
    """A file of a benchmark's model: one for each format, precision and variant.

    Attributes
    ----------
    format
        ``onnx``, ``pytorch``, ``savedmodel``, ``tflite``, ``endpoint``, ``chat``; see `Backend.formats`.
    precision
        ``fp32``, ``bf16``, ``fp16``, ``int8``.
    source
        A path, a recipe, a download, an address, or the file from which it is made.
    graphs
        Its graphs; if empty, inputs and outputs are not checked.
    variant
        Any other difference from the model's other files that the data set and `Benchmark.encode` must know:
        ``heads``, ``NHWC``. Empty for the standard file.
    directory
        Whether it is a directory instead of a single file.
    instead
        The file to run, with a note, if a derived file cannot be made.
    """

    format: str
    precision: str
    source: Path | Recipe | Remote | MissingFile | Url | Derived
    graphs: tuple[Graph, ...] = ()
    variant: str = ""
    directory: bool = False
    instead: ModelFile | None = None

    @property
    def origin(self) -> Path | Recipe | Remote | MissingFile | Url:
        """The source; for a derived file, the source of the file at the beginning."""
        return self.source.origin if isinstance(self.source, Derived) else self.source

    def at(self, place: Path | Url) -> ModelFile:
        """Return the same file at a path or address given by the user; a derived file is then made from it."""
        if not isinstance(self.source, Derived):
            return replace(self, source=place)
        if isinstance(place, Url):
            return self.instead.at(place) if self.instead is not None else self
        if self.source.source_format and not _has_format(place, self.source.source_format):
            return replace(self, source=place, instead=None)
        instead = self.instead.at(place) if self.instead is not None else None
        return replace(self, source=self.source.made_from(place), instead=instead)

    def served(self) -> ModelFile:
        """Return the endpoint that serves this file's graphs, its address unknown."""
        return ModelFile(ENDPOINT, self.precision, Url(""), self.graphs, self.variant)

    def called(self) -> ModelFile:
        """Return the function that answers for this file's graphs, its name unknown."""
        return ModelFile(FUNCTION, self.precision, Url(""), self.graphs, self.variant)

    @property
    def graph(self) -> Graph:
        """The only graph, or the first."""
        return self.graphs[0]

    def __str__(self) -> str:
        return " ".join(filter(None, (self.format, self.precision, self.variant)))


def _has_format(place: Path, form: str) -> bool:
    """Return whether a path looks like a file of a format, by its suffix; a directory has none."""
    return place.suffix.lower() == f".{form}"

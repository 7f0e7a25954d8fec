"""The protocol of benchmarks: data set, metric, model files, and how samples become answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlperf.artifacts.recipe import LocalRecipe, Recipe, RemoteRecipe
    from pytest_mlperf.backends.base import Inputs, Model, Outputs
    from pytest_mlperf.metrics.accuracy_log import Record
    from pytest_mlperf.rules.accuracy import Limit

Edition = Literal["official", "tiny"]
SCENARIOS = ("Offline", "Server", "SingleStream", "MultiStream")
#: Called with a sample's place in the batch and its first token's bytes, for the time to the first token.
FirstToken = Callable[[int, "NDArray[Any]"], None]


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
    ``file`` is its file in a model's directory.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    name: str = ""
    file: str = ""


@dataclass(frozen=True)
class ModelFile:
    """A file of a benchmark's model: one for each format, precision and variant.

    Attributes
    ----------
    format
        ``onnx``, ``pytorch``, ``savedmodel``, ``tflite``, ``endpoint``; see `Backend.formats`.
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
        """The source; for a derived file, the source of the file from which it is made."""
        return self.source.source if isinstance(self.source, Derived) else self.source

    def at(self, place: Path | Url) -> ModelFile:
        """Return the same file at a path or address given by the user; a derived file is then made from it."""
        if isinstance(self.source, Derived):
            if isinstance(place, Url):
                return self.instead.at(place) if self.instead is not None else self
            instead = self.instead.at(place) if self.instead is not None else None
            return replace(self, source=replace(self.source, source=place), instead=instead)
        return replace(self, source=place)

    @property
    def graph(self) -> Graph:
        """The only graph, or the first."""
        return self.graphs[0]

    def __str__(self) -> str:
        return " ".join(filter(None, (self.format, self.precision, self.variant)))


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


class Metric(Protocol):
    """A measure of quality.

    Attributes
    ----------
    name
        The value's name: ``mAP``.
    unit
        The unit in which MLPerf states it: ``%``, or empty.
    requirements
        Packages for computing it, besides numpy.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class

    @property
    def unit(self) -> str: ...  # noqa: D102 - see the class

    @property
    def requirements(self) -> tuple[str, ...]: ...  # noqa: D102 - see the class

    def score(self, answers: Iterable[Record], dataset: Path) -> Mapping[str, float]:
        """Compute the metric, and possibly further values, from the answers: one record for each sample.

        Raises
        ------
        AccuracyLogError
            The answers are not what the metric expects.
        DatasetError
            The data set's directory is not what the metric expects.
        """
        ...

    def text(self, values: Mapping[str, float]) -> str:
        """Return the content of accuracy.txt: the line of the official script, which the official checker reads."""
        ...


class Records(NamedTuple):
    """Responses of a batch for LoadGen's accuracy log: sample i is ``data[offsets[i]:offsets[i + 1]]``.

    ``data`` is a contiguous uint8 array, ``offsets`` has one more entry than the batch has samples.
    """

    data: NDArray[np.uint8]
    offsets: Sequence[int]

    @classmethod
    def rows(cls, values: NDArray[Any]) -> Records:
        """Return records of equal length: row i of an array of any dtype is sample i's."""
        import numpy as np

        data = np.ascontiguousarray(values)
        size = data.nbytes // len(data) if len(data) else 0
        return cls(data.reshape(-1).view(np.uint8), range(0, data.nbytes + 1, size or 1))

    @classmethod
    def ragged(cls, values: Sequence[NDArray[Any]]) -> Records:
        """Return records of any length: array i, of any dtype, is sample i's."""
        import numpy as np

        parts = [np.ascontiguousarray(value).reshape(-1).view(np.uint8) for value in values]
        offsets = [0]
        for part in parts:
            offsets.append(offsets[-1] + len(part))
        return cls(np.concatenate(parts) if parts else np.empty(0, np.uint8), offsets)


@dataclass(frozen=True)
class Short:
    """The length of a short run of a benchmark.

    Attributes
    ----------
    samples
        The most samples of an accuracy run.
    seconds
        The duration that a performance run aims at.
    most_queries
        The most queries (in Offline: samples) of a performance run, however fast the system is.
    rehearsal
        Samples loaded for the warm-up.
    """

    samples: int = 500
    seconds: float = 2.0
    most_queries: int = 24_576
    rehearsal: int = 16


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One MLPerf benchmark in one edition. The name of its entry point is its name.

    Attributes
    ----------
    edition
        ``official``, or ``tiny`` for a small model that ships with the package.
    loadgen_model
        The name of its section in LoadGen's mlperf.conf.
    dataset, metric
        Its data set, and the metric of its answers.
    models
        Its model files, the preferred ones first.
    official_name
        Its name in MLPerf's rounds; empty if MLPerf does not have the benchmark, and then no round applies.
    scenarios
        The scenarios that it can run.
    short
        The length of a short run.
    variant
        The variant of the model file in use; `encode` and `collate` may read it.
    """

    edition: Edition
    loadgen_model: str
    dataset: Dataset
    metric: Metric
    models: tuple[ModelFile, ...]
    official_name: str = ""
    scenarios: tuple[str, ...] = SCENARIOS
    short: Short = field(default_factory=Short)
    variant: str = ""

    def limits(self, samples: int) -> Sequence[Limit]:
        """Return the limits of the metric for the first `samples` samples.

        Empty for an official edition, because its limits are in the round's file.
        """
        del samples
        return ()

    def cost(self, sample: Any) -> float:
        """Return the relative cost of a sample; batches are made of samples with similar cost."""
        del sample
        return 1.0

    def collate(self, samples: Sequence[Any]) -> Inputs:
        """Return the inputs of a batch. The default stacks samples that are mappings of arrays of one shape."""
        own = getattr(samples, "stack", None)  # adjacent samples need no copy
        inputs: Inputs = own() if own is not None else stack(samples)
        return inputs

    def encode(self, outputs: Outputs, samples: Sequence[Any], indices: Sequence[int]) -> Records:
        """Convert a batch's outputs, in the graph's order, to the log records of the reference implementation.

        By default a sample's record is its row of the first output.
        """
        del samples, indices
        return Records.rows(outputs[0])

    def answer(self, model: Model, samples: Sequence[Any], indices: Sequence[int], first: FirstToken) -> Records:
        """Answer a batch. Override this for a task with a loop or with windows."""
        del first
        return self.encode(model.run(self.collate(samples)), samples, indices)

    def model_file(self, model_format: str, precision: str, variant: str) -> ModelFile:
        """Return the entry of `models` with these properties."""
        wanted = (model_format, precision, variant)
        return next(row for row in self.models if (row.format, row.precision, row.variant) == wanted)


def stack(samples: Sequence[Mapping[str, NDArray[Any]]]) -> Inputs:
    """Return the stacked inputs of samples of one shape; the first dimension is the batch."""
    import numpy as np

    return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}

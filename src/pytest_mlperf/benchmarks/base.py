"""What a benchmark is: its data set, its metric, its model files, and how a sample becomes an answer."""

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
    """A file that is not here and cannot be fetched: what it is, its size in words, and the option that names it."""

    what: str
    size: str
    option: str

    def __str__(self) -> str:
        return f"{self.what} ({self.size}; name it with {self.option})"


@dataclass(frozen=True)
class Remote:
    """A downloadable file or data set, and the option that names one that is here already.

    ``size_bytes`` is estimated where nobody states it; ``size`` says it in words.
    """

    recipe: RemoteRecipe
    what: str
    size: str
    size_bytes: int
    option: str

    def __str__(self) -> str:
        return f"{self.what} ({self.size}; name it with {self.option}, or fetch it with --mlperf-fetch)"


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
        Where the other one is.
    recipe
        Returns how it is made, from the other's path and SHA-256.
    """

    source: Path | Recipe | Remote | MissingFile
    recipe: Callable[[Path, str], LocalRecipe]


@dataclass(frozen=True)
class Tensor:
    """An input or output of a graph.

    Attributes
    ----------
    name
        The benchmark's name of it.
    dtype
        numpy's word for the element type.
    shape
        None for a length that the data decides.
    file_name
        The model file's own name of it, where that is another.
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
    """A graph of a model file: what it takes and returns, in the order in which the benchmark reads it.

    ``name`` tells the graphs of one model apart: ``encoder``, ``decoder``; the only one is called ``""``. ``file`` is
    its file in a model's directory.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    name: str = ""
    file: str = ""


@dataclass(frozen=True)
class ModelFile:
    """A form that a benchmark's model comes in: one row a format, precision and variant.

    Attributes
    ----------
    format
        ``onnx``, ``pytorch``, ``savedmodel``, ``tflite``, ``endpoint``: a backend says which ones it loads.
    precision
        ``fp32``, ``bf16``, ``fp16``, ``int8``.
    source
        Where it is: a path, a recipe, a download, an address, or what it is made from.
    graphs
        What it takes and returns. None are checked where it is empty.
    variant
        What else tells it from other files of the model, which the data set and `Benchmark.encode` must know:
        ``heads``, ``NHWC``. Empty for the plain one.
    directory
        Whether it is a directory and not a single file.
    instead
        What is run, with a note, where a derived file cannot be made of the file that there is.
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
        """Where it is, or where that is which it is made from."""
        return self.source.source if isinstance(self.source, Derived) else self.source

    def at(self, place: Path | Url) -> ModelFile:
        """Return the file as made from, or found at, a place that the user named."""
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
        What it is called in results.
    size
        Samples in the whole; None where the round's file says it.
    requirements
        What pip installs for reading it, beside numpy.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class

    @property
    def size(self) -> int | None: ...  # noqa: D102 - see the class

    @property
    def requirements(self) -> tuple[str, ...]: ...  # noqa: D102 - see the class

    def source(self, count: int) -> Path | Recipe | Remote | MissingFile:
        """Say where a directory with at least the first `count` samples comes from."""
        ...

    def open(self, directory: Path, count: int, variant: str) -> Samples:
        """Open the first `count` samples for a variant of the model; what is missing or broken is an error here.

        A sample may be of any type and size; mappings of arrays are stacked into batches by themselves. Indexing loads
        a sample, and may happen in many threads at once.
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
        What pip installs for it, beside numpy.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class

    @property
    def unit(self) -> str: ...  # noqa: D102 - see the class

    @property
    def requirements(self) -> tuple[str, ...]: ...  # noqa: D102 - see the class

    def score(self, answers: Iterable[Record], dataset: Path) -> Mapping[str, float]:
        """Compute the values of the answers, one record a sample, that of `name` and any others.

        Raises
        ------
        AccuracyLogError
            The answers are not what the metric expects.
        DatasetError
            The data set's directory is not.
        """
        ...

    def text(self, values: Mapping[str, float]) -> str:
        """Return accuracy.txt: the line that the official script prints, which the official checker reads."""
        ...


class Records(NamedTuple):
    """Responses of a batch for LoadGen's accuracy log: ``data[offsets[i]:offsets[i + 1]]`` is sample i's bytes.

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
    """What a short run is, for a task.

    Attributes
    ----------
    samples
        The most samples of an accuracy run.
    seconds
        What a performance run aims at.
    most_queries
        The most queries (in Offline: samples) of a performance run, however fast the system is.
    rehearsal
        Samples in memory for the warm-up.
    """

    samples: int = 500
    seconds: float = 2.0
    most_queries: int = 24_576
    rehearsal: int = 16


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One MLPerf benchmark in one edition; found by an entry point, whose name is the benchmark's.

    Attributes
    ----------
    edition
        ``official``, or ``tiny`` for a small model that ships with the package.
    loadgen_model
        The name of its section in LoadGen's mlperf.conf.
    dataset, metric
        What it runs on, and what measures its answers.
    models
        Its model files, the preferred ones first.
    official_name
        Its name in the tables of MLPerf's rounds; empty for what MLPerf does not have: no round applies then.
    scenarios
        The scenarios that the task has.
    short
        What a short run is.
    variant
        That of the model file in use; `encode` and `collate` may read it.
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
        """Return what the metric must reach on the first `samples` samples.

        Empty for an official edition: the round's file has its limits.
        """
        del samples
        return ()

    def cost(self, sample: Any) -> float:
        """Return how much work a sample is, compared with others: batches are made of samples of equal cost."""
        del sample
        return 1.0

    def collate(self, samples: Sequence[Any]) -> Inputs:
        """Return the inputs of a batch; by default the samples are mappings of arrays of one shape, and are stacked."""
        own = getattr(samples, "stack", None)  # samples that lie side by side in memory need no copy
        inputs: Inputs = own() if own is not None else stack(samples)
        return inputs

    def encode(self, outputs: Outputs, samples: Sequence[Any], indices: Sequence[int]) -> Records:
        """Turn a batch's outputs, in the order of the graph's, into the reference implementation's log records.

        By default a record is the sample's row of the first output.
        """
        del samples, indices
        return Records.rows(outputs[0])

    def answer(self, model: Model, samples: Sequence[Any], indices: Sequence[int], first: FirstToken) -> Records:
        """Answer a batch. A task with a loop or with windows has its own."""
        del first
        return self.encode(model.run(self.collate(samples)), samples, indices)

    def model_file(self, model_format: str, precision: str, variant: str) -> ModelFile:
        """Return the row of `models` with these properties."""
        wanted = (model_format, precision, variant)
        return next(row for row in self.models if (row.format, row.precision, row.variant) == wanted)


def stack(samples: Sequence[Mapping[str, NDArray[Any]]]) -> Inputs:
    """Return the inputs of samples of one shape, each with the batch as its first dimension."""
    import numpy as np

    return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}

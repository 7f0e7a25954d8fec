"""What a benchmark is: a task, its contract with the model, its data set and its quality target."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlperf.artifacts.recipe import Recipe, RemoteRecipe

Edition = Literal["official", "tiny"]


@dataclass(frozen=True)
class Tensor:
    """A named input or output. ``None`` in the shape is a length that the data decides."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Contract:
    """What every model file of a benchmark must accept and return, by name."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class Metric:
    """A benchmark's measure of quality, in the unit in which MLPerf states it.

    ``reference`` is the float32 reference's value on the first ``samples`` samples, ``tolerance`` the part of it
    that must be reached: 0.99 for most, 0.999 for the high-accuracy benchmarks.
    """

    name: str
    unit: str
    reference: float
    tolerance: float
    samples: int

    @property
    def target(self) -> float:
        """The value that a run must reach."""
        return self.reference * self.tolerance


@dataclass(frozen=True)
class Score:
    """A metric's value over the samples of one accuracy log."""

    value: float
    samples: int
    details: Mapping[str, float]


@dataclass(frozen=True)
class MissingFile:
    """An official file that is not here: what it is, what it weighs, and the option that names it."""

    what: str
    size: str
    option: str

    def __str__(self) -> str:
        return f"{self.what} ({self.size}; name it with {self.option})"


@dataclass(frozen=True)
class Remote:
    """An official file that the user may have fetched, once: how, what it is and weighs, the option that names one.

    ``weight`` is in bytes, estimated where nobody states them; ``size`` says it in words.
    """

    recipe: RemoteRecipe
    what: str
    size: str
    weight: int
    option: str

    def __str__(self) -> str:
        return f"{self.what} ({self.size}; name it with {self.option}, or fetch it with --mlperf-fetch)"


class Records(NamedTuple):
    """Responses of a batch for LoadGen's accuracy log: ``data[offsets[i]:offsets[i + 1]]`` is sample i's bytes.

    ``data`` is a contiguous uint8 array, ``offsets`` has one more entry than the batch has samples.
    """

    data: NDArray[np.uint8]
    offsets: Sequence[int]


class Samples(Protocol):
    """A data set's samples, ready for the model's inputs."""

    def __len__(self) -> int: ...

    def load(self, index: int) -> Mapping[str, NDArray[Any]]:
        """Return the inputs of one sample, without the batch dimension; may be called from many threads."""
        ...


@dataclass(frozen=True)
class Benchmark(ABC):
    """One MLPerf benchmark in one edition; a subclass a task, an instance an edition.

    Attributes
    ----------
    name
        As users select it: ``retinanet``, ``retinanet-tiny``.
    edition
        ``official``, or ``tiny`` for the small model that ships with the package.
    loadgen_model
        The name of its section in LoadGen's mlperf.conf.
    scenarios
        The scenarios that the task has.
    model_formats
        The forms that its model comes in: ``onnx``; a backend runs the benchmarks that have its format.
    contract
        The model's inputs and outputs.
    dataset_size
        Samples in the whole data set, which the official target is stated for.
    accuracy_line
        The line of accuracy.txt that states the metric, as the reference implementation's script prints it and the
        official checker's patterns (ACC_PATTERN) read it: `value` and the names of the score's details are filled in.
    official_name
        Its name in the tables of MLPerf's rounds, which both editions share; empty for what MLPerf has not: no round
        applies then.
    """

    accuracy_line: ClassVar[str] = "{metric}={value:.3f}%"

    name: str
    edition: Edition
    loadgen_model: str
    scenarios: tuple[str, ...]
    model_formats: tuple[str, ...]
    contract: Contract
    dataset_size: int
    official_name: str = field(default="", kw_only=True)

    @abstractmethod
    def metric(self, samples: int) -> Metric:
        """Return the quality measure and its target for the first `samples` samples.

        Where the reference is known for the whole data set only, that is what is returned.
        """

    @abstractmethod
    def find_model(self, model_format: str, named: Path | None) -> Path | Recipe | Remote | MissingFile:
        """Say where the model's file is: the path that the user named, one we have, a recipe, or what is missing.

        A recipe's content is the one file. What is large is `Remote`: it is fetched if the user says so.
        """

    @abstractmethod
    def find_dataset(self, named: Path | None, count: int) -> Path | Recipe | Remote | MissingFile:
        """Say where a data set of at least `count` samples is: the directory named, a recipe, or what is missing."""

    @abstractmethod
    def open_samples(self, dataset: Path, count: int) -> Samples:
        """Open the first `count` samples of a data set's directory; what is missing or broken is an error here."""

    @abstractmethod
    def encode(self, outputs: Sequence[NDArray[Any]], indices: Sequence[int]) -> Records:
        """Turn a batch's outputs, in the contract's order, into the reference implementation's log records."""

    @abstractmethod
    def score(self, accuracy_log: Path, dataset: Path, scorer: str) -> Score:
        """Compute the metric from an ``mlperf_log_accuracy.json``."""

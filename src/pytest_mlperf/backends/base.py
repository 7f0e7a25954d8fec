"""The protocol of backends, which load and run models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.artifacts.recipe import LocalRecipe
    from pytest_mlperf.backends.model_file import ModelFile

#: The device of a model that is reached over a network: whatever is behind the address.
REMOTE = "remote"
#: The inputs of a batch, by the benchmark's names; the first dimension is the batch.
Inputs = Mapping[str, "NDArray[Any]"]
#: The outputs of a graph, in the order of the `ModelFile`.
Outputs = Sequence["NDArray[Any]"]


class Model(Protocol):
    """A model loaded by a runtime, on one device.

    Attributes
    ----------
    device
        The device that is used, as reported by the runtime after loading, not as requested.
    max_batch
        The largest batch that the model takes; None for any.
    concurrent
        Whether `run` may be called from several threads at once.
    weight_types
        The element types of its weights: ``fp32``, ``int8``; empty if unknown.
    """

    device: str
    max_batch: int | None
    concurrent: bool
    weight_types: Sequence[str]

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        """Run a graph on one batch. Raises if the inference fails."""
        ...

    def close(self) -> None:
        """Free the model's resources; it is not used afterwards."""
        ...


def takes_all(model: ModelFile) -> str:
    """Refuse no model file."""
    del model
    return ""


@dataclass(frozen=True)
class Traits:
    """What a backend may say of itself, as class attributes of these names, beside what every backend says.

    Attributes
    ----------
    also_requires
        More requirements for pip; all of them are needed.
    python
        The versions of Python that its packages support, as a version specifier: ``<3.12``. Empty for any.
    computes
        By precision of a model file, the other precisions in which it can run that file: ``{"fp32": ("bf16",)}``.
        `Backend.load` then gets a `ModelFile` with that precision.
    default
        Whether it is selected without ``--backend``.
    refuses
        A static method that returns why the backend cannot run a model file of its formats: a few words for
        ``--mlperf-plan``, empty if it can. The next file of the benchmark is then considered.
    """

    also_requires: tuple[str, ...] = ()
    python: str = ""
    computes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    default: bool = True
    refuses: Callable[[ModelFile], str] = takes_all

    @classmethod
    def of(cls, backend: object) -> Traits:
        """Return the traits of a backend."""
        given = {each.name: getattr(backend, each.name) for each in fields(cls) if hasattr(backend, each.name)}
        return cls(**given)

    def can_run(self, precision: str, of_file: str) -> bool:
        """Return whether a file of a precision can be run in a precision."""
        return precision == of_file or precision in self.computes.get(of_file, ())


class Answered(Protocol):
    """Takes what comes back for a batch, from any thread: first tokens, if any, and then the outputs or a failure."""

    def first(self, place: int, token: NDArray[Any]) -> None:
        """Take the first token of the sample at this place of the batch."""
        ...

    def done(self, outputs: Outputs) -> None:
        """Take the outputs."""
        ...

    def failed(self, error: BaseException) -> None:
        """Take the reason why there will be no outputs."""
        ...


@runtime_checkable
class DeferredModel(Protocol):
    """A `Model` that can also answer later, so that many batches are in flight without a thread for each.

    Attributes
    ----------
    at_once
        The most batches that may be in flight; the warm-up finds how many of them pay.
    """

    at_once: int

    def start(self, inputs: Inputs, graph: str, answered: Answered) -> None:
        """Start a graph on one batch and return; `answered` is called once with its outputs or its failure."""
        ...


class Backend(Protocol):
    """A backend. The name of its entry point is its name. The runtime is only imported when a model is loaded.

    Attributes
    ----------
    devices
        The devices that it supports.
    formats
        The model file formats that it loads, the preferred one first.
    requirements
        Alternative requirements for pip; one of them is enough.

    A backend may have more attributes; see `Traits`.
    """

    devices: tuple[str, ...]
    formats: tuple[str, ...]
    requirements: tuple[str, ...]

    def load(self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]) -> Model:
        """Load a model for `device`, each inference using `threads` threads.

        Parameters
        ----------
        file
            The file or directory; an address for the formats ``endpoint`` and ``chat``.
        model
            Its description: format, precision, graphs.
        device, threads
            The device, and the number of threads for each inference.
        options
            The user's ``--backend-option`` values, by name.

        Raises
        ------
        ModelError
            The file is missing or unreadable, or its inputs and outputs differ from `model`.
        RequirementError
            The runtime is not installed, or does not support the device.
        OptionError
            An option does not exist, or its value is invalid.
        """
        ...

    def versions(self) -> Mapping[str, str]:
        """Return the versions of the runtime's packages, for the results."""
        ...


class Preparation(NamedTuple):
    """What a backend makes of a model file before it loads it: the recipe, and what the user is told before."""

    recipe: LocalRecipe
    notice: str


@runtime_checkable
class Prepares(Protocol):
    """A backend that makes something of a model file, once, to be kept in the cache: a compiled library.

    Attributes
    ----------
    prepared
        The directory of what was made, set before `Backend.load`; None if `load` has to do without.
    """

    prepared: Path | None

    def preparation(
        self,
        file: Path,
        sha256: str,
        model: ModelFile,
        options: Mapping[str, str],
        interpreter: str,
        device: str,
    ) -> Preparation:
        """Return what is to be made; called in the session, where the runtime need not be installed.

        Parameters
        ----------
        file, sha256
            The model's file or directory, and its digest.
        model, options, device
            As for `Backend.load`.
        interpreter
            The Python with the backend's packages.

        Raises
        ------
        ModelError
            The file is missing or unreadable.
        RequirementError
            What it is made with, or for, is not there.
        OptionError
            An option does not exist, or its value is invalid.
        """
        ...

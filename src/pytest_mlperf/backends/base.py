"""The protocol between the worker and a runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.benchmarks.base import ModelFile

#: A batch, by the benchmark's names of its inputs; the first dimension is the batch.
Inputs = Mapping[str, "NDArray[Any]"]
#: What a graph returns, in the order of its outputs in the `ModelFile`.
Outputs = Sequence["NDArray[Any]"]


class Model(Protocol):
    """A model loaded by a runtime, on one device.

    Attributes
    ----------
    device
        The device that does the work, as the runtime reports it after loading, not as it was asked for.
    max_batch
        The largest batch that the model takes; None for any.
    concurrent
        Whether `run` may be called from several threads at once.
    weight_types
        The element types of its weights: ``fp32``, ``int8``; empty where the runtime does not tell.
    """

    device: str
    max_batch: int | None
    concurrent: bool
    weight_types: Sequence[str]

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        """Run one batch through a graph. Raises when the inference fails."""
        ...

    def close(self) -> None:
        """Free what the model holds; it is not used after that."""
        ...


class Backend(Protocol):
    """A runtime; its entry point's name is its own. Importing its module imports no runtime; loading a model does.

    Attributes
    ----------
    devices
        The devices that it can be asked for.
    formats
        The formats of model files that it loads, the preferred one first.
    requirements
        What pip installs for it; any one of them serves.
    """

    devices: tuple[str, ...]
    formats: tuple[str, ...]
    requirements: tuple[str, ...]

    def load(self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]) -> Model:
        """Load a model for `device`, each inference using `threads` threads.

        Parameters
        ----------
        file
            The file or directory; an address for the format ``endpoint``.
        model
            What it is: format, precision, graphs.
        device, threads
            Where it runs, and on how many threads.
        options
            What the user gave with ``--backend-option``, by name.

        Raises
        ------
        ModelError
            The file is missing, unreadable, or its inputs and outputs are not those of `model`.
        RequirementError
            The runtime is not installed, or has no such device.
        OptionError
            An option that it does not have, or a value that it cannot use.
        """
        ...

    def versions(self) -> Mapping[str, str]:
        """Return the versions of the packages that do the work."""
        ...

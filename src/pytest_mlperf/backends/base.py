"""The protocol of backends, which load and run models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.backends.model_file import ModelFile

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

"""The protocol between the worker and a runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.benchmarks.base import Contract


class Session(Protocol):
    """A model loaded by a runtime, on one device.

    Attributes
    ----------
    device
        The device that does the work, as the runtime reports it after loading, not as it was asked for.
    max_batch
        The largest batch that the model's graph takes; None for any.
    """

    device: str
    max_batch: int | None

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Sequence[NDArray[Any]]:
        """Run one batch. Returns the contract's outputs in its order. Raises when the inference fails."""
        ...


class Backend(Protocol):
    """A runtime. Importing its module imports no runtime; loading a model does.

    Attributes
    ----------
    name
        As users select it.
    devices
        The devices that it can be asked for.
    requirements
        What pip installs for it; any one of them serves.
    model_format
        The form of model file that it loads: ``onnx``.
    concurrent
        Whether one session may run from several threads at once.
    """

    name: ClassVar[str]
    devices: ClassVar[tuple[str, ...]]
    requirements: ClassVar[tuple[str, ...]]
    model_format: ClassVar[str]
    concurrent: ClassVar[bool]

    def load(self, model: Path, contract: Contract, device: str, threads: int) -> Session:
        """Load a model file for `device`, each inference using `threads` threads.

        Raises
        ------
        ModelError
            The file is missing, unreadable, or its inputs and outputs are not the contract's.
        RequirementError
            The runtime is not installed, or has no such device.
        """
        ...

    def versions(self) -> Mapping[str, str]:
        """Return the versions of the packages that do the work."""
        ...

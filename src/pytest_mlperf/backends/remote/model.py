"""A model behind an address: its event loop, its client, and the two ways to call it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pytest_mlperf.backends.base import REMOTE
from pytest_mlperf.backends.remote.http import HttpClient
from pytest_mlperf.backends.remote.loop import EventLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Answered, Inputs, Outputs
    from pytest_mlperf.backends.remote.target import Target

#: What the backends need.
REQUIREMENTS = ("aiohttp>=3.10",)


class RemoteModel(ABC):
    """A model that an endpoint runs.

    Parameters
    ----------
    target
        The endpoint.
    protocol
        What is spoken, for the results.
    """

    device: str = REMOTE
    concurrent = True
    max_batch: int | None = None
    weight_types: Sequence[str] = ()

    def __init__(self, target: Target, protocol: str) -> None:
        self.at_once = target.in_flight
        self.protocol = f"{protocol} over HTTP/1.1 over TCP"
        self.client = f"aiohttp {version('aiohttp')}"
        self.runtime = ""
        self._http = HttpClient(target)
        self._loop = EventLoop("endpoint")

    @property
    def server(self) -> str:
        """What the server calls itself."""
        return ", ".join(dict.fromkeys(filter(None, (self.runtime, self._http.server))))

    @property
    def connections(self) -> int:
        """The connections that were in use at once, at most."""
        return self._http.connections

    @property
    def notes(self) -> Sequence[str]:
        """What users must know of the run."""
        return tuple(self._http.notes())

    def open(self, look: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run what looks at the endpoint; if that fails, close the model."""
        try:
            self._loop.run(look())
        except BaseException:
            self.close()
            raise

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        """Run one batch."""
        return self._loop.run(self._infer(inputs, graph, _ignore))

    def start(self, inputs: Inputs, graph: str, answered: Answered) -> None:
        """Start one batch."""
        self._loop.start(self._report(inputs, graph, answered))

    def close(self) -> None:
        """Close the connections, and end the thread."""
        self._loop.run(self._http.close())
        self._loop.close()

    @abstractmethod
    async def _infer(self, inputs: Inputs, graph: str, first: Callable[[int, NDArray[Any]], None]) -> Outputs:
        """Return the outputs of a batch; `first` gets the first token of each sample, if there are tokens."""

    async def _report(self, inputs: Inputs, graph: str, answered: Answered) -> None:
        try:
            outputs = await self._infer(inputs, graph, answered.first)
        except asyncio.CancelledError:  # by `close`, when nobody waits for it
            raise
        except BaseException as error:  # whoever waits for an answer must hear of it
            answered.failed(error)
        else:
            answered.done(outputs)


def _ignore(place: int, token: NDArray[Any]) -> None:
    """Ignore a first token: `run` has nobody to tell."""

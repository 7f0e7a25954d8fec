"""What a scenario is: its system under test, what is tried before the test, and its figure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, Protocol, TypeVar

from pytest_mlperf.implementations.protocol import ExecutionLayout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

P = ParamSpec("P")
R = TypeVar("R")


class Figure(NamedTuple):
    """Where a scenario's result stands in the detail log (RESULT_FIELD_NEW of the official checker)."""

    key: str
    unit: str
    scale: float
    words: str


class Answering(Protocol):
    """One stream's way from samples to answers; what a SUT distributes its queries over."""

    def answer(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """Infer some loaded samples as one batch and complete them."""
        ...


class Guard(Protocol):
    """Ends the run when a thread's function raises."""

    def wrap(self, function: Callable[P, R]) -> Callable[P, R]:
        """Return `function` with every exception turned into the end of the run."""
        ...


class SUT(ABC):
    """A scenario's system under test. LoadGen calls `issue` and `flush` from the thread that runs StartTest."""

    @abstractmethod
    def issue(self, ids: list[int], indices: list[int]) -> None:
        """Take a query's samples: LoadGen's identifiers and the samples' indices, in step."""

    def flush(self) -> None:
        """LoadGen has issued its last query; a SUT that holds samples back must send them off."""

    def close(self) -> None:
        """Stop the SUT's threads after the test."""


@dataclass(frozen=True)
class Tuned:
    """A layout and what it did in rehearsal.

    ``latency`` is the seconds that a stream takes for a batch, by batch size, with all streams at work.
    """

    layout: ExecutionLayout
    samples_per_second: float
    query_seconds: float
    latency: Mapping[int, float]


@dataclass(frozen=True)
class Machine:
    """What layouts are made for: threads, the largest batch, and MultiStream's samples a query."""

    threads: int
    max_batch: int
    samples_per_query: int


@dataclass(frozen=True)
class Serving:
    """What a SUT is made of.

    Attributes
    ----------
    streams
        One a stream of the layout.
    tuned
        The layout and its figures.
    guard
        Ends the run when a stream raises.
    bound
        Server's latency bound in seconds; infinite where nothing is timed.
    cost
        Returns how much work a loaded sample is; None where all are the same.
    """

    streams: Sequence[Answering]
    tuned: Tuned
    guard: Guard
    bound: float = float("inf")
    cost: Callable[[int], float] | None = None


class Scenario(ABC):
    """A scenario of MLPerf.

    Attributes
    ----------
    name
        As LoadGen writes it.
    figure
        What its result is.
    fewest_queries
        The fewest queries (in Offline: samples) that can be VALID.
    batch_grows
        Whether larger batches are tried for the best layout, as long as they pay.
    """

    name: str
    figure: Figure
    fewest_queries: int
    batch_grows: bool = False

    @abstractmethod
    def layouts(self, machine: Machine) -> list[ExecutionLayout]:
        """Return what to try before a performance run, the simplest first."""

    @abstractmethod
    def query_size(self, layout: ExecutionLayout, machine: Machine) -> int:
        """Return the samples of a rehearsal query."""

    @abstractmethod
    def sut(self, serving: Serving) -> SUT:
        """Return the system under test."""

    def rehearsal_sut(self, serving: Serving) -> SUT:
        """Return what serves the rehearsal queries."""
        return self.sut(serving)

    def untuned(self, machine: Machine) -> ExecutionLayout:
        """Return a sound layout without measuring, for accuracy runs."""
        return ExecutionLayout(streams=machine.threads, threads=1, batch=min(machine.max_batch, 8))

    def suggested(self, tuned: Tuned) -> Iterator[tuple[str, str]]:
        """Yield settings of user.conf for a performance run that nobody has set."""
        del tuned
        return iter(())

    def queries_per_second(self, tuned: Tuned) -> float:
        """Return the queries (in Offline: samples) a second to expect."""
        return 1 / tuned.query_seconds if tuned.query_seconds else 0.0


def splits(threads: int) -> list[tuple[int, int]]:
    """Return ways to share `threads` as (streams, threads each), from one stream to one thread a stream."""
    streams = [1]
    while streams[-1] * 2 <= threads:
        streams.append(streams[-1] * 2)
    if streams[-1] != threads:
        streams.append(threads)
    return [(n, threads // n) for n in streams]


def number(value: float) -> str:
    """Return a number as user.conf takes it."""
    return f"{value:.6g}" if value < 1e15 else str(round(value))

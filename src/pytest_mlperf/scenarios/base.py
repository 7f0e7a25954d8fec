"""The base class of scenarios: the system under test, the layouts to try, and the result."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, ParamSpec, Protocol, TypeVar

from pytest_mlperf.implementations.protocol import ExecutionLayout
from pytest_mlperf.scenarios.early_stopping import FOR_AN_ESTIMATE, queries_needed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

#: See `Scenario`.
Timed = Literal["queries", "samples", ""]
P = ParamSpec("P")
R = TypeVar("R")


class Figure(NamedTuple):
    """A scenario's result in the detail log (RESULT_FIELD_NEW of the official checker).

    ``words`` is its name, except for early stopping's estimate of a percentile: that is named after the percentile.
    """

    key: str
    unit: str
    scale: float
    words: str
    estimate: bool = False


class Answering(Protocol):
    """A stream that answers samples; a SUT distributes its queries over streams."""

    def answer(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """Answer some loaded samples as one batch and complete them."""
        ...


class Guard(Protocol):
    """Ends the run when a wrapped function raises."""

    def wrap(self, function: Callable[P, R]) -> Callable[P, R]:
        """Return `function`, changed so that any exception ends the run."""
        ...


class SUT(ABC):
    """A scenario's system under test. LoadGen calls `issue` and `flush` from the thread that runs StartTest."""

    @abstractmethod
    def issue(self, ids: list[int], indices: list[int]) -> None:
        """Receive a query's samples: LoadGen's identifiers and the sample indices, in the same order."""

    def flush(self) -> None:
        """Send any samples that are held back; LoadGen has issued its last query."""

    def close(self) -> None:
        """Stop the SUT's threads after the test."""


@dataclass(frozen=True)
class Tuned:
    """A layout and its measurements in the warm-up.

    ``latency`` is the time of a batch in seconds, by batch size, while all streams work.
    """

    layout: ExecutionLayout
    samples_per_second: float
    query_seconds: float
    latency: Mapping[int, float]


@dataclass(frozen=True)
class Machine:
    """The limits for layouts: threads, the largest batch, and MultiStream's samples per query.

    ``at_once`` is how many batches a remote model may have in flight; its threads are not this machine's.
    ``machines`` are the threads of each one, where several answer.
    """

    threads: int
    max_batch: int
    samples_per_query: int
    at_once: int | None = None
    machines: tuple[int, ...] = ()

    def splits(self) -> list[tuple[int, int]]:
        """Return ways to share the threads as (streams, threads each), or numbers of batches in flight."""
        if self.at_once is None:
            largest = max(self.machines, default=self.threads)
            rest = [each for each in self.machines if each < largest]
            alike = max(1, len(self.machines) - len(rest))
            return [
                (streams * alike + sum(max(1, each // threads) for each in rest), threads)
                for streams, threads in splits(largest)
            ]
        return [(streams, 1) for streams, _ in splits(self.at_once)]


@dataclass(frozen=True)
class Serving:
    """The parts of a SUT.

    Attributes
    ----------
    streams
        One for each stream of the layout.
    tuned
        The layout and its measurements.
    guard
        Ends the run when a stream raises.
    bound
        Server's latency bound in seconds; infinite if nothing is timed.
    cost
        Returns the relative cost of a loaded sample; None if all are equal.
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
        The name in LoadGen.
    figure
        Its result in the detail log.
    batch_grows
        Whether larger batches are tried for the best layout, as long as throughput grows.
    timed
        What has a latency: ``queries``, of which one comes after the other; ``samples``, which come at any moment; or
        nothing, empty.
    """

    name: str
    figure: Figure
    batch_grows: bool = False
    timed: Timed = "queries"

    @abstractmethod
    def layouts(self, machine: Machine) -> list[ExecutionLayout]:
        """Return the layouts to try before a performance run, the simplest first."""

    @abstractmethod
    def query_size(self, layout: ExecutionLayout, machine: Machine) -> int:
        """Return the number of samples of a rehearsal query."""

    @abstractmethod
    def sut(self, serving: Serving) -> SUT:
        """Return the system under test."""

    def rehearsal_sut(self, serving: Serving) -> SUT:
        """Return the system under test for the rehearsal."""
        return self.sut(serving)

    def untuned(self, machine: Machine) -> ExecutionLayout:
        """Return a reasonable layout without measuring, for accuracy runs."""
        streams = machine.threads if machine.at_once is None else min(machine.at_once, 16)
        return ExecutionLayout(streams=streams, threads=1, batch=min(machine.max_batch, 8))

    def suggested(self, tuned: Tuned) -> Iterator[tuple[str, str]]:
        """Yield default settings of user.conf for a performance run."""
        del tuned
        return iter(())

    def fewest_queries(self, percentile: float, samples: int) -> int:
        """Return the fewest queries (in Offline: samples) of a short run, so that it can be VALID.

        Parameters
        ----------
        percentile
            The percentile of the latencies that counts, as a fraction.
        samples
            The most samples of a short accuracy run.
        """
        del samples
        return queries_needed(FOR_AN_ESTIMATE, percentile)

    def short_queries(self, rate: float, seconds: float, percentile: float, most_seconds: float) -> int:
        """Return the queries (in Offline: samples) of a short run of about `seconds` at a rate per second.

        It may take up to `most_seconds` where more queries make it likelier to be VALID.
        """
        del percentile, most_seconds
        return math.ceil(seconds * rate)

    def queries_per_second(self, tuned: Tuned) -> float:
        """Return the expected queries (in Offline: samples) per second."""
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
    """Format a number for user.conf."""
    return f"{value:.6g}" if value < 1e15 else str(round(value))

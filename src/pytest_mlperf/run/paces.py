"""How fast runs went on this machine: a file in the cache, from which it is computed how long the next ones take."""

from __future__ import annotations

import platform
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.artifacts.remembered import change_table, read_table
from pytest_mlperf.implementations.protocol import ExecutionLayout, OfficialLength
from pytest_mlperf.run.case import ACCURACY, PERFORMANCE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_mlperf.implementations.protocol import RunOptions, WorkerResult
    from pytest_mlperf.run.case import Case

FILE = "paces.json"
KEPT = 5


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast a run went. Times are in seconds.

    Attributes
    ----------
    wall
        The whole run, from the data set to the verdict.
    test
        LoadGen's test, which is part of it; of a performance run, from its first query.
    samples
        How many samples the test answered.
    samples_per_second, query_seconds
        What the warm-up of a performance run measured.
    layout, official
        That run's layout, and the length that the round asks of it.
    """

    wall: float
    test: float
    samples: int
    samples_per_second: float = 0.0
    query_seconds: float = 0.0
    layout: ExecutionLayout | None = None
    official: OfficialLength | None = None


Paces = dict[str, list[Pace]]


def key(case: Case) -> str:
    """Return the key of a case's paces; it has the machine's name, because a cache may be shared."""
    return f"{platform.node()} {case.id} {case.mode}"


def read_paces(cache: Path) -> Paces:
    """Return the paces of the last runs by `key`; empty if the file cannot be read."""
    return read_table(cache / FILE, list[Pace])


def note_pace(cache: Path, name: str, pace: Pace) -> None:
    """Add a run's pace; do nothing if the cache cannot be written."""
    change_table(cache / FILE, list[Pace], lambda paces: {**paces, name: [*paces.get(name, []), pace][-KEPT:]})


def pace_of(result: WorkerResult, wall: float) -> Pace:
    """Return the pace of a finished run that took `wall` seconds."""
    promise, test = result.promise, result.seconds.get("test", wall)
    if promise is not None and result.clock is not None:  # without the loading of its samples
        test = result.clock.shortest
    return Pace(
        wall=round(wall, 3),
        test=round(min(test, wall), 3),
        samples=result.samples_done,
        samples_per_second=promise.samples_per_second if promise is not None else 0.0,
        query_seconds=promise.query_seconds if promise is not None else 0.0,
        layout=result.layout,
        official=result.official,
    )


@dataclass(frozen=True)
class Expectation:
    """How long a case takes, from the paces of its earlier runs on this machine.

    Attributes
    ----------
    case
        The case.
    options
        The user's options.
    given
        What the user's user.conf sets for it.
    paces
        Those of its last runs.
    """

    case: Case
    options: RunOptions
    given: Mapping[str, str]
    paces: tuple[Pace, ...]

    @property
    def around(self) -> float:
        """What a run takes besides its test."""
        return statistics.median(pace.wall - pace.test for pace in self.paces)

    @property
    def sample_seconds(self) -> float:
        """What a sample of an accuracy run takes."""
        return statistics.median(pace.test / max(1, pace.samples) for pace in self.paces)

    def seconds(self) -> float | None:
        """Return what the case takes; None if it has not run here."""
        if not self.paces:
            return None
        if self.case.mode == ACCURACY:
            return self.around + self.sample_seconds * self.case.plan.sample_count
        if self.case.mode == PERFORMANCE and (test := self._test_seconds()):
            return self.around + test
        return statistics.median(pace.wall for pace in self.paces)

    def _test_seconds(self) -> float | None:
        """Return what a performance run's test takes, by its length and what warm-ups have measured."""
        from pytest_mlperf.loadgen.generated import Length
        from pytest_mlperf.loadgen.length import Wanted
        from pytest_mlperf.scenarios.base import Tuned

        measured = [pace for pace in self.paces if pace.samples_per_second and pace.layout and pace.official]
        if not measured:
            return None
        layout, official = measured[-1].layout, measured[-1].official
        if layout is None or official is None:
            return None
        rate = statistics.median(pace.samples_per_second for pace in measured)
        query = statistics.median(pace.query_seconds for pace in measured)
        benchmark, scenario = self.case.plan.benchmark, self.case.scenario
        wanted = Wanted.performance(benchmark, scenario, self.options, self.given, official)
        return wanted.seconds(
            Tuned(layout, rate, query, {}), Length.asked(official, scenario, self.case.plan.sample_count)
        )

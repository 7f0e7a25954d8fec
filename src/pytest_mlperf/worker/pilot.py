"""The pilot: decides between layouts by trials that take turns, so that what the machine does meets all of them."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pytest_mlperf.implementations.protocol import Trial
from pytest_mlperf.scenarios.base import Tuned

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_mlperf.implementations.protocol import ExecutionLayout
    from pytest_mlperf.scenarios.base import Machine, Scenario

#: A more complicated layout must beat a simpler one by this much.
GAIN = 1.03
#: With such a difference between the best trials of two layouts, no more of them are made.
CLEAR = 1.25
#: The layout that is taken has so many trials, unless one takes so many seconds.
ENOUGH, LONG = 3, 0.5


@dataclass(frozen=True)
class Effort:
    """How thoroughly layouts are compared.

    Attributes
    ----------
    trial
        About how long a trial lasts, in seconds; one query at least.
    least, most
        How many trials each of two layouts has.
    budget
        After so many seconds no two layouts are compared with more than `least` trials.
    latest
        After so many seconds nothing more is tried: a large model may take minutes for an answer.
    """

    trial: float
    least: int
    most: int
    budget: float
    latest: float = 30.0


QUICK = Effort(trial=0.03, least=2, most=5, budget=1.5)
#: That of a run with a share of a time budget, which lasts longer than a short one.
MEDIUM = Effort(trial=0.06, least=3, most=10, budget=5.0)
THOROUGH = Effort(trial=0.2, least=3, most=10, budget=30.0)
#: What lies between here and a remote model is not this machine's alone, and each of its trials may take long.
REMOTE = Effort(trial=0.3, least=1, most=1, budget=20.0, latest=20.0)
EFFORTS = {"quick": QUICK, "thorough": THOROUGH}


class Trials(Protocol):
    """Who tries layouts for a scenario on a machine."""

    @property
    def scenario(self) -> Scenario: ...  # noqa: D102 - see the class

    @property
    def machine(self) -> Machine: ...  # noqa: D102 - see the class

    def rehearse(self, layout: ExecutionLayout, seconds: float, *, warm: bool, first: bool) -> Tuned:
        """Answer rehearsal queries with a layout for about so many seconds, and measure it.

        Parameters
        ----------
        layout, seconds
            What is tried, and how long.
        warm
            Whether it was tried before.
        first
            Whether no layout was tried before.
        """
        ...

    def is_prompt(self, trial: Tuned) -> bool:
        """Return whether the layout of a trial answers soon enough to be taken."""
        ...

    def keep(self, layout: ExecutionLayout) -> object:
        """Close the models that a layout does not use."""
        ...


class Pilot:
    """Compares layouts in pairs: the best one so far with the next.

    A trial that is disturbed is only ever slower than it should be; so a layout counts by its best trial. What the test
    may expect of the layout that is taken is what it usually does.

    Parameters
    ----------
    trials
        Who tries layouts.
    effort
        How thoroughly.
    clock
        Returns seconds.
    """

    def __init__(self, trials: Trials, effort: Effort, clock: Callable[[], float] = time.perf_counter) -> None:
        self._trials = trials
        self._effort = REMOTE if trials.machine.at_once is not None else effort
        self._clock = clock
        self._end, self._latest = clock() + self._effort.budget, clock() + self._effort.latest
        self._made: dict[ExecutionLayout, list[Tuned]] = {}

    @property
    def gives_up(self) -> bool:
        """Whether nothing more is to be tried: the model has taken long enough."""
        return self._clock() > self._latest

    @property
    def record(self) -> tuple[Trial, ...]:
        """What was tried, and what was found."""
        return tuple(
            Trial(layout=layout, samples_per_second=self._best(layout).samples_per_second, trials=len(made))
            for layout, made in self._made.items()
        )

    def usual(self, layout: ExecutionLayout) -> Tuned:
        """Return what a layout usually does: the medians of its trials. For that it is tried once at least."""
        if layout not in self._made:
            self._try(layout)
        made = self._made[layout]
        rate = statistics.median(each.samples_per_second for each in made)
        return Tuned(layout, rate, statistics.median(each.query_seconds for each in made), {})

    def expected(self, layout: ExecutionLayout) -> Tuned:
        """Return the same of the layout that is taken: a single trial that is disturbed would make the test another."""
        for _ in range(min(ENOUGH, self._effort.most)):
            made = self._made.get(layout, [])
            if len(made) >= ENOUGH or (made and (made[-1].query_seconds > LONG or self.gives_up)):
                break
            self._try(layout)
        return self.usual(layout)

    def is_better(self, layout: ExecutionLayout, than: ExecutionLayout) -> bool:
        """Return whether a layout is better than the best one so far, and answers soon enough."""
        if than not in self._made:
            self._try(than)
        for done in range(1, self._effort.most + 1):
            self._try(layout)
            ratio = self._best(layout).samples_per_second / self._best(than).samples_per_second
            is_clear = not 1 / CLEAR < ratio < CLEAR
            if self.gives_up or (done >= self._effort.least and (is_clear or self._clock() > self._end)):
                break
            if done < self._effort.most:
                self._try(than)
        best = self._best(layout)
        return best.samples_per_second > self._best(than).samples_per_second * GAIN and self._trials.is_prompt(best)

    def _best(self, layout: ExecutionLayout) -> Tuned:
        return max(self._made[layout], key=lambda trial: trial.samples_per_second)

    def _try(self, layout: ExecutionLayout) -> None:
        warm, first = layout in self._made, not self._made
        trial = self._trials.rehearse(layout, self._effort.trial, warm=warm, first=first)
        self._made.setdefault(layout, []).append(trial)


def seconds_of_a_batch(tuned: Tuned) -> float:
    """Return how long a batch takes while all streams work."""
    rate = tuned.samples_per_second
    return tuned.layout.streams * tuned.layout.batch / rate if rate else math.inf

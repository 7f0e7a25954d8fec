"""A session's time budget: how long each of its runs may take, so that all of them fit."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.run.case import ACCURACY, Plan
from pytest_mlperf.run.paces import key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from pytest_mlperf.run.case import Case
    from pytest_mlperf.run.judge import Run
    from pytest_mlperf.run.paces import Expectation

#: Of the time for an accuracy run so much is aimed at.
CAUTION = 0.9


@dataclass(frozen=True)
class Budget:
    """The time that a session has for its runs.

    Attributes
    ----------
    ends
        When it is over, in seconds since the epoch.
    begun
        The file that records which runs have begun, for the processes of a session.
    cases
        The session's cases.
    expect
        Returns how long a case takes, from its earlier runs.
    """

    ends: float
    begun: Path
    cases: Iterable[Case]
    expect: Callable[[Case], Expectation]

    def limited(self, run: Run) -> Run:
        """Return a run that begins now, with the time that it may take.

        The time that is left is shared by the runs that have not begun. An accuracy run has as many samples as fit, by
        what a sample took in earlier runs; without any, those of a short run.
        """
        seconds = self._share(run.case)
        if run.case.mode == ACCURACY:
            count = self.samples(run.case, seconds)
            case = replace(run.case, decided=run.case.plan.with_samples(count))
            return replace(run, case=case, spec=structs.replace(run.spec, sample_count=count, budget=seconds))
        return replace(run, spec=structs.replace(run.spec, budget=seconds))

    def samples(self, case: Case, seconds: float) -> int:
        """Return how many samples an accuracy run of `seconds` may have."""
        plan, expected = case.plan, self.expect(case)
        few = min(plan.benchmark.short.samples, plan.sample_count)
        if not expected.paces:
            return few
        affordable = (seconds - expected.around) * CAUTION / max(expected.sample_seconds, 1e-9)
        return max(few, min(plan.sample_count, int(affordable)))

    def pass_over(self, case: Case) -> None:
        """Leave the time of a run to the others: it has a result already."""
        self._note(run_key(case))

    def _share(self, case: Case) -> float:
        """Note that a case begins; return its share of the time that is left."""
        mine, begun = run_key(case), self._read()
        needs = needs_of((*self.cases, case), self.expect)
        waiting = {name: need for name, need in needs.items() if name not in begun or name == mine}
        self._note(mine)
        return share(max(0.0, self.ends - time.time()), waiting, mine)

    def _read(self) -> set[str]:
        try:
            return set(self.begun.read_text("utf-8").splitlines())
        except FileNotFoundError:
            return set()

    def _note(self, name: str) -> None:
        self.begun.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.begun, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, f"{name}\n".encode())
        finally:
            os.close(descriptor)


def run_key(case: Case) -> str:
    """Return the key of one of a session's runs, of which a repeated case has several."""
    number, of = case.repetition
    return f"{key(case)} {number}" if of > 1 else key(case)


def needs_of(cases: Iterable[Case], expect: Callable[[Case], Expectation]) -> dict[str, float]:
    """Return the time that each run needs at official length, by its `run_key`; infinite if it has not run here."""
    expected = {run_key(case): expect(case).seconds() for case in cases if isinstance(case.decided, Plan)}
    return {name: math.inf if seconds is None else seconds for name, seconds in expected.items()}


def share(seconds: float, needs: Mapping[str, float], name: str) -> float:
    """Return one's share of a time: as much as the others, and what those leave over that need less."""
    left, waiting = seconds, len(needs)
    for need in sorted(needs.values()):
        equal = left / waiting
        if need >= equal:
            return min(needs[name], equal)
        left, waiting = left - need, waiting - 1
    return needs[name]

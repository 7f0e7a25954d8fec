"""The pilot chooses right although other programs disturb its trials, and ends in its time."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from pytest_mlperf.implementations.protocol import ExecutionLayout
from pytest_mlperf.scenarios import SCENARIOS
from pytest_mlperf.scenarios.base import Machine, Tuned
from pytest_mlperf.worker.pilot import ENOUGH, QUICK, REMOTE, THOROUGH, Effort, Pilot
from pytest_mlperf.worker.tuning import measure, tune

ONE, TWO = (ExecutionLayout(streams=n, threads=2 // n, batch=1) for n in (1, 2))


@dataclass
class Disturbed:
    """A machine whose layouts have these rates, of which half of the trials are slowed down by others."""

    rates: dict[int, float]
    seed: int
    busy: float = 0.5
    of_batch: float = 0.9
    scenario: object = SCENARIOS["Offline"]
    machine: Machine = field(default_factory=lambda: Machine(2, max_batch=8, samples_per_query=8))
    tried: list[ExecutionLayout] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def rehearse(self, layout: ExecutionLayout, seconds: float, *, warm: bool, first: bool) -> Tuned:
        assert warm is (layout in self.tried)
        assert first is (not self.tried)
        self.tried.append(layout)
        rate = self.rates[layout.streams] * (self.of_batch if layout.batch > 1 else 1.0)
        rate *= 1 + 0.01 * self._random.random()
        if self._random.random() < self.busy:
            rate *= self._random.uniform(0.4, 0.95)
        return Tuned(layout, rate, 1 / rate, {})

    def is_prompt(self, trial: Tuned) -> bool:
        return True

    def keep(self, layout: ExecutionLayout) -> None:
        return None


@pytest.mark.parametrize("effort", [QUICK, THOROUGH])
@pytest.mark.parametrize(("rates", "right"), [({1: 100.0, 2: 123.0}, 2), ({1: 123.0, 2: 100.0}, 1)])
def test_the_right_layout_is_chosen_19_times_of_20_on_a_busy_machine(
    rates: dict[int, float], right: int, effort: Effort
) -> None:
    chosen = [tune(Disturbed(rates, seed), effort)[0].layout.streams for seed in range(400)]  # type: ignore[arg-type]
    assert chosen.count(right) >= 0.95 * len(chosen)


def test_all_that_was_tried_is_recorded_and_what_is_expected_is_the_usual() -> None:
    machine = Disturbed({1: 100.0, 2: 110.0}, 1)
    tuned, record = tune(machine, THOROUGH)  # type: ignore[arg-type]
    assert tuned.layout == TWO
    best = next(each.samples_per_second for each in record if each.layout == TWO)
    assert 110 <= best < 112
    assert tuned.samples_per_second < best
    assert [(each.layout.streams, each.layout.batch) for each in record] == [(1, 1), (2, 1), (2, 2)]
    assert sum(each.trials for each in record) == len(machine.tried)


def test_what_is_clear_is_not_tried_further() -> None:
    machine = Disturbed({1: 100.0, 2: 200.0}, 1, busy=0.0, of_batch=0.5)
    tune(machine, QUICK)  # type: ignore[arg-type]
    assert len(machine.tried) <= 2 * QUICK.least + QUICK.least + 1


def test_after_its_time_the_pilot_decides_by_the_fewest_trials() -> None:
    machine = Disturbed({1: 100.0, 2: 101.0}, 1, busy=0.0, of_batch=1.0)
    tune(machine, Effort(trial=0.1, least=2, most=50, budget=0.0))  # type: ignore[arg-type]
    assert len(machine.tried) <= 2 * 2 + 2 * 2


@dataclass
class Once(Disturbed):
    """The same, where the first trial is disturbed most of all, and a query takes some seconds."""

    seconds: float = 0.01

    def rehearse(self, layout: ExecutionLayout, seconds: float, *, warm: bool, first: bool) -> Tuned:
        rate = 61.0 if first else self.rates[layout.streams]
        self.tried.append(layout)
        return Tuned(layout, rate, self.seconds, {})


@pytest.mark.parametrize("scenario", ["Offline", "Server", "SingleStream"])
def test_one_disturbed_trial_does_not_decide_what_is_expected_of_a_layout_that_is_given(scenario: str) -> None:
    machine = Once({1: 280.0}, 1, scenario=SCENARIOS[scenario])
    assert measure(ONE, machine).samples_per_second == 280.0  # type: ignore[arg-type]
    assert machine.tried.count(ONE) == ENOUGH


def test_a_layout_whose_queries_take_long_is_measured_once() -> None:
    machine = Once({1: 280.0}, 1, seconds=2.0)
    assert measure(ONE, machine).samples_per_second == 61.0  # type: ignore[arg-type]
    assert machine.tried == [ONE]


def test_a_remote_model_is_measured_once() -> None:
    machine = Once({1: 280.0}, 1, machine=Machine(1, max_batch=1, samples_per_query=8, at_once=4))
    measure(ONE, machine)  # type: ignore[arg-type]
    assert REMOTE.most == 1
    assert machine.tried == [ONE]


@dataclass
class Slow(Disturbed):
    """A machine whose trials take some seconds of a clock that only they move."""

    takes: float = 10.0
    now: float = 0.0

    def rehearse(self, layout: ExecutionLayout, seconds: float, *, warm: bool, first: bool) -> Tuned:
        self.now += self.takes
        return super().rehearse(layout, seconds, warm=warm, first=first)


@pytest.mark.parametrize("effort", [QUICK, THOROUGH])
@pytest.mark.parametrize("takes", [10.0, 100.0])
def test_whatever_the_effort_no_trial_begins_after_the_latest_moment(effort: Effort, takes: float) -> None:
    machine = Slow({1: 1.0, 2: 1.02}, 1, busy=0.0, takes=takes)
    pilot = Pilot(machine, effort, clock=lambda: machine.now)  # type: ignore[arg-type]
    pilot.is_better(TWO, ONE)
    assert machine.tried[:2] == [ONE, TWO]  # which are compared all the same
    assert len(machine.tried) <= max(2, effort.latest / takes + 1)
    assert pilot.gives_up

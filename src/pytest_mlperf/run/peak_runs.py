"""Finds the highest valid rate of a Server case: its probes are runs of their own, and one more confirms the rate."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.errors import RunError
from pytest_mlperf.implementations.protocol import RESULT_FILE, read_result
from pytest_mlperf.loadgen.user_conf import given_user_conf
from pytest_mlperf.rules.detail_log import read_detail_log
from pytest_mlperf.rules.log_files import DETAIL_LOG
from pytest_mlperf.run.case import PERFORMANCE
from pytest_mlperf.run.peak import Search
from pytest_mlperf.run.peak_curve import Point
from pytest_mlperf.run.peak_lengths import FEWEST, Lengths
from pytest_mlperf.run.probe import Probe, late_of, percentiles_of, point_of
from pytest_mlperf.run.rates import at_rate, rounded

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from pytest_mlperf.implementations.protocol import ExecutionLayout, Progress, RunOptions, RunSpec, Trial
    from pytest_mlperf.run.case import Case
    from pytest_mlperf.run.child import OnProgress
    from pytest_mlperf.run.judge import Run
    from pytest_mlperf.run.probe import Purpose
    from pytest_mlperf.run.result import Outcome, RunResult

    class Once(Protocol):
        """Executes a run; see `Runner`."""

        def __call__(self, run: Run, *, shown: Callable[[OnProgress], OnProgress] | None = None) -> Outcome:
            """Return its outcome; with `shown` it is a probe, and its progress is shown so."""
            ...


#: At most so many runs are made to confirm a rate, each at a lower one.
MOST_CONFIRMING = 3
#: A probe is ended that takes so many times as long as its queries come, and so many seconds more.
PATIENCE, PATIENCE_SECONDS = 1.5, 3.0
#: The latency bound where it is not known, in seconds.
LONG_BOUND = 60.0
#: After so many rates at which the system fell behind the first one is given up.
MOST_FIRST = 5
#: The rate after one at which the system fell behind, as a part of what it answered.
RELIEF = 0.5
#: A longer run than the probes is so much steadier: its arrivals and its disturbances are averaged over more time.
STEADIER = 0.5
#: With so much between the chosen rate and the middle of the peak, the machine was not steady.
UNSTEADY = 0.05


def has_peak(case: Case, options: RunOptions) -> bool:
    """Return whether a case is to be run at its highest valid rate."""
    return options.find_peak and case.mode == PERFORMANCE and case.scenario == "Server"


class _FellBehindError(Exception):
    """A probe was ended, since the system fell behind."""

    def __init__(self, answered: int, rate: float) -> None:
        super().__init__()
        self.answered, self.rate = answered, rate


class _FailedError(Exception):
    """A probe has no result."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


@dataclass
class PeakRuns:
    """The runs of a search.

    Attributes
    ----------
    run
        The run that is to be made at the highest valid rate.
    once
        Executes a run.
    directory
        Makes a new directory for a run, by what it is for.
    probes
        What was run so far.
    """

    run: Run
    once: Once
    directory: Callable[[str], Path]
    probes: list[Probe] = field(default_factory=list)
    _lengths: Lengths | None = None
    _layout: ExecutionLayout | None = None
    _pilot: tuple[Trial, ...] = ()

    def outcome(self) -> Outcome:
        """Return the outcome of the confirming run, with all probes in its result; that of a probe that failed."""
        search = Search(self._probe)
        try:
            first = self._first()
            if self.lengths.full(first.rate) < self.lengths.confirming(first.rate):
                search.steadier = STEADIER
            return self._confirmed(search, search.find(first))
        except _FailedError as failed:
            return failed.outcome

    @property
    def lengths(self) -> Lengths:
        """How long the runs are; known after the first."""
        if self._lengths is None:
            raise ValueError("no probe was finished yet")
        return self._lengths

    def _first(self) -> Point:
        """Make the first probe: at the user's rate, or at that which the warm-up suggests. It finds the layout."""
        spec, point = structs.replace(self.run.spec, test_query_count=FEWEST), None
        for _ in range(MOST_FIRST):
            point = self._made(spec, spec.target_qps, "short")
            if self._lengths is not None:
                break
            spec = structs.replace(spec, target_qps=rounded(RELIEF * point.rate * point.kept_up))
        if point is None or self._lengths is None:
            raise _FailedError(self.once(self.run))
        return point

    def _probe(self, rate: float, *, full: bool) -> Point:
        """Make a probe with the layout of the first."""
        rate, lengths = rounded(rate), self.lengths
        queries = lengths.full(rate) if full else lengths.short(rate)
        spec = structs.replace(self._at(rate), test_query_count=queries)
        if full and queries < lengths.confirming(rate) and spec.round is not None:
            # The first part of one schedule would tell nothing of the rest of it: each probe has one of its own.
            seed = spec.round.schedule_rng_seed + len(self.probes)
            spec = structs.replace(spec, round=structs.replace(spec.round, schedule_rng_seed=seed))
        return self._made(spec, rate, "full" if full else "short")

    def _made(self, spec: RunSpec, rate: float | None, purpose: Purpose) -> Point:
        """Run a probe; `rate` is None for the one that the warm-up suggests.

        Of what the user asks for the run, the minimum duration and the turns with another model are not for probes.
        """
        output = str(self.directory("peak").absolute())
        spec = structs.replace(spec, output=output, old=None, min_duration=None)
        start = time.monotonic()
        try:
            outcome = self.once(replace(self.run, spec=spec), shown=lambda show: self._watched(show, spec, rate))
        except _FellBehindError as behind:
            offered, seconds = rate or behind.rate, round(time.monotonic() - start, 3)
            self.probes.append(
                Probe(offered, behind.answered, late=None, verdict="ended", purpose=purpose, seconds=seconds)
            )
            return Point(offered, late=True, kept_up=min(1.0, behind.rate / offered), full=purpose == "full")
        if outcome.error is not None:
            raise _FailedError(outcome)
        return self._seen(outcome.result, rate, purpose)

    def _watched(self, show: OnProgress, spec: RunSpec, rate: float | None) -> OnProgress:
        """Return what shows a probe's progress, and ends it when the system falls behind."""
        queries = spec.test_query_count or 0
        limit = PATIENCE * queries / rate + PATIENCE_SECONDS + self._bound if rate else float("inf")
        words = "finding the peak: " + (f"{self.probes[-1].told}; now " if self.probes else "")
        words += f"{rate:,.4g} queries/s" if rate else "the warm-up"
        began: float | None = None

        def see(progress: Progress) -> None:
            nonlocal began
            if progress.phase == PERFORMANCE and progress.done:
                began = progress.seconds if began is None else began
                lasted = progress.seconds - began
                if lasted > limit and progress.done < queries:
                    raise _FellBehindError(progress.done, progress.done / lasted)
            show(structs.replace(progress, phase=f"{words}, {progress.phase}"))

        return see

    @property
    def _bound(self) -> float:
        """Server's latency bound in seconds."""
        spec = self.run.spec
        of_round = spec.round.server_target_latency_ns if spec.round is not None else None
        return spec.target_latency / 1e3 if spec.target_latency else of_round / 1e9 if of_round else LONG_BOUND

    def _seen(self, result: RunResult, rate: float | None, purpose: Purpose) -> Point:
        """Record a finished run; return what it says."""
        log = read_detail_log(Path(result.output) / DETAIL_LOG)
        if self._lengths is None:
            self._learn(result)
        rate = rate or log.number("effective_target_qps") or 1.0
        point = point_of(log, rate, self.lengths.share(rate), full=purpose != "short")
        self.probes.append(
            Probe(
                rate,
                int(log.number("result_query_count") or 0),
                late=late_of(log),
                verdict="INVALID" if point.late else "VALID",
                purpose=purpose,
                latency_ms=percentiles_of(log),
                seconds=round(result.seconds.get("wall", 0.0), 3),
            )
        )
        return point

    def _learn(self, result: RunResult) -> None:
        """Keep what the first run found for all others."""
        spec, benchmark = self.run.spec, self.run.case.plan.benchmark
        official = read_result(Path(result.output) / RESULT_FILE).official
        if official is None:
            raise RunError(
                f"the implementation {result.implementation} does not say how long a run of official length is",
                expected=f"the field official in {RESULT_FILE}",
                found="none",
                fix="add it to the implementation, or leave --mlperf-find-peak out",
            )
        conf = given_user_conf(spec.user_conf)
        given = conf.settings(benchmark.loadgen_model, spec.scenario)
        self._lengths = Lengths(spec, benchmark, given, official)
        self._layout, self._pilot = result.layout, result.pilot

    def _at(self, rate: float) -> RunSpec:
        return at_rate(self.run.spec, rate, self._layout)

    def _confirmed(self, search: Search, rate: float) -> Outcome:
        """Run at a rate, and at lower ones if that is late; return the last outcome."""
        outputs = partial(self.directory, PERFORMANCE)
        output = self.run.spec.output
        for left in reversed(range(MOST_CONFIRMING)):
            rate = rounded(rate)
            notes = (*_notes(self.run.case, search, rate),)
            outcome = self.once(replace(self.run, spec=structs.replace(self._at(rate), output=output)))
            if outcome.error is not None:
                break
            point = self._seen(outcome.result, rate, "confirming")
            if not left or not point.late or search.is_hopeless:
                break
            rate, output = search.below(point), str(outputs().absolute())
        result = structs.replace(outcome.result, peak=tuple(self.probes), pilot=self._pilot)
        return outcome._replace(result=structs.replace(result, notes=(*result.notes, *notes)))


def _notes(case: Case, search: Search, rate: float) -> tuple[str, ...]:
    """Return what the user should know of a rate besides its probes."""
    if search.is_hopeless:
        return (
            f"{case.id}: no rate is valid: even at {rate:,.4g} queries/s, the lowest that was tried, answers take "
            "longer than the latency bound",
        )
    if search.is_open:
        return (
            f"{case.id}: the highest valid rate may be higher: the search ended at {rate:,.4g} queries/s, before any "
            "rate was too high; --target-qps lets it begin there",
        )
    below = 1 - rate / search.middle
    if below <= UNSTEADY:
        return ()
    return (
        f"{case.id}: runs at the same rate differ: the highest rate that is valid 99 times of 100 is {below:.0%} below "
        "the one that is valid every other time; a quieter machine or a longer run gives more",
    )

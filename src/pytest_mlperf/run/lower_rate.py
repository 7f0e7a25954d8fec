"""Makes a Server run again at a lower rate where answers came too late at the one that the warm-up suggests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.loadgen.user_conf import given_user_conf
from pytest_mlperf.rules.detail_log import read_detail_log
from pytest_mlperf.rules.log_files import DETAIL_LOG
from pytest_mlperf.run.case import PERFORMANCE
from pytest_mlperf.run.rates import at_rate, rounded

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_mlperf.rules.finding import Finding
    from pytest_mlperf.run.judge import Run
    from pytest_mlperf.run.result import Outcome, RunResult

#: So many more runs are made at most, each at this part of the rate before.
MOST, LESS = 2, 0.5
#: What a run is INVALID for if its answers came too late, in the order in which it is told; the last says that it is.
_LATE = ("loadgen-latency-bound", "early-stopping", "result-validity")


@dataclass(frozen=True)
class LowerRate:
    """The runs of a Server case whose user gave no rate.

    Attributes
    ----------
    run
        The first run.
    once
        Executes a run.
    directory
        Makes a new directory for a run.
    say
        Tells the user why there is another run.
    """

    run: Run
    once: Callable[[Run], Outcome]
    directory: Callable[[], Path]
    say: Callable[[str], None]

    def outcome(self, first: Outcome) -> Outcome:
        """Return the outcome of the last run that is needed, with what was tried before it in its notes."""
        outcome, notes = first, list[str]()
        for _ in range(MOST):
            late = lateness(outcome.result)
            if late is None:
                break
            rate = offered(outcome.result)
            lower = rounded(LESS * rate)
            tried = f"{rate:,.4g} queries/s were too many: {late.what} (expected {late.expected}; found {late.found})"
            self.say(f"{self.run.case.title} {self.run.case.mode}: {tried}; runs again at {lower:,.4g} queries/s")
            notes.append(f"{self.run.case.id}: run again at a lower rate: {tried}, see {outcome.result.output}")
            output = str(self.directory().absolute())
            spec = structs.replace(at_rate(self.run.spec, lower, outcome.result.layout), output=output)
            outcome = self.once(replace(self.run, spec=spec))
        if outcome is first:
            return first
        result = structs.replace(outcome.result, pilot=first.result.pilot, notes=(*outcome.result.notes, *notes))
        return outcome._replace(result=result)


def is_suggested(run: Run) -> bool:
    """Return whether the rate of a run is that of the warm-up, and no value of the user's."""
    spec = run.spec
    if spec.scenario != "Server" or spec.mode != PERFORMANCE or spec.target_qps is not None:
        return False
    given = given_user_conf(spec.user_conf).settings(run.case.plan.benchmark.loadgen_model, spec.scenario)
    return "target_qps" not in given


def lateness(result: RunResult) -> Finding | None:
    """Return what a run is INVALID for, if that is only that answers came too late, and a lower rate may help."""
    broken = {finding.rule: finding for finding in result.errors}
    if result.performance is None or not broken or set(broken) - set(_LATE):
        return None
    log = read_detail_log(Path(result.output) / DETAIL_LOG)
    fastest, bound = log.number("result_min_latency_ns") or 0, log.number("effective_target_latency_ns")
    if bound and fastest > bound:  # no rate would do
        return None
    return next((broken[rule] for rule in _LATE[:-1] if rule in broken), None)


def offered(result: RunResult) -> float:
    """Return the rate that was offered in a run, in queries per second; 1 is LoadGen's where nobody sets one."""
    return read_detail_log(Path(result.output) / DETAIL_LOG).number("effective_target_qps") or 1.0

"""Runs a case in a child process and returns its result; independent of pytest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.errors import MLPerfError, RunError
from pytest_mlperf.run import layouts
from pytest_mlperf.run.case import ACCURACY, COMPLIANCE, PERFORMANCE
from pytest_mlperf.run.compliance import References, as_tested, judge_compliance, needs_answers
from pytest_mlperf.run.directories import run_directory
from pytest_mlperf.run.execution import Execution, layout_key
from pytest_mlperf.run.judge import Run, failed
from pytest_mlperf.run.lower_rate import LowerRate, is_suggested, lateness
from pytest_mlperf.run.peak_runs import PeakRuns, has_peak
from pytest_mlperf.run.references import Kept, turn
from pytest_mlperf.run.result import Outcome
from pytest_mlperf.run.reuse import Earlier, Found, NotReused, basis_of
from pytest_mlperf.run.spec import spec_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_mlperf.implementations.protocol import RunOptions
    from pytest_mlperf.run.case import Case
    from pytest_mlperf.run.surroundings import Provided, Surroundings


@dataclass(frozen=True)
class Runner:
    """Runs a case, and the runs that its compliance test is compared with."""

    options: RunOptions
    provided: Provided
    around: Surroundings

    def run(self, case: Case, *, shared: bool) -> Outcome:
        """Run a case once.

        A performance run locks the device; accuracy runs share it. A compliance test is compared with the case's
        accuracy and performance runs of the session. It makes the missing ones; their own items then report these
        results instead of running again.

        Parameters
        ----------
        case
            The case.
        shared
            Whether a compliance test of the session is compared with this run.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C was pressed twice within a few seconds.
        """
        if case.mode == COMPLIANCE:
            return self._comply(case)
        return self._shared(case, mine=True) if shared else self._reused_or_run(case)

    def _reused_or_run(self, case: Case) -> Outcome:
        """Return the result of an earlier session, if the user asks for that and there is one; else run the case."""
        if not self.around.reuse or case.mode != PERFORMANCE:
            return self._made(case)
        earlier = Earlier(self.around.directory.parent, self.around.directory.name)
        found = look_up(case, self.options, self.provided, earlier)
        if isinstance(found, Found):
            self.around.say(found.result.notes[-1], True)
            if self.around.budget is not None:
                self.around.budget.pass_over(case)
            return Outcome(found.result)
        self.around.say(f"{case.title} {case.mode}: runs: {found.reason}", False)
        outcome = self._made(case)
        # Not before: what the record says is told of the run in later sessions, too.
        return outcome._replace(
            result=structs.replace(outcome.result, notes=(*outcome.result.notes, *found.notes(case)))
        )

    def _made(self, case: Case) -> Outcome:
        """Run a case: with --mlperf-find-peak at its highest valid rate, else again if the warm-up's is too high."""
        run = self._prepare(case)
        if has_peak(case, self.options):
            if self.around.budget is not None:  # which the search and the run share
                run = self.around.budget.limited(run)
            return self._as_asked(run, lambda run: PeakRuns(run, self._execution.once, self._directory(case)).outcome())
        first = self._execution.once(run)
        if not is_suggested(run) or lateness(first.result) is None:
            return first
        say, directory = partial(self.around.say, always=True), partial(self._directory(case), PERFORMANCE)
        return self._as_asked(run, lambda run: LowerRate(run, self._execution.once, directory, say).outcome(first))

    def _as_asked(self, run: Run, make: Callable[[Run], Outcome]) -> Outcome:
        """Make a run at a rate that is not known yet; keep what it finds for the run as it was asked for."""
        try:
            run = self._execution.with_data(run)
            basis = self._execution.basis(run)
            outcome = make(run)
        except MLPerfError as error:
            return Outcome(failed(run, error), error)
        self._execution.keep(run, outcome.result, basis)
        return outcome

    def _directory(self, case: Case) -> Callable[[str], Path]:
        """Return what makes a new directory for a run of a case, by what it is for."""
        return partial(run_directory, self.around.directory, case.id)

    @cached_property
    def _execution(self) -> Execution:
        return Execution(self.provided, self.around)

    def _prepare(self, case: Case) -> Run:
        run = _planned(case, self.options, self.provided, run_directory(self.around.directory, case.id, case.mode))
        if case.mode != PERFORMANCE:
            return run
        kept = layouts.look_up(self.around.cache, layout_key(case, run.spec), run.spec.tune)
        return replace(run, spec=structs.replace(run.spec, kept=kept))

    def _comply(self, case: Case) -> Outcome:
        """Run a compliance test, after the runs that it is compared with."""
        from pytest_mlperf.rules.audit import audit_of

        plan = case.plan
        answers = self._shared(case.in_mode(ACCURACY)).result if needs_answers(case.test) else None
        references = References(self._shared(case.in_mode(PERFORMANCE)).result, answers)
        run = self._prepare(case)
        try:
            references.check()
        except RunError as error:
            return Outcome(failed(run, error), error)
        audit = audit_of(case.test, plan.benchmark.official_name, plan.round)
        run = as_tested(run, audit, references.performance)
        return self._execution.once(run, lambda run, finished: judge_compliance(run, finished, references))

    def _shared(self, case: Case, *, mine: bool = False) -> Outcome:
        """Return the session's run for comparison with compliance tests; make it if there is none."""
        waiting = self.around.tell(f"waiting for the {case.mode} run of {case.id}")
        with turn(self.around.references, case, waiting) as slot:
            kept = slot.read()
            if kept is None or (mine and kept.reported):
                outcome = self._reused_or_run(case)
                slot.write(Kept(result=outcome.result, reported=mine))
                return outcome
            slot.write(Kept(result=kept.result, reported=kept.reported or mine))
            return Outcome(kept.result, kept.error)


def look_up(case: Case, options: RunOptions, provided: Provided, earlier: Earlier) -> Found | NotReused:
    """Return the result of an earlier session that a performance case can have, or why it must run."""
    try:
        run = _planned(case, options, provided, Path())
        run = replace(run, data=provided.data(run.spec.sample_count))
    except MLPerfError as error:  # its run will say so
        return NotReused(error.what, earlier=False)
    return earlier.find(run, basis_of(run, provided.versions))


def _planned(case: Case, options: RunOptions, provided: Provided, output: Path) -> Run:
    spec = spec_of(
        case,
        options,
        provided.model_file,
        place=provided.model,
        dataset=provided.dataset,
        output=output,
        model_sha256=provided.model_sha256,
        reference=provided.reference,
        prepared=provided.prepared,
        loadgen_built=provided.program.loadgen_built,
        old=provided.old if case.mode == PERFORMANCE else None,
    )
    return Run(case, spec, provided.model_file, provided.notes)

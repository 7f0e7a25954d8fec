"""Runs a case in a child process and returns its result; independent of pytest."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.datasets.data_content import require_unchanged
from pytest_mlperf.errors import MLPerfError, RunError
from pytest_mlperf.implementations.protocol import KeptLayout, Progress
from pytest_mlperf.machine.cores import read_cores
from pytest_mlperf.run import layouts
from pytest_mlperf.run.case import ACCURACY, COMPLIANCE, PERFORMANCE
from pytest_mlperf.run.child import execute
from pytest_mlperf.run.compliance import References, as_tested, judge_compliance, needs_answers
from pytest_mlperf.run.directories import run_directory
from pytest_mlperf.run.inputs import inputs_of
from pytest_mlperf.run.judge import Run, failed, judge, located
from pytest_mlperf.run.paces import key, note_pace, pace_of
from pytest_mlperf.run.peak_runs import PeakRuns, has_peak
from pytest_mlperf.run.references import Kept, turn
from pytest_mlperf.run.result import Outcome
from pytest_mlperf.run.resuming import unfinished_file
from pytest_mlperf.run.reuse import Basis, Earlier, Found, NotReused, basis_of, record
from pytest_mlperf.run.spec import spec_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from pytest_mlperf.artifacts.content import Content
    from pytest_mlperf.artifacts.locks import Holder
    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.implementations.base import Program
    from pytest_mlperf.implementations.protocol import OtherModel, RunOptions, RunSpec
    from pytest_mlperf.run.budget import Budget
    from pytest_mlperf.run.case import Case
    from pytest_mlperf.run.child import Finished, OnProgress
    from pytest_mlperf.run.inputs import Unknown
    from pytest_mlperf.run.result import RunResult


@dataclass(frozen=True)
class Provided:
    """What the fixtures provide for a case.

    Attributes
    ----------
    program
        The program that runs the case.
    model, model_sha256
        The model's path or address, and its digest; empty for an address.
    model_file
        Its entry in the benchmark's ``models``.
    dataset
        The data set's directory.
    data
        Returns the hashed files of the first samples; None if nobody says which they are.
    notes
        Notes for the user.
    reference
        The ONNX file with the same graphs; empty if there is none.
    prepared
        The directory of what the backend made of the model; empty for nothing.
    old
        The model that a performance run is timed in turns with.
    versions
        Returns the versions of the packages that it runs with.
    """

    program: Program
    model: str
    model_sha256: str
    model_file: ModelFile
    dataset: Path
    data: Callable[[int], Content | None]
    notes: tuple[str, ...] = ()
    reference: str = ""
    prepared: str = ""
    old: OtherModel | None = None
    versions: Callable[[], dict[str, str]] = dict


@dataclass(frozen=True)
class Surroundings:
    """What a run needs from its session.

    Attributes
    ----------
    directory
        The session's directory, in which each run makes its own.
    references
        The directory for the runs that compliance tests are compared with.
    cache
        The cache directory, in which the paces of runs are stored.
    device
        Locks a device, exclusively or shared.
    progress
        Shows a case's progress.
    tell
        Returns a function that tells the user what a run is waiting for.
    stops
        Called at Ctrl-C with the case; returns whether the session stops, and if not, tells the user.
    budget
        Limits the time of runs; None for any time.
    reuse
        Whether results of earlier sessions are taken.
    say
        Tells the user what became of that: always, or only where the user wants to know more.
    """

    directory: Path
    references: Path
    cache: Path
    device: Callable[[str, bool], AbstractContextManager[None]]
    progress: Callable[[Case], AbstractContextManager[OnProgress]]
    tell: Callable[[str], Callable[[Holder | None], None]]
    stops: Callable[[Case], bool]
    reuse: bool
    say: Callable[[str, bool], None]
    budget: Budget | None = None


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
        """Run a case once; with --mlperf-find-peak, at its highest valid rate."""
        run = self._prepare(case)
        return self._at_peak(run) if has_peak(case, self.options) else self._once(run)

    def _at_peak(self, run: Run) -> Outcome:
        """Find the highest valid rate of a run, and make it at that rate."""
        if self.around.budget is not None:  # which the search and the run share
            run = self.around.budget.limited(run)
        try:
            run = self._with_data(run)
            # Of the run as it was asked for: the next session does not know the rate.
            basis = basis_of(run, self.provided.versions)
            outcome = PeakRuns(run, self._once, partial(run_directory, self.around.directory, run.case.id)).outcome()
        except MLPerfError as error:
            return Outcome(failed(run, error), error)
        self._keep_layout(run, outcome.result)
        _record(run, basis, outcome.result)
        return outcome

    def _prepare(self, case: Case) -> Run:
        run = _planned(case, self.options, self.provided, run_directory(self.around.directory, case.id, case.mode))
        if case.mode != PERFORMANCE:
            return run
        kept = layouts.look_up(self.around.cache, _layout_key(case, run.spec), run.spec.tune)
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
        return self._once(run, lambda run, finished: judge_compliance(run, finished, references))

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

    def _once(
        self,
        run: Run,
        judged: Callable[[Run, Finished], RunResult] = judge,
        *,
        shown: Callable[[OnProgress], OnProgress] | None = None,
    ) -> Outcome:
        """Execute a run; return a failed result for an error.

        Parameters
        ----------
        run
            The run.
        judged
            Makes its result.
        shown
            Of a probe: changes how its progress is shown.
        """
        start = time.monotonic()
        try:
            with (
                self.around.device(run.case.device, run.spec.mode == PERFORMANCE),
                self.around.progress(run.case) as show,
            ):
                on_progress = show if shown is None else shown(show)
                start = time.monotonic()  # without the time in which others had the device
                on_progress(Progress(phase="reading the data set"))
                if self.around.budget is not None:
                    run = self.around.budget.limited(run)
                run = self._with_data(run)
                recorded = run.case.mode == PERFORMANCE and shown is None
                basis = basis_of(run, self.provided.versions) if recorded else None
                finished = execute(run.spec, run.case.plan.implementation, self.provided.program, on_progress)
            require_unchanged(run.data)
            result = judged(run, finished)
            require_unchanged(run.data)
        except MLPerfError as error:
            error = located(run, error)
            return Outcome(failed(run, error), error)
        except KeyboardInterrupt:
            if self.around.stops(run.case):
                raise
            interrupted = _interrupted(run, time.monotonic() - start)
            return Outcome(failed(run, interrupted), interrupted)
        if shown is None:
            pace = pace_of(finished.result, time.monotonic() - start)
            note_pace(self.around.cache, key(run.case), pace)
        self._keep_layout(run, result)
        _record(run, basis, result)
        return Outcome(result)

    def _with_data(self, run: Run) -> Run:
        """Return the run with what its data set holds, and with the file that keeps its answers."""
        run = replace(run, data=self.provided.data(run.spec.sample_count))
        kept = unfinished_file(run, self.around.directory.parent)
        return replace(run, spec=structs.replace(run.spec, unfinished=str(kept.absolute()) if kept else ""))

    def _keep_layout(self, run: Run, result: RunResult) -> None:
        """Keep the layout that the warm-up of a valid run found."""
        name = _layout_key(run.case, run.spec)
        if name and result.pilot and result.layout is not None and result.verdict == "VALID":
            kept = KeptLayout(layout=result.layout, versions=result.versions)
            layouts.note(self.around.cache, name, layouts.Found(kept=kept, tune=run.spec.tune))


def _record(run: Run, basis: Basis | Unknown | None, result: RunResult) -> None:
    """Write a run's record for later sessions, if nobody has changed its code meanwhile."""
    if isinstance(basis, Basis) and basis.inputs == inputs_of(run):
        record(result, basis)


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


def _layout_key(case: Case, spec: RunSpec) -> str:
    return layouts.key(case.id, spec, read_cores().usable)


def _interrupted(run: Run, seconds: float) -> RunError:
    return RunError(
        "the run was interrupted",
        expected="a finished run",
        found=f"Ctrl-C after {seconds:.0f} s",
        fix=f"run it again, or see its files in {run.spec.output}",
    )

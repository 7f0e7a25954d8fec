"""Executes one run in a child process: takes the device, shows the progress, has it judged, keeps what it found."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.datasets.data_content import require_unchanged
from pytest_mlperf.errors import MLPerfError, RunError
from pytest_mlperf.implementations.protocol import KeptLayout, Progress
from pytest_mlperf.machine.cores import read_cores
from pytest_mlperf.run import layouts
from pytest_mlperf.run.case import PERFORMANCE
from pytest_mlperf.run.child import execute
from pytest_mlperf.run.inputs import inputs_of
from pytest_mlperf.run.judge import failed, judge, located
from pytest_mlperf.run.paces import key, note_pace, pace_of
from pytest_mlperf.run.result import Outcome
from pytest_mlperf.run.resuming import unfinished_file
from pytest_mlperf.run.reuse import Basis, basis_of, record

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_mlperf.implementations.protocol import RunSpec
    from pytest_mlperf.run.case import Case
    from pytest_mlperf.run.child import Finished, OnProgress
    from pytest_mlperf.run.inputs import Unknown
    from pytest_mlperf.run.judge import Run
    from pytest_mlperf.run.result import RunResult
    from pytest_mlperf.run.surroundings import Provided, Surroundings


@dataclass(frozen=True)
class Execution:
    """Executes runs with what they are given."""

    provided: Provided
    around: Surroundings

    def once(
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

        Raises
        ------
        KeyboardInterrupt
            The session stops.
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
                run = self.with_data(run)
                recorded = run.case.mode == PERFORMANCE and shown is None
                basis = self.basis(run) if recorded else None
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
        self.keep(run, result, basis)
        return Outcome(result)

    def with_data(self, run: Run) -> Run:
        """Return the run with what its data set holds, and with the file that keeps its answers."""
        run = replace(run, data=self.provided.data(run.spec.sample_count))
        kept = unfinished_file(run, self.around.directory.parent)
        return replace(run, spec=structs.replace(run.spec, unfinished=str(kept.absolute()) if kept else ""))

    def basis(self, run: Run) -> Basis | Unknown:
        """Return what a performance run, whose data set was read, depends on."""
        return basis_of(run, self.provided.versions)

    def keep(self, run: Run, result: RunResult, basis: Basis | Unknown | None) -> None:
        """Keep for later sessions the layout that the warm-up of a valid run found, and what the run depends on."""
        name = layout_key(run.case, run.spec)
        if name and result.pilot and result.layout is not None and result.verdict == "VALID":
            kept = KeptLayout(layout=result.layout, versions=result.versions)
            layouts.note(self.around.cache, name, layouts.Found(kept=kept, tune=run.spec.tune))
        if isinstance(basis, Basis) and basis.inputs == inputs_of(run):  # nobody has changed its code meanwhile
            record(result, basis)


def layout_key(case: Case, spec: RunSpec) -> str:
    """Return the key of a run's layout in the cache."""
    return layouts.key(case.id, spec, read_cores().usable)


def _interrupted(run: Run, seconds: float) -> RunError:
    return RunError(
        "the run was interrupted",
        expected="a finished run",
        found=f"Ctrl-C after {seconds:.0f} s",
        fix=f"run it again, or see its files in {run.spec.output}",
    )

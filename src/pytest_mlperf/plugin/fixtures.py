"""What the fixtures give: the model, the program that runs a case, and ``mlperf``, which runs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.backends.base import REMOTE
from pytest_mlperf.errors import raised_elsewhere
from pytest_mlperf.plugin import BESIDE, worker_input
from pytest_mlperf.plugin.attempts import ATTEMPT, RESULT
from pytest_mlperf.plugin.flags import spelled
from pytest_mlperf.plugin.given import given
from pytest_mlperf.plugin.models import find_model
from pytest_mlperf.plugin.session import DOUBLE_INTERRUPT_SECONDS, MLPerfSession
from pytest_mlperf.run.case import ACCURACY, PERFORMANCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_mlperf.environments.installed import Python
    from pytest_mlperf.implementations.base import Program
    from pytest_mlperf.implementations.protocol import OtherModel, RunOptions
    from pytest_mlperf.plugin.models import Model
    from pytest_mlperf.run.case import Case
    from pytest_mlperf.run.result import RunResult
    from pytest_mlperf.run.surroundings import Provided, Surroundings


def make_program(request: pytest.FixtureRequest, session: MLPerfSession, case: Case) -> Program:
    """Return what runs the case."""
    from pytest_mlperf.implementations.base import Build, Provision

    factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    plan, settings = case.plan, session.settings
    provision = Provision(
        references=(plan.benchmark_reference, plan.backend_reference),
        python=lambda: _python(request, session, case),
        get=lambda recipe: session.provider.get(recipe, case),
        scratch=lambda: factory.mktemp("mlperf-program"),
        build=Build(settings.loadgen_compiler, settings.loadgen_src, settings.onnxruntime_dir, settings.offline),
    )
    with raised_elsewhere(f"the implementation {case.implementation} cannot provide its program"):
        return plan.implementation.provide(provision)


def _python(request: pytest.FixtureRequest, session: MLPerfSession, case: Case) -> Python:
    """Return the interpreter of a case: the fixture's, which a project may define anew, for the item's own backend."""
    own: Case = request.getfixturevalue("mlperf_case")
    if case.backend != own.backend:
        return session.provider.python(case)
    python: Python = request.getfixturevalue("mlperf_python")
    return python


class MLPerf:
    """Runs the item's case and checks its result against the rules."""

    def __init__(
        self, case: Case, provide: Callable[[Case], Provided], session: MLPerfSession, item: pytest.Item
    ) -> None:
        self.case = case
        self._provide = provide
        self._session = session
        self._item = item

    @property
    def reference(self) -> float:
        """What the float32 reference reaches in the benchmark's metric, on the samples of the case where that is known.

        Raises
        ------
        OptionError
            Nobody states it for this benchmark.
        """
        from pytest_mlperf.plugin.given import reference_of

        return reference_of(self.case)

    def run(
        self,
        *,
        model: str | Path | None = None,
        backend: str | Callable[..., object] | None = None,
    ) -> RunResult:
        """Run the case once, in a child process, and return its result; see `Runner.run`.

        Parameters
        ----------
        model
            The model's file, directory or address to run instead of the case's, as with ``--model-path``.
        backend
            The backend to run instead of the case's: its name, ``module:function``, or the function itself.

        Raises
        ------
        MLPerfError
            The run ended without a result.
        KeyboardInterrupt
            Ctrl-C was pressed twice within a few seconds.
        """
        from msgspec import to_builtins
        from msgspec.structs import replace

        from pytest_mlperf.report.junit import others, properties
        from pytest_mlperf.run.reuse import forget
        from pytest_mlperf.run.runner import Runner

        case = given(self._session, self.case, model, backend)
        # A failed item that is tried again is measured again.
        around = _surroundings(self._session, reuse=self._session.settings.reuse and self._item.stash[ATTEMPT] == 1)
        runner = Runner(options_of(self._item, self._session, case), self._provide(case), around)
        # Of repeated runs it is the first that a compliance test is compared with, whatever the others find.
        shared = not case.label and case.repetition.number == 1 and self._session.is_reference(case)
        result, error = runner.run(case, shared=shared)
        result = replace(result, attempts=self._item.stash[ATTEMPT])
        if error is None:
            result = self._session.gate.hold(case, result, lambda: self._run_old(case))
            result = self._explained(case, result)
            if result.errors:
                forget(result)
        self._item.stash[RESULT] = to_builtins(result)
        self._item.user_properties[:] = [*others(self._item.user_properties), *properties(result)]
        self._item.ihook.pytest_mlperf_result(item=self._item, case=case, result=result)
        if error is not None:
            raise error
        return result

    def _explained(self, case: Case, result: RunResult) -> RunResult:
        """Return the result, with an explanation if it failed for its accuracy."""
        from pytest_mlperf.plugin.explaining import explained, needs_explaining

        if not needs_explaining(result):
            return result
        with self._session.provider.device("cpu", alone=False):  # beside a performance run, it would disturb that
            return explained(case, result, self._session.gate.before(case))

    def _run_old(self, case: Case) -> RunResult:
        """Run a case with the model of --mlperf-compare-model.

        Raises
        ------
        MLPerfError
            That run ended without a result.
        """
        from pytest_mlperf.run.runner import Runner

        old = given(self._session, case, case.plan.old, None)
        result, error = Runner(
            options_of(self._item, self._session, old), self._provide(old), _surroundings(self._session)
        ).run(old, shared=False)
        if error is not None:
            raise type(error)(
                f"the model to compare with, {case.plan.old}: {error.what}",
                expected=error.expected,
                found=error.found,
                fix=error.fix,
            )
        return result

    def require(self, result: RunResult) -> None:
        """Fail the item if the result's findings have errors."""
        if result.errors:
            pytest.fail(spelled("\n\n".join(map(str, result.errors)), self._item.config), pytrace=False)


def options_of(item: pytest.Item, session: MLPerfSession, case: Case) -> RunOptions:
    """Return the options of a case's run, with what hooks change of them."""
    from msgspec.structs import replace

    from pytest_mlperf.machine.cores import available_cores
    from pytest_mlperf.plugin.given import require_options

    options = session.settings.run_options
    workers = worker_input(item.config).get(BESIDE, 1)
    if workers > 1 and case.mode == ACCURACY and options.num_threads is None and case.device == "cpu":
        # pytest-xdist runs as many of them at once; a performance run has all cores.
        options = replace(options, num_threads=max(1, available_cores() // workers))
    changed = item.ihook.pytest_mlperf_configure_run(item=item, case=case, options=options)
    return require_options(changed) if changed is not None else options


def make_mlperf(
    request: pytest.FixtureRequest,
    session: MLPerfSession,
    case: Case,
    program: Program,
    model: Model,
    dataset: Path,
) -> MLPerf:
    """Return what runs the item's case."""

    def prepared(chosen: Case, found: Model) -> str:
        from pytest_mlperf.plugin.preparation import prepare

        python = lambda: _python(request, session, chosen).executable  # noqa: E731 - it is asked for by some backends
        directory = prepare(session, chosen, found.path, found.sha256, found.file, python)
        return str(directory) if directory is not None else ""

    def other(chosen: Case) -> OtherModel | None:
        """Return the model that a performance run is timed in turns with."""
        if chosen.plan.old is None or chosen.mode != PERFORMANCE or chosen.label or chosen.device == REMOTE:
            return None
        from pytest_mlperf.implementations.protocol import OtherModel

        of_old = given(session, chosen, chosen.plan.old, None)
        found = find_model(session.provider, of_old)
        return OtherModel(path=str(Path(found.path).absolute()), sha256=found.sha256, prepared=prepared(of_old, found))

    def provide(chosen: Case) -> Provided:
        from pytest_mlperf.run.surroundings import Provided

        own = chosen == case
        found = model if own else find_model(session.provider, chosen)
        notes = _notes(Path(request.config.invocation_params.dir))
        if not own:
            notes = (f"{chosen.id} ran {found.path}, which the test gave", *notes)
        return Provided(
            program=program if chosen.backend == case.backend else make_program(request, session, chosen),
            model=found.path if isinstance(found.path, str) else str(found.path.absolute()),
            model_sha256=found.sha256,
            model_file=found.file,
            dataset=dataset,
            data=lambda count: session.provider.contents.data(case.plan.benchmark.dataset, dataset, count),
            prepared=prepared(chosen, found),
            reference=str(found.reference.absolute()) if found.reference is not None else "",
            notes=found.notes + notes,
            old=other(chosen),
            versions=lambda: session.provider.versions(chosen, _python(request, session, chosen)),
        )

    return MLPerf(case, provide, session, request.node)


def _surroundings(session: MLPerfSession, *, reuse: bool = False) -> Surroundings:
    from pytest_mlperf.report.progress import Terminal, show_progress
    from pytest_mlperf.run.surroundings import Surroundings

    def stops(case: Case) -> bool:
        """Return whether the session stops; else tell the user what one Ctrl-C does and how to stop."""
        if session.interrupted_again():
            return True
        more = f"two Ctrl-C within {DOUBLE_INTERRUPT_SECONDS:g} s stop the session"
        Terminal(session.config).write_line(f"  {case.id} {case.mode}: interrupted; the other items continue, {more}")
        return False

    def say(text: str, always: bool) -> None:
        if always or session.config.get_verbosity() > 0:
            Terminal(session.config).write_line(f"  {text}")

    return Surroundings(
        directory=session.directory,
        references=session.references,
        cache=session.store.root,
        device=lambda device, alone: session.provider.device(device, alone=alone),
        progress=lambda case: show_progress(session.config, case.title),
        tell=session.provider.tell,
        stops=stops,
        budget=session.budget,
        reuse=reuse,
        say=say,
    )


def _notes(directory: Path) -> tuple[str, ...]:
    audit = directory / "audit.config"
    return (f"{audit} is ignored: only compliance runs use it",) if audit.exists() else ()

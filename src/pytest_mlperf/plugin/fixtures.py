"""The fixtures: what a case needs, and ``mlperf``, which runs it."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pytest_mlperf.artifacts.digest import file_sha256
from pytest_mlperf.errors import DatasetError, MLPerfError, ModelError, RunError
from pytest_mlperf.plugin.provision import device_lease, obtain, provide_python, tell
from pytest_mlperf.plugin.session import DOUBLE_INTERRUPT_SECONDS, RESULT, SESSION, MLPerfSession
from pytest_mlperf.run.case import COMPLIANCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_mlperf.environments.installed import LoadGen, Python
    from pytest_mlperf.implementations.protocol import RunSpec
    from pytest_mlperf.run.case import Case, Registry
    from pytest_mlperf.run.child import Finished, OnProgress
    from pytest_mlperf.run.judge import Run
    from pytest_mlperf.run.result import RunResult


@dataclass(frozen=True)
class Model:
    """A model file, and its SHA-256, which the results record."""

    path: Path
    sha256: str


@pytest.fixture(scope="session")
def mlperf_session(request: pytest.FixtureRequest) -> MLPerfSession:
    """The session's settings, cache and results."""
    return request.config.stash[SESSION]


@pytest.fixture(scope="session")
def mlperf_case(request: pytest.FixtureRequest) -> Case:
    """The case of the item; a test that asks for it, or for a fixture below, is run for every selected case."""
    case: Case = request.param
    return case


@pytest.fixture(scope="session")
def python(mlperf_session: MLPerfSession, mlperf_case: Case, _mlperf_uses: ExitStack) -> Python:
    """The interpreter that has what the case's backend needs."""
    return provide_python(mlperf_session, mlperf_case, _mlperf_uses)


@pytest.fixture(scope="session")
def loadgen(python: Python) -> LoadGen:
    """LoadGen, in that interpreter."""
    from pytest_mlperf.environments.installed import find_loadgen

    return python.loadgen or find_loadgen()


@pytest.fixture(scope="session")
def _mlperf_uses() -> Iterator[ExitStack]:
    """What the session holds until its end: no removal takes an artifact from under it."""
    with ExitStack() as uses:
        yield uses


@pytest.fixture(scope="session")
def model(mlperf_session: MLPerfSession, mlperf_case: Case, _mlperf_uses: ExitStack) -> Model:
    """The case's model file."""
    benchmark = mlperf_session.registry.benchmark(mlperf_case.benchmark)
    model_format = mlperf_session.registry.backend(mlperf_case.backend).model_format
    found = benchmark.find_model(model_format, mlperf_session.settings.model_path)
    path = obtain(mlperf_session, found, mlperf_case, ModelError, _mlperf_uses)
    if not isinstance(found, Path):
        [path] = path.iterdir()
    if not path.is_file():
        raise ModelError(
            f"{path} is not a file",
            expected=f"an {model_format} model",
            found="a directory" if path.is_dir() else "nothing",
            fix="check the path given with --model-path",
        )
    try:
        return Model(path, file_sha256(path))
    except OSError as error:
        raise ModelError(
            f"cannot read {path}",
            expected=f"an {model_format} model",
            found=error.strerror or str(error),
            fix="make the file readable, or give another with --model-path",
        ) from error


@pytest.fixture(scope="session")
def dataset(mlperf_session: MLPerfSession, mlperf_case: Case, _mlperf_uses: ExitStack) -> Path:
    """The directory of the case's data set."""
    benchmark = mlperf_session.registry.benchmark(mlperf_case.benchmark)
    count = mlperf_session.settings.sample_count(benchmark.dataset_size)
    found = benchmark.find_dataset(mlperf_session.settings.dataset_path, count)
    path = obtain(mlperf_session, found, mlperf_case, DatasetError, _mlperf_uses)
    if not path.is_dir():
        raise DatasetError(
            f"{path} is not a directory",
            expected="the directory of a data set",
            found="a file" if path.exists() else "nothing",
            fix="check the path given with --dataset-path",
        )
    return path


class Outcome(NamedTuple):
    """A run's result, and the error that it ended with instead of a real one."""

    result: RunResult
    error: MLPerfError | None = None


class MLPerf:
    """Runs the item's case and demands what the rules demand."""

    def __init__(
        self,
        session: MLPerfSession,
        case: Case,
        prepare: Callable[[Case], Run],
        python: Python,
        sources: Path | None,
        request: pytest.FixtureRequest,
    ) -> None:
        self.case = case
        self._session = session
        self._prepare = prepare
        self._python = python
        self._sources = sources
        self._request = request

    def run(self) -> RunResult:
        """Run the case once, in a process of its own, and return its result.

        Performance runs have the device to themselves; accuracy runs share it. A compliance test is compared with the
        case's accuracy and performance runs of the session, and makes those that nobody has made yet; their own items
        then report them instead of running again.

        Raises
        ------
        MLPerfError
            The run ended without a result.
        KeyboardInterrupt
            A second Ctrl-C a moment after the one that ended another run.
        """
        if self.case.mode == COMPLIANCE:
            result, error = self._comply()
        elif self._session.is_reference(self.case):
            result, error = self._shared(self.case)
        else:
            result, error = self._once(self._prepare(self.case))
        self._record(result)
        if error is not None:
            raise error
        return result

    def _comply(self) -> Outcome:
        """Run the compliance test of the case, after the runs that it is about."""
        from pytest_mlperf.run.compliance import References, as_tested, judge_compliance, needs_answers
        from pytest_mlperf.run.judge import failed

        answers = self._shared(self.case.in_mode("accuracy")).result if needs_answers(self.case.test) else None
        references = References(self._shared(self.case.in_mode("performance")).result, answers)
        run = self._prepare(self.case)
        try:
            references.check()
        except RunError as error:
            return Outcome(failed(run, error), error)
        run = as_tested(run, self._session.audit(self.case), references.performance)
        return self._once(run, lambda finished: judge_compliance(run, finished, references))

    def _shared(self, case: Case) -> Outcome:
        """Return the session's run of a case that compliance tests are about; make it when there is none."""
        from pytest_mlperf.run.references import Kept, turn

        mine = case == self.case
        waiting = tell(self._request.config, f"waiting for the {case.mode} run of {case.id}")
        with turn(self._session.references, case, waiting) as slot:
            kept = slot.read()
            if kept is None or (mine and kept.reported):
                outcome = self._once(self._prepare(case))
                slot.write(Kept(result=outcome.result, reported=mine))
                return outcome
            slot.write(Kept(result=kept.result, reported=kept.reported or mine))
            return Outcome(kept.result, kept.error)

    def _once(self, run: Run, judged: Callable[[Finished], RunResult] | None = None) -> Outcome:
        """Execute a run; what it ends with without a result is one, too."""
        from pytest_mlperf.run.durations import key, note_duration
        from pytest_mlperf.run.judge import failed, judge

        start = time.monotonic()
        try:
            finished = self._execute(run)
            result = judged(finished) if judged is not None else judge(run, finished)
        except MLPerfError as error:
            return Outcome(failed(run, error), error)
        except KeyboardInterrupt:
            if self._session.interrupted_again():
                raise
            interrupted = self._interrupted(run, time.monotonic() - start)
            return Outcome(failed(run, interrupted), interrupted)
        name = key(run.case.id, run.case.mode, run.spec.run_length)
        note_duration(self._session.store.root, name, time.monotonic() - start)
        return Outcome(result)

    def _execute(self, run: Run) -> Finished:
        from pytest_mlperf.run.child import execute

        with (
            device_lease(self._request.config, run.case, alone=run.spec.mode == "performance"),
            _progress(self._request.config, run.case) as on_progress,
        ):
            return execute(run.spec, self._python.executable, on_progress, self._sources)

    def _interrupted(self, run: Run, seconds: float) -> RunError:
        """Tell the user at once what one Ctrl-C does and how to stop; return the item's error."""
        from pytest_mlperf.report.progress import Terminal

        more = f"two Ctrl-C within {DOUBLE_INTERRUPT_SECONDS:g} s stop the session"
        name = f"{run.case.id} {run.case.mode}"
        Terminal(self._request.config).write_line(f"  {name}: interrupted; the other items go on, {more}")
        return RunError(
            "the run was interrupted",
            expected="a finished run",
            found=f"Ctrl-C after {seconds:.0f} s",
            fix=f"only this item ended, {more}\nits files: {run.spec.output}",
        )

    def require(self, result: RunResult) -> None:
        """Fail the item for every error among the result's findings."""
        if result.errors:
            pytest.fail("\n\n".join(map(str, result.errors)), pytrace=False)

    def _record(self, result: RunResult) -> None:
        from msgspec import to_builtins

        from pytest_mlperf.report.junit import properties

        self._request.node.stash[RESULT] = to_builtins(result)
        self._request.node.user_properties.extend(properties(result))


@pytest.fixture
def mlperf(
    request: pytest.FixtureRequest,
    mlperf_session: MLPerfSession,
    mlperf_case: Case,
    python: Python,
    loadgen: LoadGen,
    model: Model,
    dataset: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> MLPerf:
    """Run the item's case: ``mlperf.require(mlperf.run())``."""
    from pytest_mlperf.run.judge import Run

    def prepare(case: Case) -> Run:
        return Run(
            case=case,
            benchmark=mlperf_session.registry.benchmark(case.benchmark),
            spec=_spec(mlperf_session, case, model, dataset, loadgen),
            scorer=mlperf_session.settings.scorer,
            model_sha256=model.sha256,
            notes=_notes(Path(request.config.invocation_params.dir)),
        )

    sources = _sources(mlperf_session.registry, mlperf_case, tmp_path_factory) if python.foreign else None
    return MLPerf(mlperf_session, mlperf_case, prepare, python, sources, request)


def _sources(registry: Registry, case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from pytest_mlperf.environments.sources import link_sources

    code = (registry.benchmarks[case.benchmark].value, registry.backends[case.backend].value)
    return link_sources(code, tmp_path_factory.mktemp("mlperf-sources"))


def _spec(session: MLPerfSession, case: Case, model: Model, dataset: Path, loadgen: LoadGen) -> RunSpec:
    from pytest_mlperf.implementations.protocol import RunSpec
    from pytest_mlperf.run.directories import run_directory
    from pytest_mlperf.run.round_in_force import round_settings

    settings, benchmark = session.settings, session.registry.benchmark(case.benchmark)
    found = session.round_of(case)
    return RunSpec(
        benchmark=session.registry.benchmarks[case.benchmark].value,
        backend=session.registry.backends[case.backend].value,
        device=case.device,
        scenario=case.scenario,
        mode=case.mode,
        run_length=settings.run_length,
        model=str(model.path.absolute()),
        dataset=str(dataset.absolute()),
        output=str(run_directory(session.directory, case.id, case.mode).absolute()),
        sample_count=settings.sample_count(benchmark.dataset_size),
        round=round_settings(found, benchmark.official_name) if found else None,
        user_conf=str(settings.user_conf) if settings.user_conf else None,
        test_query_count=settings.test_query_count,
        min_duration=settings.min_duration,
        target_qps=settings.target_qps,
        target_latency=settings.target_latency,
        num_threads=settings.num_threads,
        max_batchsize=settings.max_batchsize,
        timeout=settings.timeout,
        loadgen_built=loadgen.built,
    )


@contextmanager
def _progress(config: pytest.Config, case: Case) -> Iterator[OnProgress]:
    from pytest_mlperf.report.progress import show_progress

    with show_progress(config, case.id) as update:
        yield update


def _notes(directory: Path) -> tuple[str, ...]:
    audit = directory / "audit.config"
    return (f"{audit} is ignored: it belongs to compliance runs",) if audit.exists() else ()

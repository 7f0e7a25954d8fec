"""The fixtures: ``mlperf`` runs a case, the others provide what it needs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.errors import ModelError
from pytest_mlperf.plugin.session import DOUBLE_INTERRUPT_SECONDS, RESULT, SESSION, MLPerfSession

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.environments.installed import LoadGen, Python
    from pytest_mlperf.implementations.base import Program
    from pytest_mlperf.run.case import Case
    from pytest_mlperf.run.result import RunResult
    from pytest_mlperf.run.runner import Runner, Surroundings


@dataclass(frozen=True)
class Model:
    """A model's file, directory or address, and its SHA-256, which is empty for an address.

    ``file`` is its entry in the benchmark's ``models``.
    """

    path: Path | str
    sha256: str
    file: ModelFile
    notes: tuple[str, ...] = ()


@pytest.fixture(scope="session")
def mlperf_session(request: pytest.FixtureRequest) -> Iterator[MLPerfSession]:
    """The session's settings, cases, cache and results."""
    session = request.config.stash[SESSION]
    yield session
    session.provider.close()


@pytest.fixture(scope="session")
def mlperf_case(request: pytest.FixtureRequest, mlperf_session: MLPerfSession) -> Case:
    """The case of the item. A test that uses it, or a fixture below, is run for every selected case."""
    case: Case = request.param
    mlperf_session.provider.require(case)
    return case


@pytest.fixture(scope="session")
def python(mlperf_session: MLPerfSession, mlperf_case: Case) -> Python:
    """The Python interpreter with the packages that the case's backend needs."""
    return mlperf_session.provider.python(mlperf_case)


@pytest.fixture(scope="session")
def loadgen(python: Python) -> LoadGen:
    """The LoadGen of that interpreter."""
    from pytest_mlperf.environments.installed import find_loadgen

    return python.loadgen or find_loadgen()


@pytest.fixture(scope="session")
def mlperf_program(
    request: pytest.FixtureRequest,
    mlperf_session: MLPerfSession,
    mlperf_case: Case,
    tmp_path_factory: pytest.TempPathFactory,
) -> Program:
    """What runs the case; for the implementation ``python``, the worker in the interpreter of the fixture `python`."""
    from pytest_mlperf.implementations.base import Provision

    plan = mlperf_case.plan
    return plan.implementation.provide(
        Provision(
            references=(plan.benchmark_reference, plan.backend_reference),
            python=lambda: request.getfixturevalue("python"),
            get=lambda recipe: mlperf_session.provider.get(recipe, mlperf_case),
            scratch=lambda: tmp_path_factory.mktemp("mlperf-program"),
        )
    )


@pytest.fixture(scope="session")
def model(mlperf_session: MLPerfSession, mlperf_case: Case) -> Model:
    """The case's model."""
    path, file, notes = mlperf_session.provider.model(mlperf_case)
    return Model(path, "" if isinstance(path, str) else _sha256(path), file, notes)


@pytest.fixture(scope="session")
def dataset(mlperf_session: MLPerfSession, mlperf_case: Case) -> Path:
    """The directory of the case's data set."""
    return mlperf_session.provider.dataset(mlperf_case)


class MLPerf:
    """Runs the item's case and checks its result against the rules."""

    def __init__(self, case: Case, runner: Runner, session: MLPerfSession, item: pytest.Item) -> None:
        self.case = case
        self._runner = runner
        self._session = session
        self._item = item

    def run(self) -> RunResult:
        """Run the case once, in a child process, and return its result; see `Runner.run`.

        Raises
        ------
        MLPerfError
            The run ended without a result.
        KeyboardInterrupt
            Ctrl-C was pressed twice within a few seconds.
        """
        from msgspec import to_builtins

        from pytest_mlperf.report.junit import properties

        result, error = self._runner.run(self.case, shared=self._session.is_reference(self.case))
        self._item.stash[RESULT] = to_builtins(result)
        self._item.user_properties.extend(properties(result))
        if error is not None:
            raise error
        return result

    def require(self, result: RunResult) -> None:
        """Fail the item if the result's findings have errors."""
        if result.errors:
            pytest.fail("\n\n".join(map(str, result.errors)), pytrace=False)


@pytest.fixture
def mlperf(
    request: pytest.FixtureRequest,
    mlperf_session: MLPerfSession,
    mlperf_case: Case,
    mlperf_program: Program,
    model: Model,
    dataset: Path,
) -> MLPerf:
    """Run the item's case: ``mlperf.require(mlperf.run())``."""
    from pytest_mlperf.run.runner import Provided, Runner

    provided = Provided(
        program=mlperf_program,
        model=model.path if isinstance(model.path, str) else str(model.path.absolute()),
        model_sha256=model.sha256,
        model_file=model.file,
        dataset=dataset,
        notes=model.notes + _notes(Path(request.config.invocation_params.dir)),
    )
    runner = Runner(mlperf_session.settings.run_options, provided, _surroundings(mlperf_session))
    return MLPerf(mlperf_case, runner, mlperf_session, request.node)


def _surroundings(session: MLPerfSession) -> Surroundings:
    from pytest_mlperf.report.progress import Terminal, show_progress
    from pytest_mlperf.run.runner import Surroundings

    def stops(case: Case) -> bool:
        """Return whether the session stops; else tell the user what one Ctrl-C does and how to stop."""
        if session.interrupted_again():
            return True
        more = f"two Ctrl-C within {DOUBLE_INTERRUPT_SECONDS:g} s stop the session"
        Terminal(session.config).write_line(f"  {case.id} {case.mode}: interrupted; the other items continue, {more}")
        return False

    return Surroundings(
        directory=session.directory,
        references=session.references,
        cache=session.store.root,
        device=lambda device, alone: session.provider.device(device, alone=alone),
        progress=lambda case: show_progress(session.config, case.id),
        tell=session.provider.tell,
        stops=stops,
    )


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and contents of a directory's files."""
    from pytest_mlperf.artifacts.disk import file_sha256

    try:
        if path.is_file():
            return file_sha256(path)
        files = sorted(each for each in path.rglob("*") if each.is_file())
        lines = [f"{file_sha256(each)}  {each.relative_to(path).as_posix()}\n" for each in files]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    except OSError as error:
        raise ModelError(
            f"cannot read {path}",
            expected="a model that can be read",
            found=error.strerror or str(error),
            fix="make it readable, or give another with --model-path",
        ) from error


def _notes(directory: Path) -> tuple[str, ...]:
    audit = directory / "audit.config"
    return (f"{audit} is ignored: only compliance runs use it",) if audit.exists() else ()

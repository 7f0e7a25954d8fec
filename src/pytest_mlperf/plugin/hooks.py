"""What every session loads: the options, the fixtures, and the hooks that load the rest when a session needs it.

A session that runs no benchmark imports no other module of the package, so what is imported here is what pytest has.
"""

from __future__ import annotations

import os
import time
from itertools import pairwise
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf import __version__
from pytest_mlperf.plugin import (
    ATTEMPT_ATTRIBUTE,
    BESIDE,
    CONTROLLER,
    FAILED_ATTRIBUTE,
    LISTS,
    OPTIONAL,
    REPORT_ATTRIBUTE,
    SHORT_FORMS,
    SHORT_RUN,
    STARTED,
    SWITCHES,
    TAKEN,
    VALUES,
    any_given,
    ini_key,
    long_form,
    worker_input,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from pytest_mlperf.environments.installed import LoadGen, Python
    from pytest_mlperf.implementations.base import Program
    from pytest_mlperf.plugin.fixtures import MLPerf
    from pytest_mlperf.plugin.models import Model
    from pytest_mlperf.plugin.session import MLPerfSession
    from pytest_mlperf.run.case import Case

MARKERS = (
    "mlperf(model, *, scenario, backend, implementation, mode, device): run the test for every selected MLPerf case "
    "that has these values, each one value or a list; the mode is accuracy if none is given",
    "official: a case of an official edition of a benchmark",
    "tiny: a case of a tiny edition of a benchmark",
    "accuracy: a case in accuracy mode",
    "performance: a case in performance mode",
    "compliance: a case in compliance mode",
    "conformance: a case in conformance mode",
)
_WORKER_INPUT = "mlperf_started"
_SESSION_PLUGIN = "mlperf-session"


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the hooks that others may implement."""
    from pytest_mlperf.plugin import newhooks

    pluginmanager.add_hookspecs(newhooks)


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the ini keys and the long form of each option; --help waits for what it says about short forms."""
    for flag in (*SWITCHES, *VALUES, *OPTIONAL):
        parser.addini(ini_key(flag), f"default for {long_form(flag)}", "string", default=None)
    for flag in LISTS:
        parser.addini(ini_key(flag), f"default for {long_form(flag)}", "linelist", default=[])
    config: Any = pluginmanager.get_plugin("pytestconfig")
    if _asks_for_help(config.invocation_params.args):
        return
    group = parser.getgroup("mlperf", "MLPerf Inference benchmarks")
    for flag in VALUES:
        group.addoption(long_form(flag), dest=ini_key(flag))
    for flag in LISTS:
        group.addoption(long_form(flag), dest=ini_key(flag), action="append")
    for flag, value in OPTIONAL.items():
        group.addoption(long_form(flag), dest=ini_key(flag), nargs="?", const=value)
    for flag in SWITCHES:
        group.addoption(long_form(flag), dest=ini_key(flag), action="store_const", const="yes")
    group.addoption(long_form(SHORT_RUN), dest=ini_key("--run-length"), action="store_const", const="short")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None]:
    """Take the short forms that nobody else defines: when the first conftest.py files are read, that is known.

    They are never registered, since a conftest.py that is read later may still define them.
    """
    known = early_config.known_args_namespace
    known.file_or_dir = _without_values(known.file_or_dir, args)
    try:
        return (yield)
    finally:
        early_config.stash[TAKEN] = taken = _defined(parser) & SHORT_FORMS.keys()
        words = [os.fspath(arg).partition("=")[0] for arg in args]
        if _asks_for_help(early_config.invocation_params.args):
            from pytest_mlperf.plugin.flags import add_with_help

            add_with_help(parser, taken)
        elif any(word in SHORT_FORMS.keys() - taken or word.startswith("@") for word in words):
            from pytest_mlperf.plugin.flags import in_long_form

            args[:] = in_long_form(args, taken)


def _asks_for_help(args: Sequence[object]) -> bool:
    return "--help" in args or "-h" in args


def _defined(parser: pytest.Parser) -> frozenset[str]:
    """Return every flag that is registered; pytest has no public list of them."""
    groups = {id(group): group for group in (parser._anonymous, *parser._groups)}
    return frozenset(name for group in groups.values() for option in group.options for name in option.names())


def _without_values(positional: Iterable[str], args: Sequence[str]) -> list[str]:
    """Return the positional arguments without the values of short forms.

    While a short form is unknown, its value looks like a path to test files. What exists stays: the flag may be a
    switch of a conftest.py that is not read yet, and then it is one.
    """
    values = {value for flag, value in pairwise(args) if flag in SHORT_FORMS}
    return [each for each in positional if each not in values or _exists(each.partition("::")[0])]


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # no text that a file system takes
        return False


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks; if an option is given, load the rest, which checks the options before collection."""
    for line in MARKERS:
        config.addinivalue_line("markers", line)
    config.stash[STARTED] = worker_input(config).get(_WORKER_INPUT) or (time.time(), os.urandom(8).hex())
    config.pluginmanager.register(_OfConfig(config), "mlperf-of-config")
    if any_given(config):
        load(config)


def load(config: pytest.Config) -> MLPerfSession:
    """Return the session's state; the first call loads the plugin's other hooks."""
    from pytest_mlperf.plugin import session_hooks

    if not config.pluginmanager.has_plugin(_SESSION_PLUGIN):
        config.pluginmanager.register(session_hooks, _SESSION_PLUGIN)  # its pytest_configure makes the state
    return session_hooks.state(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Send the start time and the key of the session to an xdist worker: its results go to the same directory.

    The worker may be on another machine, with another time zone and another version of this package.
    """
    started, key = node.config.stash[STARTED]
    node.workerinput[_WORKER_INPUT] = (started, key)
    node.workerinput[CONTROLLER] = (__version__, time.localtime(started).tm_gmtoff)
    own = node.gateway.spec
    node.workerinput[BESIDE] = sum((each.popen, each.ssh) == (own.popen, own.ssh) for each in node.nodemanager.specs)


class _OfConfig:
    """The hooks that are not given the config, and one that is to run after those of all others."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Store the result of a report, or why there is none; it may be that of an xdist worker."""
        if any(hasattr(report, name) for name in (REPORT_ATTRIBUTE, ATTEMPT_ATTRIBUTE, FAILED_ATTRIBUTE)):
            load(self._config).collector.see(report)

    @pytest.hookimpl(trylast=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make the items of a test that asks for a fixture such as ``model`` only.

        If another hook made ``model`` a parameter, it is no fixture of ours.
        """
        if "mlperf_case" in metafunc.fixturenames and not _is_ours(metafunc):
            metafunc.definition._fixtureinfo.prune_dependency_tree()  # as pytest does after this hook
            if "mlperf_case" in metafunc.fixturenames:
                _generate(metafunc)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make the items of a test that asks for ``mlperf`` or is marked so."""
    if _is_ours(metafunc):
        _generate(metafunc)


def _is_ours(metafunc: pytest.Metafunc) -> bool:
    marked = metafunc.definition.get_closest_marker("mlperf") is not None
    return marked or {"mlperf", "mlperf_case"} <= set(metafunc.fixturenames)


def _generate(metafunc: pytest.Metafunc) -> None:
    load(metafunc.config)
    from pytest_mlperf.plugin.session_hooks import generate

    generate(metafunc)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Do not collect what sessions have left: a submission has copies of the tests."""
    name = collection_path.name  # this is asked for every file of every session
    if name[:1].isdigit() or name in ("open", "closed", "network"):
        from pytest_mlperf.plugin.uncollected import is_left_by_a_session

        return is_left_by_a_session(collection_path) or None
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, obj: object) -> list[pytest.Item] | None:
    """Do not collect compliance and conformance tests unless they are wanted."""
    given = [mark.kwargs.get("mode") for mark in _marks_of(obj) if getattr(mark, "name", "") == "mlperf"]
    modes = [mode[0] if isinstance(mode, list | tuple) and len(mode) == 1 else mode for mode in given]
    wanted = [mode for mode in modes if mode in ("compliance", "conformance")]
    if not wanted:
        return None
    return None if any(load(collector.config).matrix.cases(mode) for mode in wanted) else []


def _marks_of(obj: object) -> list[Any]:
    """Return the marks of a function or a class; of anything else a module may have, no attribute is read."""
    if not issubclass(type(obj), FunctionType | type):
        return []
    marks = vars(obj).get("pytestmark", [])
    return marks if isinstance(marks, list) else [marks]


# The fixtures ask for each other by names that begin with ``mlperf``: a project may have a ``model`` of its own.


@pytest.fixture(scope="session")
def mlperf_session(request: pytest.FixtureRequest) -> Iterator[MLPerfSession]:
    """The session's settings, cases, cache and results."""
    session = load(request.config)
    yield session
    session.provider.close()


@pytest.fixture(scope="session")
def mlperf_case(request: pytest.FixtureRequest, mlperf_session: MLPerfSession) -> Case:
    """The case of the item. A test that uses it, or a fixture below, is run for every selected case."""
    case: Case = request.param
    mlperf_session.provider.require(case)
    return case


@pytest.fixture(scope="session")
def mlperf_python(mlperf_session: MLPerfSession, mlperf_case: Case) -> Python:
    """The Python interpreter with the packages that the case's backend needs."""
    return mlperf_session.provider.python(mlperf_case)


@pytest.fixture(scope="session")
def mlperf_loadgen(mlperf_python: Python) -> LoadGen:
    """The LoadGen of that interpreter."""
    from pytest_mlperf.environments.installed import find_loadgen

    return mlperf_python.loadgen or find_loadgen()


@pytest.fixture(scope="session")
def mlperf_program(request: pytest.FixtureRequest, mlperf_session: MLPerfSession, mlperf_case: Case) -> Program:
    """What runs the case; for the implementation ``python``, the worker in the interpreter of `mlperf_python`."""
    from pytest_mlperf.plugin.fixtures import make_program

    return make_program(request, mlperf_session, mlperf_case)


@pytest.fixture(scope="session")
def mlperf_model(mlperf_session: MLPerfSession, mlperf_case: Case) -> Model:
    """The case's model."""
    from pytest_mlperf.plugin.models import find_model

    return find_model(mlperf_session.provider, mlperf_case)


@pytest.fixture(scope="session")
def mlperf_dataset(mlperf_session: MLPerfSession, mlperf_case: Case) -> Path:
    """The directory of the case's data set."""
    return mlperf_session.provider.dataset(mlperf_case)


@pytest.fixture
def mlperf(
    request: pytest.FixtureRequest,
    mlperf_session: MLPerfSession,
    mlperf_case: Case,
    mlperf_program: Program,
    mlperf_model: Model,
    mlperf_dataset: Path,
) -> MLPerf:
    """Run the item's case: ``mlperf.require(mlperf.run())``."""
    from pytest_mlperf.plugin.fixtures import make_mlperf

    return make_mlperf(request, mlperf_session, mlperf_case, mlperf_program, mlperf_model, mlperf_dataset)


@pytest.fixture(scope="session")
def python(mlperf_python: Python) -> Python:
    """The same as `mlperf_python`."""
    return mlperf_python


@pytest.fixture(scope="session")
def loadgen(mlperf_loadgen: LoadGen) -> LoadGen:
    """The same as `mlperf_loadgen`."""
    return mlperf_loadgen


@pytest.fixture(scope="session")
def model(mlperf_model: Model) -> Model:
    """The same as `mlperf_model`."""
    return mlperf_model


@pytest.fixture(scope="session")
def dataset(mlperf_dataset: Path) -> Path:
    """The same as `mlperf_dataset`."""
    return mlperf_dataset

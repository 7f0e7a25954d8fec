"""The pytest hooks. Heavy imports are inside functions, because most sessions do not need them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf import __version__
from pytest_mlperf.errors import MLPerfError, OptionError
from pytest_mlperf.plugin.fixtures import (
    dataset,
    loadgen,
    mlperf,
    mlperf_case,
    mlperf_program,
    mlperf_session,
    model,
    python,
)
from pytest_mlperf.plugin.marker import HELP, Marked, read_mark
from pytest_mlperf.plugin.options import add_options, any_given
from pytest_mlperf.plugin.session import RESULT, SESSION, MLPerfSession
from pytest_mlperf.run.case import COMPLIANCE, MODES, Case, Plan

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from pytest_mlperf.plugin.options import Settings
    from pytest_mlperf.submission.submit import Outcome

__all__ = ["dataset", "loadgen", "mlperf", "mlperf_case", "mlperf_program", "mlperf_session", "model", "python"]

WORKER_INPUT = "mlperf_started"
REPORT_ATTRIBUTE = "mlperf_result"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Create the session object and check the options before collection."""
    config.addinivalue_line("markers", HELP)
    for edition in ("official", "tiny"):
        config.addinivalue_line("markers", f"{edition}: a case of an {edition} edition of a benchmark")
    for mode in MODES:
        config.addinivalue_line("markers", f"{mode}: a case in {mode} mode")
    started = datetime.fromisoformat(_worker_input(config).get(WORKER_INPUT) or datetime.now().isoformat())
    session = MLPerfSession(config, started)
    config.stash[SESSION] = session
    config.pluginmanager.register(ResultCollector(session, config.rootpath), "mlperf-results")
    if any_given(config):
        if config.getoption("mlperf_plan") and config.getoption("numprocesses", None):
            raise pytest.UsageError("--mlperf-plan collects in one process: leave out -n")
        try:
            session.check_selection()
            session.check_submission()
            session.check_places()
        except MLPerfError as error:
            raise pytest.UsageError(str(error)) from None


class ResultCollector:
    """Collects results from test reports, including those of xdist workers. The hook does not receive the session."""

    def __init__(self, session: MLPerfSession, root: Path) -> None:
        self._session = session
        self._root = root

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Store the result of a report."""
        result = getattr(report, REPORT_ATTRIBUTE, None)
        if result is not None:
            self._session.results.append(result)
            self._session.test_files.add(self._root / report.nodeid.partition("::")[0])


def _worker_input(config: pytest.Config) -> dict[str, Any]:
    """Return the data from the xdist controller; empty if this process is not an xdist worker."""
    data: dict[str, Any] = getattr(config, "workerinput", {})
    return data


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Send the start time of the session to an xdist worker, so that its results go to the same directory."""
    node.workerinput[WORKER_INPUT] = node.config.stash[SESSION].started.isoformat()


def pytest_report_header(config: pytest.Config) -> list[str] | None:
    """Return the settings, if options were given."""
    return header(config.stash[SESSION].settings) if any_given(config) else None


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str] | None:
    """Return the default settings, if no options were given and there are cases."""
    if any_given(config) or not any(_case(item) for item in items):
        return None
    return header(config.stash[SESSION].settings)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, obj: object) -> list[pytest.Item] | None:
    """Do not collect compliance tests unless they are wanted; they are only needed for a closed submission."""
    marks = getattr(obj, "pytestmark", ())
    if not any(mark.name == "mlperf" and mark.kwargs.get("mode") in (COMPLIANCE, [COMPLIANCE]) for mark in marks):
        return None
    return None if collector.config.stash[SESSION].matrix.cases(COMPLIANCE) else []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make an item for each selected case."""
    if "mlperf_case" not in metafunc.fixturenames:
        return
    session = metafunc.config.stash[SESSION]
    mark = metafunc.definition.get_closest_marker("mlperf")
    try:
        marked = read_mark(mark.args, mark.kwargs, session.registry) if mark is not None else Marked()
    except OptionError as error:
        raise pytest.UsageError(f"{metafunc.definition.nodeid}: {error}") from None
    metafunc.parametrize(
        "mlperf_case",
        [
            pytest.param(
                case,
                id=case.id if len(marked.mode) == 1 else f"{case.id}-{mode}",
                marks=[getattr(pytest.mark, name) for name in _marks(case)],
            )
            for mode in marked.mode
            for case in session.matrix.cases(mode)
            if marked.keeps(case)
        ],
        indirect=True,
        scope="session",
    )


def _marks(case: Case) -> list[str]:
    return [case.decided.benchmark.edition, case.mode] if isinstance(case.decided, Plan) else [case.mode]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the other modes and record the selected cases."""
    session = config.stash[SESSION]
    cases = {item: case for item in items if (case := _case(item))}
    if not cases:
        return
    modes = session.settings.selection.mode
    unwanted = [item for item, case in cases.items() if modes and case.mode not in modes]
    if unwanted:
        config.hook.pytest_deselected(items=unwanted)
        items[:] = [item for item in items if item not in unwanted]
    wanted = {case for item, case in cases.items() if item not in unwanted}
    session.wanted = frozenset(wanted)
    try:
        session.check_cases()
    except MLPerfError as error:
        if not _worker_input(config):
            raise pytest.UsageError(str(error)) from None
        session.refused = error


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """With --mlperf-plan, print what the cases would need instead of running them."""
    if not session.config.getoption("mlperf_plan") or _worker_input(session.config):
        return None
    from pytest_mlperf.plugin.plan import lines
    from pytest_mlperf.report.progress import Terminal

    terminal = Terminal(session.config)
    for line in lines(session.config.stash[SESSION], [case for item in session.items if (case := _case(item))]):
        terminal.write_line(line)
    return True


def _case(item: pytest.Item) -> Case | None:
    callspec = getattr(item, "callspec", None)
    case = callspec.params.get("mlperf_case") if callspec else None
    return case if isinstance(case, Case) else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Show an MLPerfError without a traceback."""
    refused = item.config.stash[SESSION].refused
    if refused is not None and _case(item):
        raise pytest.fail.Exception(str(refused), pytrace=False)
    return (yield from _without_traceback())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Show an MLPerfError without a traceback."""
    return (yield from _without_traceback())


def _without_traceback() -> Generator[None, object, object]:
    try:
        return (yield)
    except MLPerfError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Give the report the run's result, which pytest-xdist carries to the controller."""
    report = yield
    if call.when == "call" and RESULT in item.stash:
        setattr(report, REPORT_ATTRIBUTE, item.stash[RESULT])
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table of results."""
    session = config.stash[SESSION]
    if session.results:
        from pytest_mlperf.report.terminal import write_summary

        write_summary(terminalreporter, session.results, session.directory)
    if session.submitted is not None:
        from pytest_mlperf.report.submitted import write_submitted

        write_submitted(terminalreporter, session.submitted)
    if session.unreported is not None:
        terminalreporter.section("MLPerf report")
        terminalreporter.write_line(str(session.unreported), red=True)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the results to --mlperf-json, even if there are none, so that no older file is left there.

    With --mlperf-submit, check and pack the results first; each failed check is reported as a failed item.
    """
    config, mlperf_session = session.config, session.config.stash[SESSION]
    if not any_given(config) or _worker_input(config) or config.getoption("collectonly"):
        return
    ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    if mlperf_session.settings.submit and ended and not mlperf_session.settings.plan:
        _submit(session, mlperf_session)
    target = mlperf_session.settings.json
    if target is not None:
        from pytest_mlperf.report.json_file import write_results

        try:
            write_results(target, mlperf_session.results)
        except MLPerfError as error:  # the disk may be full by now; the summary must still appear
            mlperf_session.unreported = error
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _submit(session: pytest.Session, mlperf_session: MLPerfSession) -> None:
    from pytest_mlperf.report.progress import Terminal
    from pytest_mlperf.submission.submit import Request, submit

    config, settings = session.config, mlperf_session.settings
    Terminal(config).write_line("\n  checking the submission")
    submitted = submit(
        Request(
            division=settings.division,
            submitter=settings.submitter or "",
            system_type=settings.system_type,
            hw_name=settings.hw_name,
            system=settings.system,
            submission_dir=settings.submission_dir,
            clean=settings.clean,
            pack_anyway=settings.pack_anyway,
            run_official_checker=settings.checker == "official",
            official_length=settings.run_length == "official",
            results=mlperf_session.results,
            command=("pytest", *map(str, config.invocation_params.args)),
            code=[*sorted(mlperf_session.test_files), *_third_party_code(mlperf_session)],
            directory=config.invocation_params.dir,
            keep=mlperf_session.directory / "submission",
            healthy=not session.testsfailed,
            checker_source=mlperf_session.provider.checker,
        )
    )
    mlperf_session.submitted = submitted
    session.testscollected += len(submitted.outcomes)
    for outcome in submitted.outcomes:
        _report(config, outcome)
        if outcome.fault:
            session.testsfailed += 1
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _third_party_code(session: MLPerfSession) -> list[Path]:
    """Return the source directories of third-party benchmarks and backends that were run."""
    from pytest_mlperf.environments.sources import place

    registry = session.registry
    used = {registry.benchmarks[result["benchmark"]].value for result in session.results}
    used |= {registry.backends[result["backend"]].value for result in session.results}
    names = {reference.partition(":")[0].partition(".")[0] for reference in used}
    return [place(name) for name in sorted(names - {"pytest_mlperf"})]


def _report(config: pytest.Config, outcome: Outcome) -> None:
    """Report an outcome of the submission as a test item, to the terminal, JUnit and other plugins."""
    nodeid, location = f"mlperf-submission::{outcome.place}", ("mlperf-submission", None, f"checks of {outcome.place}")
    config.hook.pytest_runtest_logstart(nodeid=nodeid, location=location)
    report = pytest.TestReport(
        nodeid=nodeid,
        location=location,
        keywords={},
        outcome="failed" if outcome.fault else "passed",
        longrepr=outcome.fault or None,
        when="call",
    )
    config.hook.pytest_runtest_logreport(report=report)
    config.hook.pytest_runtest_logfinish(nodeid=nodeid, location=location)


def header(settings: Settings) -> list[str]:
    """Return the lines of pytest's report header."""
    defaults = [f"run length {settings.run_length}", f"device {', '.join(settings.selection.device)}"]
    lines = [f"mlperf: {__version__}, {', '.join(defaults)}"]
    lines += [f"mlperf: {flag} {given.text} ({given.origin})" for flag, given in settings.given.items()]
    return lines

"""The hooks of a session that has options or cases of ours; `hooks` registers them then."""

from __future__ import annotations

import os
import platform
import sys
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf import __version__
from pytest_mlperf.errors import EntryPointError, MLPerfError, OptionError, RequirementError
from pytest_mlperf.plugin import (
    ATTEMPT_ATTRIBUTE,
    CONTROLLER,
    FAILED_ATTRIBUTE,
    REPORT_ATTRIBUTE,
    STARTED,
    any_given,
    worker_input,
)
from pytest_mlperf.plugin.attempts import ATTEMPT, RESULT, begin_attempt
from pytest_mlperf.plugin.flags import spelled
from pytest_mlperf.plugin.marker import Marked, read_mark
from pytest_mlperf.plugin.repeating import in_turns, item_id, repeated
from pytest_mlperf.plugin.session import SESSION, MLPerfSession
from pytest_mlperf.run.case import ONCE, Case, Plan

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from pytest_mlperf.report.progress import Terminal


def pytest_configure(config: pytest.Config) -> None:
    """Create the session's state; if options are given, check them before collection."""
    session = _new_session(config)
    config.stash[SESSION] = session
    config.pluginmanager.register(_LostReport(session), "mlperf-lost-report")
    if not any_given(config):
        return
    if config.getoption("mlperf_plan") and config.getoption("numprocesses", None):
        raise pytest.UsageError("--mlperf-plan collects in one process: leave out -n")
    try:
        session.check_selection()
        session.check_submission()
        session.check_places()
        session.check_gate()
    except MLPerfError as error:
        raise pytest.UsageError(spelled(error, config)) from None


def _new_session(config: pytest.Config) -> MLPerfSession:
    """Return a session; in an xdist worker, it has the controller's clock, and refuses another version of the package.

    Results of two versions in one table would be taken for results of one.
    """
    started, key = config.stash[STARTED]
    given: tuple[str, int] | None = worker_input(config).get(CONTROLLER)
    if given is None:
        return MLPerfSession(config, datetime.fromtimestamp(started), key)
    version, east = given
    local = datetime.fromtimestamp(started, timezone(timedelta(seconds=east))).replace(tzinfo=None)
    session = MLPerfSession(config, local, key)
    if version != __version__:
        session.refused = RequirementError(
            f"the worker of pytest-xdist on {platform.node()} has another pytest-mlperf than the session",
            expected=f"pytest-mlperf {version}",
            found=f"pytest-mlperf {__version__}, in {sys.executable}",
            fix=f"install the same there: {sys.executable} -m pip install pytest-mlperf=={version}",
        )
    return session


def state(config: pytest.Config) -> MLPerfSession:
    """Return the session's state."""
    return config.stash[SESSION]


class _LostReport:
    """Lets a report of pytest that cannot be written cost neither the results nor the summary."""

    def __init__(self, session: MLPerfSession) -> None:
        self._session = session

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Write the results elsewhere if pytest's own report fails."""
        try:
            yield
        except OSError as error:
            if not self._session.results or worker_input(session.config):
                raise
            from pytest_mlperf.report.junit import write_elsewhere

            self._session.unreported.append(write_elsewhere(session.config, self._session.results, error))
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_report_header(config: pytest.Config) -> list[str] | None:
    """Return the settings, if options were given."""
    return header(config) if any_given(config) else None


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str] | None:
    """Return the default settings, if no options were given and there are cases."""
    if any_given(config) or not any(_case(item) for item in items):
        return None
    return header(config)


def generate(metafunc: pytest.Metafunc) -> None:
    """Make an item for each selected case; a mark is checked even if its test asks for no case."""
    session = metafunc.config.stash[SESSION]
    mark = metafunc.definition.get_closest_marker("mlperf")
    try:
        marked = read_mark(mark.args, mark.kwargs, session.registry) if mark is not None else Marked()
    except (OptionError, EntryPointError) as error:
        raise pytest.UsageError(f"{metafunc.definition.nodeid}: {spelled(error, metafunc.config)}") from None
    if "mlperf_case" not in metafunc.fixturenames:
        return
    session.named.update(marked.backend)
    metafunc.parametrize(
        "mlperf_case",
        [
            pytest.param(
                case,
                id=item_id(case, with_mode=len(marked.mode) > 1),
                marks=[getattr(pytest.mark, name) for name in _marks(case)],
            )
            for mode in marked.mode
            for case in repeated(filter(marked.keeps, session.matrix.cases(mode, marked)), session.settings.repeat)
        ],
        indirect=True,
        scope="session",
    )


def _marks(case: Case) -> list[str]:
    return [case.decided.benchmark.edition, case.mode] if isinstance(case.decided, Plan) else [case.mode]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the other modes, let repeated runs take turns, and record the selected cases."""
    session = config.stash[SESSION]
    cases = {item: case for item in items if (case := _case(item))}
    if not cases:
        return
    modes = session.settings.selection.mode
    unwanted = [item for item, case in cases.items() if modes and case.mode not in modes]
    if unwanted:
        config.hook.pytest_deselected(items=unwanted)
        items[:] = [item for item in items if item not in unwanted]
    items[:] = in_turns(items, lambda item: cases[item].repetition if item in cases else ONCE)
    wanted = {case for item, case in cases.items() if item not in unwanted}
    session.wanted = frozenset(wanted)
    try:
        session.check_cases()
    except MLPerfError as error:
        if not worker_input(config):
            raise pytest.UsageError(spelled(error, config)) from None
        session.refused = error


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """With --mlperf-plan, print what the cases would need instead of running them."""
    if not session.config.getoption("mlperf_plan") or worker_input(session.config):
        return None
    from pytest_mlperf.plugin.plan import lines

    terminal, mlperf_session = _terminal(session.config), session.config.stash[SESSION]
    running = []
    for case, said, reused in _foreseen(mlperf_session, session.items):
        running += [] if reused else [case]
        if said:
            terminal.write_line(said)
    for line in lines(mlperf_session, running):
        terminal.write_line(line)
    return True


def _foreseen(session: MLPerfSession, items: list[pytest.Item]) -> Iterable[tuple[Case, str, bool]]:
    """Return the cases, and with --mlperf-reuse what that means for each, in words, and whether it need not run."""
    cases = [(item, case) for item in items if (case := _case(item))]
    if not session.settings.reuse:
        return ((case, "", False) for _, case in cases)
    from pytest_mlperf.plugin.reusing import foreseen

    return foreseen(session, cases)


def _case(item: pytest.Item) -> Case | None:
    callspec = getattr(item, "callspec", None)
    case = callspec.params.get("mlperf_case") if callspec else None
    return case if isinstance(case, Case) else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Show an MLPerfError without a traceback."""
    refused = item.config.stash[SESSION].refused
    if _case(item):
        begin_attempt(item)
        if refused is not None:
            raise pytest.fail.Exception(spelled(refused, item.config), pytrace=False)
    return (yield from _without_traceback(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Show an MLPerfError without a traceback."""
    return (yield from _without_traceback(item))


def _without_traceback(item: pytest.Item) -> Generator[None, object, object]:
    try:
        return (yield)
    except MLPerfError as error:
        raise pytest.fail.Exception(spelled(error, item.config), pytrace=False) from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Give the report the run's result, which pytest-xdist carries to the controller."""
    report = yield
    if call.when == "call" and RESULT in item.stash:
        setattr(report, REPORT_ATTRIBUTE, item.stash[RESULT])
    if item.stash.get(ATTEMPT, 1) > 1 if call.when == "setup" else RESULT in item.stash:
        setattr(report, ATTEMPT_ATTRIBUTE, True)
    if report.failed and (case := _case(item)):
        setattr(report, FAILED_ATTRIBUTE, [case.id, case.mode])
    return report


def pytest_terminal_summary(config: pytest.Config) -> None:
    """Print the table of results."""
    session, terminal = config.stash[SESSION], _terminal(config)
    if session.results:
        from pytest_mlperf.report.terminal import write_summary

        write_summary(terminal, session.finished())
    if session.submitted is not None:
        from pytest_mlperf.report.submitted import write_submitted

        write_submitted(terminal, session.submitted)
    if set(config.getoption("reportchars")) & set("saA") and "matrix" in vars(session):
        for line in session.matrix.not_collected():
            terminal.write_line(line)
    _write_places(session, terminal)


def _write_places(session: MLPerfSession, terminal: Terminal) -> None:
    """Say what was published and what could not be written; in a job of GitHub, annotate what is wrong."""
    for line in session.published:
        terminal.write_line(line)
    if session.unreported:
        terminal.write_title("MLPerf report")
        for error in session.unreported:
            for line in str(error).splitlines():
                terminal.write_line(line, red=True)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from pytest_mlperf.report.annotations import workflow_commands

        for line in workflow_commands(session.finished(), session.unreported, os.environ.get("GITHUB_WORKSPACE", "")):
            terminal.write_line(line)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the results to the places that options and environment name; with --mlperf-submit, check and pack them.

    Files come first: whatever happens later, they are there. Dashboards come last, since they may take the submission.
    Each failed check of the submission is reported as a failed item.
    """
    config, mlperf_session = session.config, session.config.stash[SESSION]
    if worker_input(config) or config.getoption("collectonly"):
        return
    # Results are published without any option, too; an option alone, such as --mlperf-json, counts without results.
    if not any_given(config) and not any(mlperf_session.collector.items()):
        return
    from pytest_mlperf.plugin.places import publish

    published = publish(mlperf_session.finished(), mlperf_session.settings)
    mlperf_session.unreported.extend(published.errors)
    mlperf_session.published.extend(published.seen)
    if published.failed:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if mlperf_session.settings.submit and not mlperf_session.settings.plan:
        from pytest_mlperf.plugin.submitting import abandon_submission, make_submission

        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            make_submission(session, mlperf_session, _terminal(config))
        else:
            abandon_submission(session, mlperf_session)
    later = publish(
        mlperf_session.finished(), mlperf_session.settings, lambda line: _terminal(config).write_line(f"  {line}")
    )
    mlperf_session.unreported.extend(later.errors)
    mlperf_session.published.extend(later.seen)


def header(config: pytest.Config) -> list[str]:
    """Return the lines of pytest's report header."""
    settings = config.stash[SESSION].settings
    length = f"run length {settings.run_length}"
    if settings.time_budget is not None:
        length = f"run length up to official, within {settings.time_budget:g} min"
    defaults = [length, f"device {', '.join(settings.selection.device)}"]
    lines = [f"mlperf: {__version__}, {', '.join(defaults)}"]
    for flag, given in settings.given.items():
        lines.append(f"mlperf: {spelled(flag, config)} {given.shown(flag)} ({given.origin})")
    return lines


def _terminal(config: pytest.Config) -> Terminal:
    """Return pytest's terminal; what is written there names the flags that work in the session."""
    from pytest_mlperf.report.progress import Terminal

    return Terminal(config, partial(spelled, config=config))

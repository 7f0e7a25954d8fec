"""Makes a session's submission when its tests are over, and reports each of its checks as a test item."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.environments.sources import place
from pytest_mlperf.plugin import SHORT_FORMS, TAKEN
from pytest_mlperf.submission.submit import Request, abandon, submit

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.plugin.session import MLPerfSession
    from pytest_mlperf.report.progress import Terminal
    from pytest_mlperf.submission.submit import Outcome


def make_submission(session: pytest.Session, mlperf_session: MLPerfSession, terminal: Terminal) -> None:
    """Check and pack the submission of a session that is over; a fault makes it fail."""
    config, settings = session.config, mlperf_session.settings
    terminal.write_line("")
    terminal.write_line("  checking the submission")
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
            session=lambda: mlperf_session.directory,
            on_wait=mlperf_session.provider.tell("waiting for the submission"),
            healthy=not session.testsfailed,
            checker_source=mlperf_session.provider.checker,
            taken=config.stash.get(TAKEN, SHORT_FORMS.keys()),
        )
    )
    mlperf_session.submitted = submitted
    session.testscollected += len(submitted.outcomes)
    for outcome in submitted.outcomes:
        _report(config, outcome)
        if outcome.fault:
            session.testsfailed += 1
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def abandon_submission(session: pytest.Session, mlperf_session: MLPerfSession) -> None:
    """Say that there is no submission: the session did not come to its end."""
    abandoned = abandon(mlperf_session.settings.division, session.config.invocation_params.dir)
    mlperf_session.submitted = abandoned if abandoned.notes else None


def _third_party_code(session: MLPerfSession) -> list[Path]:
    """Return the source directories of third-party benchmarks and backends that were run."""
    registry = session.registry
    used = {registry.benchmarks[result["benchmark"]].value for result in session.results}
    # With pytest-xdist, what only a test names is known to the workers alone; its results are not submitted.
    backends = {result["backend"] for result in session.results if not result.get("label")}
    used |= {registry.backends[name].value for name in backends if name in registry.backends}
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

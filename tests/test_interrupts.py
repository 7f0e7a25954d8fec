"""Ctrl-C at a terminal: one ends the run that it meets, two in a moment stop the session."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pexpect
import pytest

from pytest_mlperf.artifacts.locks import lease
from pytest_mlperf.plugin.session import DOUBLE_INTERRUPT_SECONDS
from tests.sandbox import PATIENCE_SECONDS, assert_no_traceback, item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox import Sandbox

#: So many samples that a slow run lasts for minutes.
MANY = "--dataset-size=30000"
IN_START_TEST = r"accuracy, [1-9][\d,]*/30,000 samples"
TEACHES = "interrupted; the other items continue, two Ctrl-C within 3 s stop the session"


@contextmanager
def terminal(sandbox: Sandbox, *arguments: str) -> Iterator[Any]:
    """Run a session at a terminal of its own."""
    command = sandbox.command(*arguments)
    session = pexpect.spawn(
        command[0],
        command[1:],
        cwd=str(sandbox.root),
        env=sandbox.environment(),
        encoding="utf-8",
        timeout=PATIENCE_SECONDS,
        dimensions=(40, 200),
        # What a shell starts in the background ignores it, and so would the session.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    shown: list[str] = []
    session.logfile_read = type("Log", (), {"write": shown.append, "flush": lambda *_: None})
    session.output = lambda: "".join(shown)
    try:
        yield session
    finally:
        session.close(force=True)


def end_of(session: Any) -> int:
    session.expect(pexpect.EOF)
    session.wait()
    assert_no_traceback(session.output())
    code: int = session.exitstatus
    return code


@pytest.mark.slow
def test_ctrl_c_ends_the_run_that_it_meets_and_the_others_go_on(sandbox: Sandbox) -> None:
    slow = [item(f"null-slow-cpu-{scenario}") for scenario in ("Offline", "SingleStream")]
    with terminal(sandbox, *slow, item("null-null-cpu-Offline"), MANY) as session:
        for _ in slow:
            session.expect(IN_START_TEST)
            session.sendintr()
            session.expect_exact(TEACHES)
            time.sleep(DOUBLE_INTERRUPT_SECONDS)
        assert end_of(session) == pytest.ExitCode.TESTS_FAILED
    failures = sandbox.failures()
    for scenario in ("Offline", "SingleStream"):
        text = failures[f"test_accuracy[null-slow-cpu-{scenario}]"]
        assert text is not None
        assert text.startswith("the run was interrupted\nexpected: a finished run; found: Ctrl-C after ")
        assert sandbox.results()[f"null-slow-cpu-{scenario}", "accuracy"]["verdict"] == "failed"
    assert failures["test_accuracy[null-null-cpu-Offline]"] is None
    sandbox.assert_nothing_is_left()


@pytest.mark.slow
def test_two_ctrl_c_stop_the_session(sandbox: Sandbox) -> None:
    scenarios = ("Offline", "SingleStream", "MultiStream", "Server")
    with terminal(sandbox, *(item(f"null-slow-cpu-{scenario}") for scenario in scenarios), MANY) as session:
        session.expect(IN_START_TEST)
        for scenario in scenarios[1:]:
            session.sendintr()
            # The next run begins: the second Ctrl-C meets it. Only a machine that takes 3 s for this needs a third.
            if session.expect([rf"{scenario}: \w+", "KeyboardInterrupt"]):
                break
        else:
            pytest.fail(session.output())
        assert end_of(session) == pytest.ExitCode.INTERRUPTED
        assert TEACHES in session.output()
    # What ended before is reported; what was stopped is not, as pytest does.
    assert {result["verdict"] for result in sandbox.results().values()} == {"failed"}
    assert len(sandbox.results()) < len(scenarios)
    sandbox.assert_nothing_is_left()


def test_ctrl_c_while_waiting_for_the_device_is_the_waiting_items_alone(sandbox: Sandbox) -> None:
    items = (item("null-null-cpu-Offline"), item("null-null-cpu-SingleStream"))
    with ExitStack() as in_use:
        in_use.enter_context(lease(sandbox.lease("cpu")))
        with terminal(sandbox, *items) as session:
            session.expect("waiting for the device cpu: in use by process")
            session.sendintr()
            session.expect_exact(TEACHES)
            in_use.close()
            assert end_of(session) == pytest.ExitCode.TESTS_FAILED
    failures = sandbox.failures()
    assert str(failures["test_accuracy[null-null-cpu-Offline]"]).startswith("the run was interrupted\n")
    assert failures["test_accuracy[null-null-cpu-SingleStream]"] is None
    sandbox.assert_nothing_is_left()


@pytest.mark.slow  # pytest-xdist gives its workers ten seconds to end
def test_ctrl_c_under_xdist_stops_the_session_and_its_runs(sandbox: Sandbox) -> None:
    items = [item(f"null-slow-cpu-{scenario}") for scenario in ("Offline", "SingleStream", "Server")]
    with terminal(sandbox, *items, MANY, "-n2") as session:
        sandbox.wait_for_start_test()
        session.sendintr()
        assert end_of(session) == pytest.ExitCode.INTERRUPTED
    sandbox.assert_nothing_is_left()

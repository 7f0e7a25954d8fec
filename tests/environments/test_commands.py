"""A command that installs or builds ends with the process that wants its work."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pytest_mlperf.environments.commands import run_command
from tests.sandbox import wait_until

SOURCE = Path(__file__).parents[2] / "src"
#: A command with a child of its own, both of which write down who they are.
SLEEPS = "echo $$ >> pids; sh -c 'echo $$ >> pids; sleep 3600.5' & wait"


def test_its_code_and_its_words_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/ours")
    done = run_command(["sh", "-c", "echo one; echo two >&2; echo $PYTHONPATH$EXTRA; exit 3"], {"EXTRA": "three"})
    assert (done.code, done.output) == (3, "one\ntwo\nthree\n")
    assert done.last_lines(2) == "the end of its output:\n    two\n    three"


def test_a_command_that_a_signal_ended_has_failed() -> None:
    assert run_command(["sh", "-c", "kill -9 $$"]).code != 0


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGINT"])
def test_it_ends_with_the_process_that_wants_its_work(tmp_path: Path, signal: str) -> None:
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored in the background
        f"from pytest_mlperf.environments.commands import run_command; run_command(['sh', '-c', {SLEEPS!r}])"
    )
    environ = {**os.environ, "PYTHONPATH": str(SOURCE)}
    session = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environ, stderr=subprocess.DEVNULL)
    pids = tmp_path / "pids"
    wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2, "the two processes")
    started = [psutil.Process(int(pid)) for pid in pids.read_text().split()]
    time.sleep(0.05)
    subprocess.run(["kill", f"-{signal.removeprefix('SIG')}", str(session.pid)], check=True)
    session.wait(timeout=30)
    wait_until(lambda: not any(is_alive(process) for process in started), "the end of both")


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False

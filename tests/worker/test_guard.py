"""The end of a worker at an exception: whatever the exception is, the process ends and says why."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.implementations.protocol import RESULT_FILE, read_result
from pytest_mlperf.printable import LONGEST
from pytest_mlperf.worker.guard import EXIT_FAILED, LONGEST_TRACEBACK

if TYPE_CHECKING:
    from pathlib import Path

START = """
import sys, threading, time
from pathlib import Path
from pytest_mlperf.errors import ModelError
from pytest_mlperf.worker.guard import Guard
guard = Guard(Path(sys.argv[1]))
class NoText(Exception):
    def __str__(self): raise SystemExit(0)
"""
#: As in a LoadGen callback: another thread waits meanwhile, and no exception may pass.
IN_A_THREAD = """
threading.Thread(target=guard.wrap(function)).start()
time.sleep(60)
"""


def end(directory: Path, lines: str) -> tuple[int, str, str]:
    """Run a function in a guarded thread; return the exit code, what result.json says, and the log."""
    command = [sys.executable, "-c", f"{START}{lines}\n{IN_A_THREAD}", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    file = directory / RESULT_FILE
    failure = read_result(file).failure if file.exists() else None
    return done.returncode, failure.what if failure else "", done.stderr


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (r"def function(): raise RuntimeError('\udcff \ud800')", r"RuntimeError: \udcff \ud800"),
        (r"def function(): raise ModelError('\udcff', found='\ud800')", r"\udcff"),
        ("def function(): raise NoText", "NoText: <exception str() failed>"),
        ("def function(): sys.stderr.close(); raise RuntimeError('late')", "RuntimeError: late"),
        ("def function(): sys.stdout = None; raise RuntimeError('late')", "RuntimeError: late"),
    ],
    ids=["surrogate", "surrogate in ours", "no text", "closed log", "no standard output"],
)
def test_no_exception_keeps_the_process_alive(tmp_path: Path, lines: str, what: str) -> None:
    code, found, _ = end(tmp_path, lines)
    assert code == EXIT_FAILED
    assert found == what


def test_a_text_of_many_megabytes_is_cut_in_the_result_and_in_the_log(tmp_path: Path) -> None:
    code, found, log = end(tmp_path, "def function(): raise RuntimeError('x' * 50_000_000)")
    assert code == EXIT_FAILED
    assert found.endswith("… (cut: 50,000,014 characters)")
    assert len(found) < LONGEST + 100
    assert len(log) < LONGEST_TRACEBACK + 100
    assert "Traceback (most recent call last)" in log


def test_secrets_of_addresses_are_in_neither(tmp_path: Path) -> None:
    _, found, log = end(
        tmp_path, "def function(): raise OSError('no answer from https://me:hidden@host/?token=hidden')"
    )
    assert found == "OSError: no answer from https://host/?token=***"
    # The line of the source that raised it is the only one.
    assert log.count("hidden") <= 2
    assert "https://me" not in log.splitlines()[-1]


def test_a_directory_that_is_gone_keeps_nothing_alive(tmp_path: Path) -> None:
    code, found, log = end(tmp_path / "gone", "def function(): raise RuntimeError('late')")
    assert (code, found) == (EXIT_FAILED, "")
    assert "RuntimeError: late" in log

"""A pytest session in a process of its own that can be watched, interrupted and killed, beside nobody else's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from pytest_mlperf.artifacts.locks import lease
from tests.conftest import PLAIN, REPOSITORY, support_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: What a busy machine may take for anything here; no test waits for it in vain unless it fails.
PATIENCE_SECONDS = 90.0
BENCHMARKS = REPOSITORY / "benchmarks" / "test_mlperf.py"


def item(case: str, mode: str = "accuracy") -> str:
    """Return the node id of a case."""
    return f"{BENCHMARKS}::test_{mode}[{case}]"


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Look again and again until something holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


@dataclass(frozen=True)
class Sandbox:
    """A directory whose sessions share a cache and device leases with each other and with nobody else."""

    root: Path

    @property
    def temporary(self) -> Path:
        """$TMPDIR of the sessions, where their leases lie as well; every process that a session starts has it, too."""
        return self.root / "tmp"

    def lease(self, device: str) -> Path:
        """Return the lock file of a device."""
        return self.temporary / f"pytest-mlperf-{device}.lock"

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of a session."""
        ours = (f"--mlperf-{key}={self.root / value}" for key, value in (("output", "out"), ("json", "results.json")))
        options = (*PLAIN, f"--mlperf-cache={self.root / 'cache'}", f"--junitxml={self.root / 'xml'}")
        return [sys.executable, "-m", "pytest", *options, *ours, *arguments]

    def environment(self, **variables: str) -> dict[str, str]:
        """Return the environment of a session."""
        self.temporary.mkdir(exist_ok=True)
        path = os.pathsep.join(support_path())
        ours = {"TMPDIR": str(self.temporary), "MLPERF_TEST_LEASES": str(self.temporary)}
        return {**os.environ, "PYTHONPATH": path, "COLUMNS": "200", **ours, **variables}

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start a session."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.root,
            env=self.environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, **variables: str) -> tuple[int, str]:
        """Run a session; return its exit code and its output."""
        session = self.start(*arguments, **variables)
        output, _ = session.communicate(timeout=2 * PATIENCE_SECONDS)
        return session.returncode, output

    def processes(self) -> list[psutil.Process]:
        """Return every living process of the sandbox's sessions, and of their children's children."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def workers(self) -> list[psutil.Process]:
        """Return the processes that run a case."""
        return [process for process in self.processes() if "pytest_mlperf.worker" in command_line(process)]

    def wait_for_start_test(self) -> None:
        """Wait until LoadGen has opened its logs in some run."""
        wait_until(lambda: list(self.root.glob("out/*/*/mlperf_log_detail.txt")), "StartTest")

    def results(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the results in --mlperf-json, by case and mode."""
        results = json.loads((self.root / "results.json").read_text())["results"]
        by_case = {(result["case"], result["mode"]): result for result in results}
        assert len(by_case) == len(results)
        return by_case

    def failures(self) -> dict[str, str | None]:
        """Return each item's failure text as JUnit has it, None where it passed."""
        cases = list(ET.parse(self.root / "xml").iter("testcase"))  # noqa: S314 - our own
        failed = {str(case.get("name")): case.find("failure") for case in cases}
        assert len(failed) == len(cases)
        assert not any(case.find("error") is not None or case.find("skipped") is not None for case in cases)
        return {name: None if failure is None else failure.text for name, failure in failed.items()}

    def assert_nothing_is_left(self) -> None:
        """No process lives and the device can be taken at once."""
        wait_until(lambda: not self.processes(), f"the end of {self.processes()}")
        for device in ("cpu", "cuda"):
            with lease(self.lease(device), timeout=0):
                pass

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            # A zombie's environment cannot be read; it is no process any more.
            return bool(process.environ().get("TMPDIR") == str(self.temporary))
        except psutil.Error:
            return False


def command_line(process: psutil.Process) -> list[str]:
    """Return a process's command line, nothing when it is gone."""
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def assert_no_traceback(output: str) -> None:
    """The only traceback that a user may see is in the end of the child's log, which are indented."""
    for line in output.splitlines():
        assert not line.startswith(("Traceback", "INTERNALERROR", "E  ")), output
        assert "Error in sys.excepthook" not in line, output

"""Runs commands that install and build; they are killed when this process ends.

Otherwise a killed session would leave pip and compilers running for minutes, in a directory that the next session
removes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Variables that would make this session's packages visible to another interpreter.
_OURS = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV")
#: Runs a command in its own process group, and kills the group when its standard input closes.
_LEASH = """
import os, signal, subprocess, sys, threading

def wait():
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)

command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
threading.Thread(target=wait, daemon=True).start()
os._exit(min(abs(command.wait()), 255))
"""


@dataclass(frozen=True)
class Done:
    """A finished command: its exit code, and its standard output and error."""

    code: int
    output: str

    def last_lines(self, most: int = 12) -> str:
        """Return the last lines of the output, indented, for a message."""
        lines = [line for line in self.output.splitlines() if line.strip() and not line.startswith("WARNING")]
        return "the end of its output:\n    " + "\n    ".join(lines[-most:] or ["nothing"])


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment variables without those that make this session's packages visible."""
    kept = {name: value for name, value in os.environ.items() if name not in _OURS}
    return {**kept, "PYTHONNOUSERSITE": "1", **(extra or {})}


def run_command(command: Sequence[str], extra: Mapping[str, str] | None = None) -> Done:
    """Run a command and wait for it; the command and its children are killed if this process ends.

    Parameters
    ----------
    command
        Program and arguments.
    extra
        Environment variables besides those of `clean_environment`.
    """
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _LEASH, *command],
        stdin=subprocess.PIPE,  # never written to: it closes when this process ends
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=clean_environment(extra),
        start_new_session=True,
    ) as leash:
        try:
            assert leash.stdout is not None  # noqa: S101 - it is a pipe
            output = leash.stdout.read()
            return Done(leash.wait(), output)
        except BaseException:  # Ctrl-C reaches only this process
            with suppress(ProcessLookupError):
                os.killpg(leash.pid, signal.SIGKILL)
            raise

"""A step of a conversion: a module of ours in a tool's Python, and why it failed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.origin import Tool

if TYPE_CHECKING:
    from pytest_mlperf.environments.commands import Done

#: torch writes exported programs that older ones do not read.
TORCH = "torch==2.13.0"
PYTORCH = Tool((TORCH, "onnx>=1.17"))
#: The exit code of a module that refuses its input; the reason is the last line of its output.
REFUSED = 3


def run_module(interpreter: str, module: str, *arguments: Path) -> Done:
    """Run a module of this package with a tool's Python, which has the tool's packages and not this one."""
    from pytest_mlperf.environments.commands import run_command
    from pytest_mlperf.environments.sources import link_sources

    with tempfile.TemporaryDirectory() as name:
        link_sources((), Path(name))
        command = [interpreter, "-m", module, *(str(each.absolute()) for each in arguments)]
        return run_command(command, {"PYTHONPATH": name, "PYTHONDONTWRITEBYTECODE": "1"})


def reason(done: Done) -> str:
    """Return why a module failed: the line in which it says so, or the end of its output."""
    return done.last_lines(1) if done.code == REFUSED else done.last_lines()

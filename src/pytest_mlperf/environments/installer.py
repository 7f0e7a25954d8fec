"""Runs pip and uv for another interpreter."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pytest_mlperf.environments.commands import run_command
from pytest_mlperf.errors import RequirementError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def install(python: str, packages: Sequence[str]) -> None:
    """Install packages into the environment of the interpreter `python`, with uv if it is installed, else pip.

    uv does not read pip's configuration, so if uv fails, pip is tried.

    Raises
    ------
    RequirementError
        A package cannot be installed, or there is neither pip nor uv.
    """
    uv = shutil.which("uv")
    if uv is not None:
        command = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *packages]
        if run_command(command).code == 0:
            return
    run_pip(python, ["install", "--no-warn-script-location", *packages], f"install {', '.join(packages)}")


def run_pip(python: str, arguments: Sequence[str], what: str, extra: Mapping[str, str] | None = None) -> None:
    """Run this interpreter's pip for the interpreter `python`, which need not have pip.

    Raises
    ------
    RequirementError
        pip is not installed, or fails.
    """
    if find_spec("pip") is None:
        raise RequirementError(
            f"cannot {what}",
            expected="pip or uv",
            found=f"neither, in {sys.executable} and on PATH",
            fix=f"install one: {sys.executable} -m ensurepip, or uv from its own installer",
        )
    command = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "--no-input", "--quiet"]
    done = run_command([*command, *arguments], extra)
    if done.code != 0:
        raise RequirementError(
            f"pip cannot {what} for {python}",
            found=done.last_lines(),
            fix="check the network, the proxy and the package index (pip config list), and that the versions exist for "
            "this Python",
        )

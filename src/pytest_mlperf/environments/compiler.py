"""Finds the compiler that builds LoadGen and the programs that are linked with it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pytest_mlperf.environments.distribution import install_compiler
from pytest_mlperf.errors import RequirementError

DEFAULTS = ("gcc", "clang")
_CXX = re.compile(r"(g\+\+|clang\+\+)(?=$|-)")
_CC = re.compile(r"(gcc|clang)(?=$|-\d)")


@dataclass(frozen=True)
class Compiler:
    """A C compiler, the C++ compiler of the same family, and the first line of the latter's ``--version``."""

    cc: str
    cxx: str
    version: str

    def variables(self) -> dict[str, str]:
        """Return the environment variables that make setuptools use it, also for linking."""
        link = f"{self.cxx} -shared"
        return {"CC": self.cc, "CXX": self.cxx, "LDSHARED": link, "LDCXXSHARED": link}


def find_compiler(name: str | None, what: str = "LoadGen") -> Compiler:
    """Return the compiler that the user names (``gcc``, ``clang``, ``gcc-12``, a path), or the first of gcc and clang.

    `what` is to be built with it.

    Raises
    ------
    RequirementError
        It is not installed, cannot be started, or has no matching C++ compiler.
    """
    if name is None:
        name = next((default for default in DEFAULTS if shutil.which(cxx_of(default))), DEFAULTS[0])
    cxx_name = cxx_of(name)
    cc, cxx = shutil.which(name), shutil.which(cxx_name)
    if cc is None or cxx is None:
        missing = name if cc is None else cxx_name
        raise _no_compiler(
            what, name, f"{missing} is not on PATH" if "/" not in missing else f"{missing} cannot be started"
        )
    try:
        done = subprocess.run([cxx, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise _no_compiler(what, name, f"{cxx} --version: {error}") from error
    version = (done.stdout.strip().splitlines() or ["unknown version"])[0]
    return Compiler(cc, cxx, version)


def cxx_of(name: str) -> str:
    """Return the C++ compiler of a C compiler: ``g++-12`` for ``gcc-12``; other names are returned unchanged."""
    path = Path(name)
    if _CXX.search(path.name):
        return name
    replaced = _CC.sub(lambda found: {"gcc": "g++", "clang": "clang++"}[found[1]], path.name)
    return str(path.with_name(replaced)) if "/" in name else replaced


def _no_compiler(what: str, name: str, found: str) -> RequirementError:
    return RequirementError(
        f"{what} cannot be built with {name}",
        expected="a C++ compiler",
        found=found,
        fix=f"install one: {install_compiler(name)} (as root), name another with --loadgen-compiler, or "
        + ("leave that option out to use the released wheel" if what == "LoadGen" else "use --implementation python"),
    )

"""The versions of the packages that a runtime consists of, read from what is installed and without importing them.

Another interpreter runs this file as a script, so it imports nothing but the standard library.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SECONDS = 60.0


def versions_of(names: list[str], executable: str) -> dict[str, str]:
    """Return the versions of packages and of all that they require, as far as they are installed; and Python's.

    Parameters
    ----------
    names
        The packages; of alternatives those that are not installed are left out.
    executable
        The interpreter.

    Raises
    ------
    OSError, subprocess.SubprocessError, ValueError
        It cannot be run, or does not say.
    """
    if executable == sys.executable:
        return _installed(names)
    done = subprocess.run(
        [executable, "-I", str(Path(__file__).absolute()), *names], capture_output=True, check=True, timeout=_SECONDS
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def _installed(names: list[str]) -> dict[str, str]:
    found = {"python": sys.version.partition(" ")[0]}
    waiting = list(names)
    seen: set[str] = set()
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            there = distribution(name)
        except PackageNotFoundError:
            continue
        found[name] = there.version
        waiting += [match.group() for each in there.requires or () if _counts(each) and (match := _NAME.match(each))]
    return dict(sorted(found.items()))


def _counts(requirement: str) -> bool:
    """Return whether a requirement is not that of an extra, which may be installed for something else."""
    return "extra ==" not in requirement


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_installed(sys.argv[1:])))

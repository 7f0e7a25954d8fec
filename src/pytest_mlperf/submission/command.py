"""The pytest command as a submission shows it: without secrets, and without the places and names of this machine."""

from __future__ import annotations

import getpass
import os
import platform
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.secrecy import arguments_without_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Stands for a directory of this machine.
SOMEWHERE = "/path/to"
#: An option's and further names before a value (``--model-path=retinanet=``, ``-o``), the value, and a test's name.
_VALUE = re.compile(r"(?P<names>(?:-\w(?=[/~]))?(?:[\w.-]+=)*)(?P<value>.*?)(?P<test>::.*)?", re.DOTALL)


def public_command(arguments: Sequence[str], directory: Path) -> list[str]:
    """Return the arguments of a command that was given in `directory`, as everybody may read them.

    A path of this machine becomes relative to `directory`, if it is below it, and else ``/path/to/<name>``. In what
    remains of paths the user's and the machine's names are replaced.
    """
    private = _names()
    return [_public(argument, directory, private) for argument in arguments_without_secrets(arguments)]


def _public(argument: str, directory: Path, private: dict[str, str]) -> str:
    found = _VALUE.fullmatch(argument)
    if found is None or "/" not in found["value"]:
        return argument
    scheme, colon, rest = found["value"].rpartition("://")
    is_address = bool(colon) and scheme.lower() != "file"
    path = rest if is_address else _public_path(rest, directory)
    for name, instead in private.items():
        path = re.sub(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", instead, path)
    return f"{found['names']}{scheme}{colon}{path}{found['test'] or ''}"


def _public_path(path: str, directory: Path) -> str:
    if not path.startswith(("/", "~")) and ".." not in path.split("/"):
        return path
    expanded = os.path.expanduser(path)  # noqa: PTH111 - Path raises for an unknown user, which it leaves as it is
    whole = Path(os.path.normpath(directory / expanded))
    if whole.is_relative_to(directory) and not expanded.startswith("~"):
        return whole.relative_to(directory).as_posix()
    return f"{SOMEWHERE}/{whole.name}"


def _names() -> dict[str, str]:
    """Return the private names, and what stands for them."""
    names = {platform.node(): "HOST", platform.node().partition(".")[0]: "HOST"}
    with suppress(OSError, KeyError, ImportError):  # a user without a name
        names[getpass.getuser()] = "USER"
    return {name: word for name, word in names.items() if name}

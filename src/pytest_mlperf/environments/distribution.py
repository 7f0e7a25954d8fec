"""The commands that install system packages on this Linux distribution."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

OS_RELEASE = Path("/etc/os-release")


class _Names(NamedTuple):
    """The command that installs, and package names; `headers` is a suffix of the name of Python."""

    command: str
    python: str
    headers: str
    gcc: str
    clang: str = "clang"


#: By the distribution's ID or ID_LIKE, see os-release(5).
_COMMANDS = {
    "debian": _Names("apt-get install", "python{}", "-dev", "g++"),
    "ubuntu": _Names("apt-get install", "python{}", "-dev", "g++"),
    "fedora": _Names("dnf install", "python{}", "-devel", "gcc-c++"),
    "rhel": _Names("dnf install", "python{}", "-devel", "gcc-c++"),
    "suse": _Names("zypper install", "python{undotted}", "-devel", "gcc-c++"),
    "arch": _Names("pacman -S", "python", "", "gcc"),
    "alpine": _Names("apk add", "python3", "-dev", "g++"),
}


def install_python(version: str, os_release: Path = OS_RELEASE) -> str:
    """Return the command that installs the Python `version`, such as ``3.12``, to be shown to the user."""
    minor = ".".join(version.split(".")[:2])
    if (names := _names(os_release)) is None:
        return f"uv python install {minor}"
    return f"{names.command} {_python(names, minor)}"


def install_headers(version: str, os_release: Path = OS_RELEASE) -> str:
    """Return the command that installs the headers of the Python `version`, such as ``3.12``."""
    minor = ".".join(version.split(".")[:2])
    if (names := _names(os_release)) is None:
        return f"install the headers of Python {minor}"
    return f"{names.command} {_python(names, minor)}{names.headers}"


def install_compiler(compiler: str, os_release: Path = OS_RELEASE) -> str:
    """Return the command that installs a C++ compiler, to be shown to the user."""
    if (names := _names(os_release)) is None:
        return f"install {compiler} with its C++ compiler"
    return f"{names.command} {names.clang if 'clang' in compiler else names.gcc}"


def _python(names: _Names, minor: str) -> str:
    return names.python.format(minor, undotted=minor.replace(".", ""))


def _names(os_release: Path) -> _Names | None:
    try:
        lines = os_release.read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    fields = {key: value.strip("\"'") for key, _, value in (line.partition("=") for line in lines)}
    for name in (fields.get("ID", ""), *fields.get("ID_LIKE", "").split()):
        # openSUSE's IDs begin with its name: opensuse-leap.
        known = "suse" if name.startswith(("opensuse", "sles")) else name
        if known in _COMMANDS:
            return _COMMANDS[known]
    return None

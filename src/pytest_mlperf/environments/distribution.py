"""What this Linux distribution calls a system package; changes when a distribution does."""

from __future__ import annotations

from pathlib import Path

OS_RELEASE = Path("/etc/os-release")

#: By the distribution's ID or ID_LIKE (os-release(5)): the command, and its names of Python, g++ and clang.
_COMMANDS = {
    "debian": ("apt-get install", "python{}", "g++", "clang"),
    "ubuntu": ("apt-get install", "python{}", "g++", "clang"),
    "fedora": ("dnf install", "python{}", "gcc-c++", "clang"),
    "rhel": ("dnf install", "python{}", "gcc-c++", "clang"),
    "suse": ("zypper install", "python{undotted}", "gcc-c++", "clang"),
    "arch": ("pacman -S", "python", "gcc", "clang"),
    "alpine": ("apk add", "python3", "g++", "clang"),
}


def install_python(version: str, os_release: Path = OS_RELEASE) -> str:
    """Return the command that installs the Python `version`, such as ``3.12``, for a person to run."""
    minor = ".".join(version.split(".")[:2])
    if (names := _names(os_release)) is None:
        return f"uv python install {minor}"
    command, python, _, _ = names
    return f"{command} {python.format(minor, undotted=minor.replace('.', ''))}"


def install_compiler(compiler: str, os_release: Path = OS_RELEASE) -> str:
    """Return the command that installs a C++ compiler, for a person to run."""
    if (names := _names(os_release)) is None:
        return f"install {compiler} with its C++ compiler"
    command, _, gcc, clang = names
    return f"{command} {clang if 'clang' in compiler else gcc}"


def _names(os_release: Path) -> tuple[str, str, str, str] | None:
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

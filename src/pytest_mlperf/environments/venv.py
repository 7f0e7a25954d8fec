"""Makes virtual environments as artifacts of the cache.

An artifact is renamed when it is complete, so nothing in it may depend on its path. In a virtual environment only
the first lines of the scripts in ``bin`` do; they are not needed and are removed. The interpreter finds
``pyvenv.cfg`` relative to itself; it is a copy, because a link would point out of the artifact.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.environments.commands import run_command
from pytest_mlperf.environments.installer import install
from pytest_mlperf.environments.requirements import package_names
from pytest_mlperf.errors import RequirementError
from pytest_mlperf.secrecy import without_secrets

if TYPE_CHECKING:
    from pytest_mlperf.artifacts.recipe import KeyValue
    from pytest_mlperf.environments.pythons import Interpreter

#: Increase this when environments are made differently.
VERSION = 1

#: Imports something of each package; mlcommons_loadgen would replace LoadGen's own module by an empty one.
_TRY = """
import importlib, sys
from importlib.metadata import distribution

for name in sys.argv[1:]:
    paths = [file.parts[0] for file in distribution(name).files or () if file.suffix in (".py", ".so")]
    modules = {part.split(".")[0] for part in paths if ".dist-info" not in part and part != ".."}
    faults, works = [], False
    for module in sorted(modules - {"mlcommons_loadgen"}):
        try:
            importlib.import_module(module)
            works = True
        except Exception as error:
            faults.append(f"{module}: {type(error).__name__}: {error}")
    if faults and not works:
        sys.exit(f"{name} cannot be imported: " + "; ".join(faults))
"""


@dataclass(frozen=True)
class VenvRecipe:
    """How to make a virtual environment.

    Attributes
    ----------
    interpreter
        The interpreter.
    label
        The user's name for it, or the backend's.
    requirements
        What pip installs.
    wheels
        Files of further packages.
    wheel_keys
        The keys of the recipes of these wheels.
    """

    interpreter: Interpreter
    label: str
    requirements: tuple[str, ...]
    wheels: tuple[str, ...] = ()
    wheel_keys: tuple[str, ...] = ()
    kind: str = "environment"

    @property
    def name(self) -> str:
        """The name shown to users."""
        return f"{self.label} python{self.interpreter.version}"

    @property
    def source(self) -> str:
        """The source, as shown to users."""
        return f"{self.interpreter.executable}: {' '.join((*self.requirements, *self.wheels))}"

    def key(self) -> dict[str, KeyValue]:
        """Return what determines the content."""
        return {
            "version": VERSION,
            "label": self.label,
            "interpreter": self.interpreter.executable,
            "python": self.interpreter.version,
            "requirements": [without_secrets(requirement) for requirement in self.requirements],
            "wheels": list(self.wheel_keys),
        }

    def build(self, directory: Path) -> None:
        """Make the environment in the empty `directory`.

        Raises
        ------
        RequirementError
            The interpreter cannot make a virtual environment, or a package cannot be installed or imported.
        """
        command = [self.interpreter.executable, "-m", "venv", "--copies", "--without-pip", str(directory)]
        self._run(command, "make a virtual environment", "choose another Python with --python-version")
        _link_copies(directory)
        python = str(executable(directory))
        install(python, [*self.requirements, *self.wheels])
        names = package_names(self.requirements, self.interpreter.version)
        names += [Path(wheel).name.partition("-")[0] for wheel in self.wheels]
        self._run(
            [python, "-I", "-c", _TRY, *names],
            "use what was installed",
            "choose another Python with --python-version, or install the system's library that is missing",
        )
        for script in (directory / "bin").iterdir():
            if not script.name.startswith("python"):
                script.unlink()

    def _run(self, command: list[str], what: str, fix: str) -> None:
        done = run_command(command)
        if done.code != 0:
            raise RequirementError(f"Python {self.interpreter} cannot {what}", found=done.last_lines(), fix=fix)


def executable(environment: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    return environment / "bin" / "python"


def version_in(environment: Path, package: str) -> str | None:
    """Return the version of a package in a virtual environment."""
    folders = [str(path) for path in environment.glob("lib/python3*/site-packages")]
    return next((found.version for found in distributions(name=package, path=folders)), None)


def _link_copies(directory: Path) -> None:
    """Keep one of the three copies of the interpreter that venv makes."""
    first = executable(directory)
    for copy in first.parent.glob("python3*"):
        copy.unlink()
        copy.symlink_to(first.name)

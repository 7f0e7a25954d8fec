"""Builds LoadGen from source as a wheel in the cache."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.environments.commands import run_command
from pytest_mlperf.environments.distribution import install_headers
from pytest_mlperf.environments.installer import run_pip
from pytest_mlperf.environments.requirements import LOADGEN
from pytest_mlperf.errors import RequirementError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.artifacts.recipe import KeyValue
    from pytest_mlperf.environments.compiler import Compiler
    from pytest_mlperf.environments.pythons import Interpreter

#: Increase this when wheels are built differently.
VERSION = 1
#: Files left by builds in a checkout.
_NOT_SOURCE = {".git", "build", "dist", "__pycache__"}
_NOT_SOURCE_SUFFIXES = {".so", ".pyc", ".whl"}


@dataclass(frozen=True)
class Checkout:
    """LoadGen's directory in a checkout of mlcommons/inference, and the SHA-256 of its files."""

    directory: Path
    sha256: str


@dataclass(frozen=True)
class LoadGenRecipe:
    """How to build a wheel of LoadGen, of a released version or of a checkout."""

    interpreter: Interpreter
    compiler: Compiler
    release: str
    checkout: Checkout | None = None
    kind: str = "loadgen"

    @property
    def name(self) -> str:
        """The name shown to users."""
        return f"loadgen {self._version} {Path(self.compiler.cc).name} python{self.interpreter.version}"

    @property
    def source(self) -> str:
        """The source, as shown to users."""
        return source_words(self.release, self.checkout)

    @property
    def built(self) -> str:
        """The source and compiler, as recorded in results."""
        return built_words(self.release, self.checkout, self.compiler)

    def key(self) -> dict[str, KeyValue]:
        """Return what determines the content."""
        return {
            "version": VERSION,
            "loadgen": self.checkout.sha256 if self.checkout else self.release,
            "compiler": self.compiler.version,
            "python": self.interpreter.version,
            "machine": platform.machine(),
        }

    def build(self, directory: Path) -> None:
        """Build the wheel in the empty `directory`.

        Raises
        ------
        RequirementError
            The source cannot be fetched or compiled, or Python's headers are missing.
        """
        _check_headers(self.interpreter)
        with tempfile.TemporaryDirectory(prefix="loadgen-") as temporary:
            what = requirement(self.release)
            if self.checkout:
                what = str(copy_sources(self.checkout.directory, Path(temporary) / "loadgen"))
            run_pip(
                self.interpreter.executable,
                # pip's cache could return a wheel built by another compiler.
                ["wheel", "--no-deps", "--no-cache-dir", "--no-binary", LOADGEN, "--wheel-dir", str(directory), what],
                f"build LoadGen with {self.compiler.cc}",
                self.compiler.variables(),
            )
        wheel(directory)

    @property
    def _version(self) -> str:
        return self.checkout.sha256[:12] if self.checkout else self.release


def requirement(release: str) -> str:
    """Return a released version of LoadGen as pip is asked for it."""
    return f"{LOADGEN}=={release}"


def source_words(release: str, checkout: Checkout | None) -> str:
    """Return the sources of a build of LoadGen, as shown to users."""
    return str(checkout.directory) if checkout else f"the source distribution {requirement(release)}"


def built_words(release: str, checkout: Checkout | None, compiler: Compiler) -> str:
    """Return the sources and the compiler of a build of LoadGen, as recorded in results."""
    of = f"checkout {checkout.sha256[:12]}" if checkout else f"source distribution {release}"
    return f"{of}, {compiler.version}"


def find_checkout(directory: Path) -> Checkout:
    """Return LoadGen's sources in `directory`: a checkout of mlcommons/inference, or its ``loadgen``.

    Raises
    ------
    RequirementError
        There are no sources.
    """
    for place in (directory, directory / "loadgen"):
        if (place / "setup.py").is_file() and (place / "loadgen.cc").is_file():
            return Checkout(place.absolute(), _content_hash(place))
    raise RequirementError(
        f"{directory} has no sources of LoadGen",
        expected="setup.py and loadgen.cc there or in its directory loadgen",
        found=("other files" if directory.is_dir() else "no such directory"),
        fix="name a checkout of mlcommons/inference with --loadgen-src",
    )


def wheel(directory: Path) -> Path:
    """Return the wheel made by a build."""
    wheels = sorted(directory.glob("*.whl"))
    if len(wheels) != 1:
        raise RequirementError(
            "the build of LoadGen made no wheel",
            expected="one .whl file",
            found=f"{', '.join(path.name for path in wheels) or 'none'}",
            fix="give a checkout of mlcommons/inference with --loadgen-src, or leave the option out",
        )
    return wheels[0]


def _check_headers(interpreter: Interpreter) -> None:
    """Raise before minutes of compiling if Python's headers, which may be a separate package, are missing."""
    done = run_command([interpreter.executable, "-I", "-c", "import sysconfig; print(sysconfig.get_path('include'))"])
    place = Path(done.output.strip())
    if done.code == 0 and not (place / "Python.h").is_file():
        raise RequirementError(
            f"LoadGen cannot be built for Python {interpreter}",
            expected="its headers",
            found=f"no Python.h in {place}",
            fix=f"install them: {install_headers(interpreter.version)} (as root), choose another Python with "
            "--python-version, or leave out --loadgen-compiler and --loadgen-src to use the released wheel",
        )


def _content_hash(directory: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(_source_files(directory)):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(directory)}\0{content}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _source_files(directory: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(directory):
        names[:] = [name for name in names if not _left_by_a_build(name)]
        yield from (Path(folder, name) for name in files if not _left_by_a_build(name) and Path(folder, name).is_file())


def _left_by_a_build(name: str) -> bool:
    return name in _NOT_SOURCE or name.endswith(".egg-info") or Path(name).suffix in _NOT_SOURCE_SUFFIXES


def copy_sources(source: Path, target: Path) -> Path:
    """Copy the sources, because a build writes into its directory."""
    shutil.copytree(source, target, ignore=lambda _, names: [name for name in names if _left_by_a_build(name)])
    return target

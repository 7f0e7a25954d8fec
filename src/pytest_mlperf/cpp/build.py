"""Builds LoadGen's library and the C++ program with the user's compiler, each as an artifact of the cache."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.artifacts.archives import unpack
from pytest_mlperf.environments.commands import run_command
from pytest_mlperf.environments.installer import run_pip
from pytest_mlperf.environments.loadgen import built_words, copy_sources, requirement, source_words
from pytest_mlperf.environments.requirements import LOADGEN
from pytest_mlperf.errors import OfflineError, RequirementError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_mlperf.artifacts.recipe import KeyValue
    from pytest_mlperf.environments.compiler import Compiler
    from pytest_mlperf.environments.loadgen import Checkout

SOURCES = Path(__file__).parent / "source"
PROGRAM = "pytest-mlperf-sut"
#: Increase these when what is built is built differently.
_LIBRARY_VERSION, _PROGRAM_VERSION = 1, 1
#: LoadGen's own sources, of lib_sources in its setup.py, and the version that its build generates.
_LOADGEN = (
    "early_stopping.cc",
    "issue_query_controller.cc",
    "loadgen.cc",
    "logging.cc",
    "results.cc",
    "test_settings_internal.cc",
    "utils.cc",
    "version.cc",
    "generated/version_generated.cc",
)
_GENERATE_VERSION = """
import os, sys
os.chdir(sys.argv[1])
sys.path.insert(0, ".")
from version_generator import generate_loadgen_version_definitions
generate_loadgen_version_definitions("generated/version_generated.cc", ".")
"""
#: Products are rounded as numpy rounds them: no fused multiply and add.
_FLAGS = ("-std=c++17", "-O3", "-ffp-contract=off", "-pthread")
#: Lines of a compiler's output that are shown: the first error is the one that counts.
_FIRST_LINES = 12


@dataclass(frozen=True)
class LibraryRecipe:
    """How to build LoadGen's C++ library, of a released version or of a checkout: its objects and its headers."""

    compiler: Compiler
    release: str
    checkout: Checkout | None = None
    offline: bool = False
    kind: str = "loadgen"

    @property
    def name(self) -> str:
        """The name shown to users."""
        version = self.checkout.sha256[:12] if self.checkout else self.release
        return f"loadgen {version} c++ {Path(self.compiler.cxx).name}"

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
            "version": _LIBRARY_VERSION,
            "library": "c++",
            "loadgen": self.checkout.sha256 if self.checkout else self.release,
            "compiler": self.compiler.version,
            "machine": platform.machine(),
        }

    def build(self, directory: Path) -> None:
        """Build the objects in the empty `directory`.

        Raises
        ------
        OfflineError
            The source would have to be fetched, and the network must not be used.
        RequirementError
            The source cannot be fetched or compiled.
        """
        with self._sources() as sources:
            major, minor = [*_version(sources, self.release).split("."), "0"][:2]
            named = f"-ffile-prefix-map={sources}=loadgen"  # LoadGen logs the names of its sources
            flags = (*_FLAGS, named, f"-DMAJOR_VERSION={major}", f"-DMINOR_VERSION={minor}", "-I", str(sources))
            files = [sources / name for name in _LOADGEN if (sources / name).is_file()]
            _compile_all(self.compiler, "LoadGen's library", files, flags, directory)
            for header in sources.glob("*.h"):
                shutil.copy(header, directory)

    @contextmanager
    def _sources(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="loadgen-") as temporary:
            place = Path(temporary)
            if self.checkout is not None:
                sources = copy_sources(self.checkout.directory, place / "sources")
                _generate(sources)
            else:
                sources = self._fetched(place)
            yield sources

    def _fetched(self, place: Path) -> Path:
        if self.offline:
            raise OfflineError(
                f"offline, and {self.name} is not in the cache",
                expected="LoadGen's library, which a program in C++ is linked with",
                found="nothing",
                fix="run once with the network, or name a checkout of mlcommons/inference with --loadgen-src",
            )
        arguments = ["download", "--no-deps", "--no-binary", LOADGEN, "--dest", str(place), requirement(self.release)]
        run_pip(sys.executable, arguments, "fetch LoadGen's sources")
        (archive,) = place.glob("*.tar.gz")
        unpack(archive, place / "sources")
        (sources,) = (file.parent for file in (place / "sources").rglob("loadgen.cc"))
        return sources


def _generate(sources: Path) -> None:
    """Make what LoadGen's setup.py makes before it compiles: its configuration and its version as sources.

    Raises
    ------
    RequirementError
        The version cannot be made.
    """
    text = (sources / "mlperf.conf").read_text("utf-8")
    literal = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", '\\n"\n"')
    (sources / "mlperf_conf.h").write_text(f'const char* mlperf_conf =\n"{literal}";\n', "utf-8")
    (sources / "generated").mkdir(exist_ok=True)
    done = run_command([sys.executable, "-c", _GENERATE_VERSION, str(sources)])
    if done.code != 0:
        raise RequirementError(
            "the version of LoadGen's sources cannot be made",
            expected="version_generator.py of the checkout to work",
            found=done.last_lines(),
            fix="name another checkout with --loadgen-src, or leave the option out",
        )


@dataclass(frozen=True)
class ProgramRecipe:
    """How to build the C++ program: its sources and those of an engine, with LoadGen's library.

    ``engine`` is the directory with the sources of the runtime's side, see ``source/engine.h``; ``implementation`` is
    the implementation's name, for messages.
    """

    compiler: Compiler
    library: LibraryRecipe
    library_place: Path
    engine: Path
    implementation: str = "cpp"
    kind: str = "program"

    @property
    def name(self) -> str:
        """The name shown to users."""
        return f"{self.implementation} {self.engine.name} {Path(self.compiler.cxx).name}"

    @property
    def source(self) -> str:
        """The source, as shown to users."""
        return "the C++ sources of pytest-mlperf"

    def key(self) -> dict[str, KeyValue]:
        """Return what determines the content."""
        return {"version": _PROGRAM_VERSION, "sources": self._sha256(), "library": str(self.library.key())}

    def build(self, directory: Path) -> None:
        """Build the program in the empty `directory`.

        Raises
        ------
        RequirementError
            It cannot be compiled or linked.
        """
        what = f"the program of the implementation {self.implementation}"
        flags = (*_FLAGS, "-I", str(self.library_place), "-I", str(SOURCES), "-I", str(self.engine))
        with tempfile.TemporaryDirectory(prefix="program-") as temporary:
            objects = Path(temporary)
            _compile_all(self.compiler, what, self._sources(".cc"), flags, objects)
            made = [*sorted(objects.glob("*.o")), *sorted(self.library_place.glob("*.o"))]
            command = [self.compiler.cxx, "-pthread", *map(str, made), "-ldl", "-o", str(directory / PROGRAM)]
            _run(self.compiler, what, command)

    def _sources(self, *suffixes: str) -> list[Path]:
        files = sorted((*SOURCES.iterdir(), *self.engine.iterdir()))
        return [file for file in files if file.suffix in suffixes]

    def _sha256(self) -> str:
        digest = hashlib.sha256()
        for file in self._sources(".cc", ".h"):
            digest.update(f"{file.name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
        return digest.hexdigest()


def _version(sources: Path, release: str) -> str:
    file = sources / "VERSION.txt"
    return file.read_text("utf-8").strip() if file.is_file() else release


def _compile_all(compiler: Compiler, what: str, files: Sequence[Path], flags: Sequence[str], place: Path) -> None:
    """Compile each file to an object in `place`, several at once."""

    def one(numbered: tuple[int, Path]) -> None:
        number, file = numbered
        _run(compiler, what, [compiler.cxx, *flags, "-c", str(file), "-o", str(place / f"{number:02}-{file.stem}.o")])

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(one, enumerate(files)))


def _run(compiler: Compiler, what: str, command: Sequence[str]) -> None:
    done = run_command(command)
    if done.code != 0:
        lines = [line for line in done.output.splitlines() if line.strip()]
        raise RequirementError(
            f"{what} cannot be built with {compiler.cxx}",
            expected="a compiler of C++17 that works",
            found="it says:\n    " + "\n    ".join(lines[:_FIRST_LINES] or [f"nothing, exit code {done.code}"]),
            fix=f"use another compiler with --loadgen-compiler ({compiler.version} was used)",
        )

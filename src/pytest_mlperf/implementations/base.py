"""The protocol of implementations: programs that read run.json and write LoadGen's logs and result.json."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_mlperf.artifacts.recipe import Recipe
    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.environments.installed import Python


@dataclass(frozen=True)
class Program:
    """The program that runs a case: a command that takes the path of run.json as its last argument.

    Attributes
    ----------
    command
        The program and its first arguments.
    environment
        Environment variables to set; None removes a variable.
    loadgen_built
        The source and compiler of a LoadGen built on this machine; empty for a released wheel.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str | None] = field(default_factory=dict)
    loadgen_built: str = ""


@dataclass(frozen=True)
class Build:
    """The user's options for what is built, and whether the network must not be used.

    Attributes
    ----------
    compiler, loadgen_src
        The compiler, and a checkout of LoadGen's sources.
    onnxruntime_dir
        The directory of a build of ONNX Runtime, instead of the one that is installed.
    """

    compiler: str | None = None
    loadgen_src: Path | None = None
    onnxruntime_dir: Path | None = None
    offline: bool = False


@dataclass(frozen=True)
class Provision:
    """What an implementation can use.

    Attributes
    ----------
    references
        The case's benchmark and backend as ``module:attribute``.
    python
        Returns the interpreter with the backend's packages: the fixture ``python``.
    get
        Finds an artifact in the cache, or makes it, and returns its directory, which is kept until the session ends.
    scratch
        Returns a new empty directory for the session.
    build
        The user's options for what is built.
    """

    references: tuple[str, ...]
    python: Callable[[], Python]
    get: Callable[[Recipe], Path]
    scratch: Callable[[], Path]
    build: Build = field(default_factory=Build)


class Implementation(Protocol):
    """An implementation of the benchmarks. The name of its entry point is its name.

    One with an attribute ``default`` that is False is run only where ``--implementation`` names it. One that runs this
    package's worker, which checks what it loads, has an attribute ``checks_conformance`` that is True. The requirements
    for pip in ``also_requires`` are added to those of the backend for `Provision.python`.
    """

    def supports(self, benchmark: Benchmark, backend: str, device: str, scenario: str) -> bool:
        """Return whether it can run a case."""
        ...

    def provide(self, provision: Provision) -> Program:
        """Return the program that runs a case: an environment, or something built.

        Raises
        ------
        RequirementError
            Something is missing on this machine.
        """
        ...

    def command(self, program: Program, run_json: Path) -> list[str]:
        """Return the command line of a run, which writes LoadGen's logs and result.json beside run.json."""
        ...

"""What an implementation is: who feeds LoadGen. It reads run.json, and leaves LoadGen's logs and result.json."""

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
    """What runs a case: a command that takes run.json's path as its last argument.

    Attributes
    ----------
    command
        The program and its first arguments.
    environment
        Variables to set for it; one that is None is removed.
    loadgen_built
        Of what and by which compiler LoadGen was built here; empty for a released wheel.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str | None] = field(default_factory=dict)
    loadgen_built: str = ""


@dataclass(frozen=True)
class Provision:
    """What an implementation may ask for.

    Attributes
    ----------
    references
        The case's benchmark and backend as ``module:attribute``.
    python
        Returns the interpreter that has what the backend needs: the session's fixture ``python``.
    get
        Makes an artifact, or finds it in the cache, and returns its directory, which stays until the session's end.
    scratch
        Returns a new empty directory for the session.
    """

    references: tuple[str, ...]
    python: Callable[[], Python]
    get: Callable[[Recipe], Path]
    scratch: Callable[[], Path]


class Implementation(Protocol):
    """Who feeds LoadGen; its entry point's name is its own."""

    def supports(self, benchmark: Benchmark, backend: str, device: str, scenario: str) -> bool:
        """Say whether it can run a case."""
        ...

    def provide(self, provision: Provision) -> Program:
        """Return the program that runs a case: an environment, or something built.

        Raises
        ------
        RequirementError
            This machine lacks something.
        """
        ...

    def command(self, program: Program, run_json: Path) -> list[str]:
        """Return the command line of a run; it leaves LoadGen's logs and result.json beside run.json."""
        ...

"""The installed benchmarks, backends, implementations and dashboards, found by their entry points."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pytest_mlperf.backends.function import Function, as_backend
from pytest_mlperf.errors import EntryPointError
from pytest_mlperf.printable import fit, said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_mlperf.backends.base import Backend
    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.implementations.base import Implementation
    from pytest_mlperf.report.dashboards.base import Dashboard

T = TypeVar("T")
BENCHMARKS = "pytest_mlperf.benchmarks"
BACKENDS = "pytest_mlperf.backends"
IMPLEMENTATIONS = "pytest_mlperf.implementations"
DASHBOARDS = "pytest_mlperf.dashboards"


@dataclass(frozen=True)
class Installed:
    """What is installed, by name; an entry point that cannot be loaded is replaced by its error."""

    benchmarks: Mapping[str, Benchmark | EntryPointError]
    backends: Mapping[str, type[Backend] | Backend | EntryPointError]
    implementations: Mapping[str, Implementation | EntryPointError]


class Registry:
    """Loads entry points; one that cannot be loaded does not affect the others."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[str, str], Any] = {}
        #: Of the backends that `add_backend` has added: where a child finds the module.
        self.import_paths: dict[str, str] = {}

    @cached_property
    def benchmarks(self) -> dict[str, EntryPoint]:
        """The entry points of the benchmarks, by name."""
        return _named(BENCHMARKS)

    @cached_property
    def backends(self) -> dict[str, EntryPoint]:
        """The entry points of the backends, by name."""
        return _named(BACKENDS)

    @cached_property
    def implementations(self) -> dict[str, EntryPoint]:
        """The entry points of the implementations, by name."""
        return _named(IMPLEMENTATIONS)

    @cached_property
    def dashboards(self) -> dict[str, EntryPoint]:
        """The entry points of the dashboards, by name."""
        return _named(DASHBOARDS)

    def benchmark(self, name: str) -> Benchmark:
        """Load a benchmark's description.

        Raises
        ------
        EntryPointError
            It cannot be imported, or is not a `Benchmark`.
        """
        expected = "an instance of pytest_mlperf.benchmarks.base.Benchmark"
        return cast("Benchmark", self._load(self.benchmarks[name], _is_benchmark, expected))

    def backend(self, name: str) -> type[Backend] | Backend:
        """Load a backend's class; the runtime itself is not imported.

        Raises
        ------
        EntryPointError
            It cannot be imported, or lacks an attribute of `pytest_mlperf.backends.base.Backend`.
        """
        expected = "a class with devices, formats, requirements, load() and versions()"
        has = _has("devices", "formats", "requirements", "load", "versions")
        return cast("type[Backend] | Backend", self._load(self.backends[name], has, expected))

    def implementation(self, name: str) -> Implementation:
        """Load an implementation.

        Raises
        ------
        EntryPointError
            It cannot be imported, or lacks an attribute of `pytest_mlperf.implementations.base.Implementation`.
        """
        expected = "an object with supports(), provide() and command()"
        has = _has("supports", "provide", "command")
        return cast("Implementation", self._load(self.implementations[name], has, expected))

    def dashboard(self, name: str) -> Dashboard:
        """Load a dashboard.

        Raises
        ------
        EntryPointError
            It cannot be imported, or lacks an attribute of `pytest_mlperf.report.dashboards.base.Dashboard`.
        """
        expected = "an object with require() and publish()"
        return cast("Dashboard", self._load(self.dashboards[name], _has("require", "publish"), expected))

    @cached_property
    def installed(self) -> Installed:
        """All entry points, loaded; one that cannot be loaded is replaced by its error."""
        return Installed(
            {name: self._try(self.benchmark, name) for name in self.benchmarks},
            {name: self._try(self.backend, name) for name in self.backends},
            {name: self._try(self.implementation, name) for name in self.implementations},
        )

    def add_backend(self, reference: str, found: Any = None) -> str:
        """Make a function, or a class of backends, a backend of this session, and return the name that it gets.

        Parameters
        ----------
        reference
            ``module:qualname``.
        found
            What it names, if that is here already.

        Raises
        ------
        EntryPointError
            It cannot be imported, or is neither.
        """
        name = re.sub(r"[^A-Za-z0-9_.-]+", ".", reference)
        point = EntryPoint(name, reference, BACKENDS)
        try:
            backend = as_backend(found if found is not None else resolve_name(reference))
        except (Exception, SystemExit) as error:  # a user's module may raise anything
            raise EntryPointError(
                f"{reference} cannot be used as a backend",
                expected="module:function, with a function that takes the inputs and returns the outputs",
                found=fit(said(error), 300),
                fix="see docs/writing-tests.md",
            ) from error
        self.backends[name] = point
        self._loaded[point.group, name] = type(backend) if not isinstance(backend, Function) else backend
        self.import_paths[name] = import_path(reference)
        vars(self).pop("installed", None)
        return name

    def _try(self, load: Callable[[str], T], name: str) -> T | EntryPointError:
        try:
            return load(name)
        except EntryPointError as error:
            return error

    def _load(self, point: EntryPoint, is_right: Callable[[Any], bool], expected: str) -> Any:
        key = point.group, point.name
        if key not in self._loaded:
            self._loaded[key] = _load(point, is_right, expected)
        found = self._loaded[key]
        if isinstance(found, EntryPointError):
            raise found
        return found


def import_path(reference: str) -> str:
    """Return the directory that an imported module's top-level package is in; empty if it is in none."""
    name = reference.partition(":")[0]
    file = getattr(sys.modules[name], "__file__", None)
    if not file:
        return ""
    place = Path(file).absolute()
    depth = name.count(".") + (place.name == "__init__.py")
    return str(place.parents[depth])


def _load(point: EntryPoint, is_right: Callable[[Any], bool], expected: str) -> Any:
    kind = point.group.rpartition(".")[2].removesuffix("s")
    package = f" of {point.dist.name} {point.dist.version}" if point.dist is not None else ""
    fix = "update or uninstall that package, or report it to its authors"
    try:
        found = point.load()
    except (Exception, SystemExit) as error:  # a third-party module may raise anything; only its own cases fail
        return EntryPointError(
            f"the {kind} {point.name}{package} cannot be imported",
            expected=f"an importable {point.value}",
            found=fit(said(error), 300),
            fix=fix,
        )
    if not is_right(found):
        return EntryPointError(
            f"the {kind} {point.name}{package} is not a valid {kind}",
            expected=expected,
            found=repr(found)[:100],
            fix=fix,
        )
    return found


def _is_benchmark(found: Any) -> bool:
    from pytest_mlperf.benchmarks.base import Benchmark

    return isinstance(found, Benchmark)


def _has(*names: str) -> Callable[[Any], bool]:
    return lambda found: all(hasattr(found, name) for name in names)


def _named(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in sorted(entry_points(group=group), key=lambda point: point.name)}

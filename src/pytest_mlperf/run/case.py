"""The matrix: which cases exist, what they are called, and which of them the options select."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, cast

from pytest_mlperf.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_mlperf.backends.base import Backend
    from pytest_mlperf.benchmarks.base import Benchmark

SCENARIOS = ("Offline", "Server", "SingleStream", "MultiStream")
COMPLIANCE = "compliance"
MODES = ("accuracy", "performance", COMPLIANCE)
IMPLEMENTATIONS = ("python",)
DEVICE_ALIASES = {"gpu": "cuda"}


@dataclass(frozen=True)
class Case:
    """A benchmark × implementation × backend × device × scenario × mode: one pytest item.

    In compliance mode, and only there, ``test`` names one of the round's compliance tests, which is part of the id.
    """

    benchmark: str
    implementation: str
    backend: str
    device: str
    scenario: str
    mode: str
    test: str = ""

    @property
    def id(self) -> str:
        """What stands between the brackets of the node id; the implementation only when it is not python."""
        implementation = () if self.implementation == "python" else (self.implementation,)
        test = (self.test,) if self.test else ()
        return "-".join((self.benchmark, *implementation, self.backend, self.device, self.scenario, *test))

    def in_mode(self, mode: str) -> Case:
        """Return the same case in another mode."""
        return replace(self, mode=mode, test="")


@dataclass(frozen=True)
class Selection:
    """The values that the options keep, by dimension; an empty tuple keeps all."""

    model: tuple[str, ...] = ()
    implementation: tuple[str, ...] = ()
    backend: tuple[str, ...] = ()
    device: tuple[str, ...] = ()
    scenario: tuple[str, ...] = ()
    mode: tuple[str, ...] = ()

    def of_any_mode(self) -> Selection:
        """Return the selection without its modes."""
        return replace(self, mode=())

    def __str__(self) -> str:
        """The selection in words."""
        return ", ".join(f"{name} {'/'.join(values)}" for name, values in vars(self).items() if values)

    def keeps(self, case: Case) -> bool:
        """Say whether a case is selected."""
        chosen = (
            (self.model, case.benchmark),
            (self.implementation, case.implementation),
            (self.backend, case.backend),
            (self.device, case.device),
            (self.scenario, case.scenario),
            (self.mode, case.mode),
        )
        return all(not values or value in values for values, value in chosen)


class Registry:
    """The benchmarks and backends that are installed, this package's own among them, by entry point."""

    @cached_property
    def benchmarks(self) -> dict[str, EntryPoint]:
        """The entry points of the benchmarks, by name."""
        return _named("pytest_mlperf.benchmarks")

    @cached_property
    def backends(self) -> dict[str, EntryPoint]:
        """The entry points of the backends, by name."""
        return _named("pytest_mlperf.backends")

    def benchmark(self, name: str) -> Benchmark:
        """Load a benchmark's description."""
        return cast("Benchmark", self.benchmarks[name].load())

    def backend(self, name: str) -> type[Backend]:
        """Load a backend's class; the runtime itself is not imported."""
        return cast("type[Backend]", self.backends[name].load())

    def devices(self) -> tuple[str, ...]:
        """Return every device that some backend knows."""
        return tuple(dict.fromkeys(d for name in self.backends for d in self.backend(name).devices))

    def cases(self, mode: str) -> list[Case]:
        """Return every case of a mode, in a steady order."""
        return [
            Case(benchmark.name, implementation, backend, device, scenario, mode)
            for benchmark in map(self.benchmark, self.benchmarks)
            for implementation in IMPLEMENTATIONS
            for backend in self.backends
            if self.backend(backend).model_format in benchmark.model_formats
            for device in self.backend(backend).devices
            for scenario in benchmark.scenarios
        ]


def select(
    registry: Registry,
    *,
    model: Iterable[str] = (),
    implementation: Iterable[str] = (),
    backend: Iterable[str] = (),
    device: Iterable[str] = (),
    scenario: Iterable[str] = (),
    mode: Iterable[str] = (),
) -> Selection:
    """Check the values of the options against what exists.

    Raises
    ------
    OptionError
        A value that does not exist; it names the nearest and all valid ones.
    """
    return Selection(
        model=_valid("--model", model, list(registry.benchmarks)),
        implementation=_valid("--implementation", implementation, IMPLEMENTATIONS),
        backend=_valid("--backend", backend, list(registry.backends)),
        device=_valid("--device", (DEVICE_ALIASES.get(d.lower(), d) for d in device), registry.devices()),
        scenario=_valid("--scenario", scenario, SCENARIOS),
        mode=_valid("--mode", mode, MODES),
    )


def _valid(option: str, values: Iterable[str], valid: Sequence[str]) -> tuple[str, ...]:
    by_lower = {name.lower(): name for name in valid}
    return tuple(dict.fromkeys(by_lower.get(v.lower()) or _unknown(option, v, by_lower) for v in values))


def _unknown(option: str, value: str, by_lower: dict[str, str]) -> str:
    close = difflib.get_close_matches(value.lower(), by_lower, n=1, cutoff=0.4)
    raise OptionError(
        f"{option}: there is no {value!r}",
        expected=f"one of {', '.join(by_lower.values())}",
        found=value,
        fix=f"did you mean {by_lower[close[0]]!r}?" if close else "choose one of them",
    )


def _named(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in sorted(entry_points(group=group), key=lambda point: point.name)}

"""The cases that the options select: values for each dimension, checked against what is installed."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlperf.errors import EntryPointError, OptionError
from pytest_mlperf.run.case import MODES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_mlperf.registry import Registry
    from pytest_mlperf.run.case import Case

DEVICE_ALIASES = {"gpu": "cuda"}


@dataclass(frozen=True)
class Selection:
    """The selected values of each dimension; an empty tuple selects all."""

    model: tuple[str, ...] = ()
    implementation: tuple[str, ...] = ()
    backend: tuple[str, ...] = ()
    device: tuple[str, ...] = ()
    scenario: tuple[str, ...] = ()
    mode: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the selection as text."""
        return ", ".join(f"{name} {'/'.join(values)}" for name, values in vars(self).items() if values)

    def names(self, case: Case) -> bool:
        """Return whether an option names the case's benchmark or backend."""
        return (
            case.benchmark in self.model or case.backend in self.backend or case.implementation in self.implementation
        )


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
    """Check the values of the options against what is installed.

    Raises
    ------
    OptionError
        A value does not exist; the message names the nearest and all valid values.
    """
    from pytest_mlperf.benchmarks.base import SCENARIOS

    installed = registry.installed
    known = [backend for backend in installed.backends.values() if not isinstance(backend, EntryPointError)]
    devices = list(dict.fromkeys(device for backend in known for device in backend.devices))
    return Selection(
        model=_valid("--model", model, list(installed.benchmarks)),
        implementation=_valid("--implementation", implementation, list(installed.implementations)),
        backend=_valid("--backend", backend, list(installed.backends)),
        device=_valid("--device", (DEVICE_ALIASES.get(d.lower(), d) for d in device), devices),
        scenario=_valid("--scenario", scenario, SCENARIOS),
        mode=_valid("--mode", mode, MODES),
    )


def check_name(option: str, value: str, valid: Sequence[str]) -> str:
    """Return the valid value that equals `value`, ignoring case.

    Raises
    ------
    OptionError
        There is no such value.
    """
    by_lower = {name.lower(): name for name in valid}
    return by_lower.get(value.lower()) or _unknown(option, value, by_lower)


def _valid(option: str, values: Iterable[str], valid: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(check_name(option, value, valid) for value in values))


def _unknown(option: str, value: str, by_lower: dict[str, str]) -> str:
    close = difflib.get_close_matches(value.lower(), by_lower, n=1, cutoff=0.4)
    raise OptionError(
        f"{option}: there is no {value!r}",
        expected=f"one of {', '.join(by_lower.values())}",
        found=value,
        fix=f"did you mean {by_lower[close[0]]!r}?" if close else "choose one of them",
    )

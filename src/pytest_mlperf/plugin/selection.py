"""The cases that the options select: values for each dimension, checked against what is installed."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_mlperf.backends.base import REMOTE
from pytest_mlperf.errors import EntryPointError, OptionError
from pytest_mlperf.run.case import MODES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_mlperf.registry import Registry
    from pytest_mlperf.run.case import Case

DEVICE_ALIASES = {"gpu": "cuda"}
#: The value of --backend and --implementation that selects all, not only those that are selected without the option.
ALL = "all"
NO_ALIASES: Mapping[str, str] = MappingProxyType({})


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
    devices = sorted(dict.fromkeys(device for backend in known for device in backend.devices), key=REMOTE.__eq__)
    return Selection(
        model=_valid("--model", model, list(installed.benchmarks)),
        implementation=_valid_or_all("--implementation", implementation, list(installed.implementations)),
        backend=_valid_or_all("--backend", backend, list(installed.backends)),
        device=tuple(dict.fromkeys(check_device("--device", each, devices) for each in device)),
        scenario=_valid("--scenario", scenario, SCENARIOS),
        mode=_valid("--mode", mode, MODES),
    )


def check_name(option: str, value: str, valid: Sequence[str], aliases: Mapping[str, str] = NO_ALIASES) -> str:
    """Return the valid value that equals `value`, or that it is another name of, ignoring case.

    Raises
    ------
    OptionError
        There is no such value.
    """
    by_lower = {name.lower(): name for name in valid}
    known = {alias: name for alias, name in aliases.items() if name in valid}
    lower = value.lower()
    return by_lower.get(lower) or known.get(lower) or _unknown(option, value, by_lower | {name: name for name in known})


def check_device(option: str, value: str, valid: Sequence[str]) -> str:
    """Return a valid device; one of several may have a number: ``cuda:1``.

    Raises
    ------
    OptionError
        There is no such device.
    """
    kind, colon, number = value.partition(":")
    if colon and number.isdecimal() and kind.lower() != "cpu":
        return f"{check_name(option, kind, valid, DEVICE_ALIASES)}:{int(number)}"
    return check_name(option, value, valid, DEVICE_ALIASES)


def _valid_or_all(option: str, values: Iterable[str], valid: Sequence[str]) -> tuple[str, ...]:
    found = _valid(option, values, [*valid, ALL])
    return tuple(valid) if ALL in found else found


def _valid(
    option: str, values: Iterable[str], valid: Sequence[str], aliases: Mapping[str, str] = NO_ALIASES
) -> tuple[str, ...]:
    return tuple(dict.fromkeys(check_name(option, value, valid, aliases) for value in values))


def _unknown(option: str, value: str, by_lower: Mapping[str, str]) -> str:
    """Raise the error; what is suggested may also be another name of a value."""
    close = difflib.get_close_matches(value.lower(), by_lower, n=1, cutoff=0.4)
    raise OptionError(
        f"{option}: there is no {value!r}",
        expected=f"one of {', '.join(by_lower.values())}",
        found=value,
        fix=f"did you mean {by_lower[close[0]]!r}?" if close else "choose one of them",
    )

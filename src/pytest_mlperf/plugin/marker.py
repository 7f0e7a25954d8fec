"""The mark ``mlperf``: which cases a test is run for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlperf.errors import EntryPointError, OptionError
from pytest_mlperf.run.case import MODES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_mlperf.registry import Registry
    from pytest_mlperf.run.case import Case

ARGUMENTS = ("model", "scenario", "backend", "implementation", "mode", "device")


@dataclass(frozen=True)
class Marked:
    """The values of the mark's arguments; an empty tuple keeps all."""

    model: tuple[str, ...] = ()
    scenario: tuple[str, ...] = ()
    backend: tuple[str, ...] = ()
    implementation: tuple[str, ...] = ()
    mode: tuple[str, ...] = (MODES[0],)
    device: tuple[str, ...] = ()

    def keeps(self, case: Case) -> bool:
        """Say whether the test is run for a case; one that cannot be loaded has only the values that are known."""
        chosen = (
            (self.model, case.benchmark),
            (self.scenario, case.scenario),
            (self.backend, case.backend),
            (self.implementation, case.implementation),
            (self.device, case.device),
        )
        return all(not values or not value or value in values for values, value in chosen)


def read_mark(args: Sequence[Any], kwargs: Mapping[str, Any], registry: Registry) -> Marked:
    """Return what a mark's arguments select.

    Raises
    ------
    OptionError
        An argument that the mark does not have, or a value that does not exist.
    EntryPointError
        A backend ``module:function`` that cannot be imported.
    """
    from pytest_mlperf.benchmarks.base import SCENARIOS
    from pytest_mlperf.plugin.selection import check_device, check_name

    unknown = [name for name in kwargs if name not in ARGUMENTS]
    if unknown or len(args) > 1 or (args and "model" in kwargs):
        raise OptionError(
            "the mark mlperf has no such argument",
            expected=f"a benchmark, and by name {', '.join(ARGUMENTS)}",
            found=", ".join([*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())]),
            fix="correct the name, or remove the argument",
        )
    installed = registry.installed
    known = [backend for backend in installed.backends.values() if not isinstance(backend, EntryPointError)]
    valid: dict[str, Iterable[str]] = {
        "model": installed.benchmarks,
        "scenario": SCENARIOS,
        "backend": installed.backends,
        "implementation": installed.implementations,
        "mode": MODES,
        "device": dict.fromkeys(device for backend in known for device in backend.devices),
    }
    given = dict(kwargs) | ({"model": args[0]} if args else {})
    chosen = {}
    for name, value in given.items():
        check = check_device if name == "device" else check_name
        texts = _texts(name, value)
        if name == "backend":
            texts = [registry.add_backend(text) if ":" in text else text for text in texts]
            valid[name] = registry.backends
        found = [check(f"mlperf({name}=…)", text, list(valid[name])) for text in texts]
        chosen[name] = tuple(dict.fromkeys(found))
    return Marked(**chosen)


def _texts(name: str, value: object) -> list[str]:
    """Return the values of an argument, which has one or several."""
    if isinstance(value, str):
        return [value]
    texts = list(value) if isinstance(value, list | tuple) else []
    if not texts or not all(isinstance(text, str) for text in texts):
        raise OptionError(
            f"mlperf({name}=…) cannot be {value!r}",
            expected="a name or a list of names",
            found=repr(value),
            fix="name at least one, or remove the argument",
        )
    return texts

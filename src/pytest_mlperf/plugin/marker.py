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

ARGUMENTS = ("model", "scenario", "backend", "mode", "device")
#: What ``pytest --markers`` says.
HELP = (
    "mlperf(model, *, scenario, backend, mode, device): run the test for every selected MLPerf case that has these "
    "values, each one value or a list; the mode is accuracy if none is given"
)


@dataclass(frozen=True)
class Marked:
    """The values of the mark's arguments; an empty tuple keeps all."""

    model: tuple[str, ...] = ()
    scenario: tuple[str, ...] = ()
    backend: tuple[str, ...] = ()
    mode: tuple[str, ...] = (MODES[0],)
    device: tuple[str, ...] = ()

    def keeps(self, case: Case) -> bool:
        """Say whether the test is run for a case; one that cannot be loaded has only the values that are known."""
        chosen = (
            (self.model, case.benchmark),
            (self.scenario, case.scenario),
            (self.backend, case.backend),
            (self.device, case.device),
        )
        return all(not values or not value or value in values for values, value in chosen)


def read_mark(args: Sequence[Any], kwargs: Mapping[str, Any], registry: Registry) -> Marked:
    """Return what a mark's arguments select.

    Raises
    ------
    OptionError
        An argument that the mark does not have, or a value that does not exist.
    """
    from pytest_mlperf.benchmarks.base import SCENARIOS
    from pytest_mlperf.plugin.selection import DEVICE_ALIASES, check_name

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
        "mode": MODES,
        "device": dict.fromkeys(device for backend in known for device in backend.devices),
    }
    given = dict(kwargs) | ({"model": args[0]} if args else {})
    chosen = {}
    for name, value in given.items():
        texts = [value] if isinstance(value, str) else list(value)
        if name == "device":
            texts = [DEVICE_ALIASES.get(text.lower(), text) for text in texts]
        chosen[name] = tuple(check_name(f"mlperf({name}=…)", text, list(valid[name])) for text in texts)
    return Marked(**chosen)

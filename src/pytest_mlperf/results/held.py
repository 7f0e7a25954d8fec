"""One result that lies somewhere, with what it can be compared by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.baselines.entry import FORMAT, Entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_mlperf.baselines.left import Left
    from pytest_mlperf.machine.fingerprint import Fingerprint
    from pytest_mlperf.run.result import RunResult


class Key(NamedTuple):
    """What two results must have in common to be a pair."""

    case: str
    mode: str
    test: str


@dataclass(frozen=True)
class Held:
    """One result.

    Attributes
    ----------
    result
        The result.
    left
        Returns what its accuracy run left, or in words why that is not known.
    commit
        Of which commit it is; empty if unknown.
    machine
        Where it was run; None if unknown.
    figures
        Of a performance run, the figures of runs on that machine, its own among them.
    """

    result: RunResult
    left: Callable[[], Left | str]
    commit: str = ""
    machine: Fingerprint | None = None
    figures: tuple[float, ...] = ()

    def entry(self, machine: Fingerprint) -> Entry:
        """Return it as the entry of a baseline of a machine."""
        return Entry(
            format=FORMAT, saved="", machine=machine, result=self.result, commit=self.commit, figures=self.figures
        )

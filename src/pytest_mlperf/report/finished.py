"""What a finished session has to report: its results, and where, when and how they were made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_mlperf.run.result import RunResult

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path


@dataclass(frozen=True)
class Finished:
    """A finished session.

    Attributes
    ----------
    results
        The result of every run, in the order of case, mode and test.
    command
        The words of its command line, without secrets.
    started
        When it started.
    root
        The directory of the project: where baselines are, and whose commit is checked out.
    notes
        What is told of no single result.
    """

    results: tuple[RunResult, ...]
    command: tuple[str, ...]
    started: datetime
    root: Path
    notes: tuple[str, ...] = ()

    @property
    def directory(self) -> Path | None:
        """The directory with the logs of its runs; None if nothing was run."""
        from pathlib import Path

        return Path(self.results[0].output).parent if self.results else None


def ordered(results: Iterable[dict[str, Any]]) -> tuple[RunResult, ...]:
    """Return results, which come as JSON-like dictionaries, in the order of case, mode and test."""
    converted = (msgspec.convert(result, RunResult) for result in results)
    return tuple(sorted(converted, key=lambda each: (each.case, each.mode, each.test)))

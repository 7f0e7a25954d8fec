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

    from pytest_mlperf.submission.submit import Submitted


@dataclass(frozen=True)
class Item:
    """A test item.

    Attributes
    ----------
    nodeid, file, line
        Its node id, and where its test is; the line is counted from 1, and None where it is not known.
    case, mode
        Of what it runs.
    failure
        Why it failed; empty if it did not.
    result
        The result of its run; None if there was none.
    """

    nodeid: str
    file: Path
    line: int | None
    case: str
    mode: str
    failure: str = ""
    result: RunResult | None = None


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
    items
        The items with a result, and those that failed without one.
    submitted
        The submission, with --mlperf-submit; None before it was made.
    """

    results: tuple[RunResult, ...]
    command: tuple[str, ...]
    started: datetime
    root: Path
    notes: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()
    submitted: Submitted | None = None

    @property
    def directory(self) -> Path | None:
        """The directory with the logs of its runs; None if nothing was run."""
        from pathlib import Path

        return Path(self.results[0].output).parent if self.results else None


def ordered(results: Iterable[dict[str, Any]]) -> tuple[RunResult, ...]:
    """Return results, which come as JSON-like dictionaries, in the order of case, mode and test."""
    converted = (msgspec.convert(result, RunResult) for result in results)
    return tuple(sorted(converted, key=lambda each: (each.case, each.mode, each.test)))

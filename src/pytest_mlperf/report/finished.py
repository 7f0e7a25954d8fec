"""What a finished session has to report: its results, and where, when and how they were made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from pytest_mlperf.run.result import RunResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from pytest_mlperf.machine.fingerprint import Fingerprint
    from pytest_mlperf.submission.submit import Submitted


class Provenance(NamedTuple):
    """Of which commit and on which machine results were made; empty and None where that is not known."""

    commit: str = ""
    machine: Fingerprint | None = None


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
        The result of every run, in the order of case, mode, test and repetition.
    command
        The words of its command line, without secrets.
    started
        When it started.
    root
        The directory of the project: where baselines are, and whose commit is checked out.
    notes
        What is told of no single result.
    recorded
        Of a past session, what its file says of commit and machine; None for the session that has just finished.
    items
        The items with a result, and those that failed without one.
    submitted
        The submission, with --mlperf-submit; None before it was made.
    own_directory
        Its directory where all its results are reused; else None.
    """

    results: tuple[RunResult, ...]
    command: tuple[str, ...]
    started: datetime
    root: Path
    notes: tuple[str, ...] = ()
    recorded: Provenance | None = None
    items: tuple[Item, ...] = ()
    submitted: Submitted | None = None
    own_directory: Path | None = None

    @property
    def directory(self) -> Path | None:
        """The directory with the logs of its runs; None if nothing was run."""
        from pathlib import Path

        # A past result may not say where it was, and the logs of a reused one are an earlier session's.
        outputs = [result.output for result in self.results if result.reused is None]
        return Path(outputs[0]).parent if outputs and outputs[0] else self.own_directory if self.results else None

    @cached_property
    def elsewhere(self) -> Mapping[str, Path]:
        """The directories with logs that are not here, by the name of their machine."""
        import platform
        from pathlib import Path

        strange = [each for each in self.results if each.output and each.host not in ("", platform.node())]
        return {each.host: Path(each.output).parent for each in strange if not Path(each.output).is_dir()}

    @cached_property
    def provenance(self) -> Provenance:
        """Commit and machine; they are looked up when they are first asked for."""
        if self.recorded is not None:
            return self.recorded
        from pytest_mlperf.baselines.store import commit_of
        from pytest_mlperf.machine.fingerprint import read_fingerprint

        return Provenance(commit_of(self.root), read_fingerprint())


def ordered(results: Iterable[dict[str, Any]]) -> tuple[RunResult, ...]:
    """Return results, which come as JSON-like dictionaries, in the order of case, mode, test and repetition."""
    converted = (msgspec.convert(result, RunResult) for result in results)
    return tuple(sorted(converted, key=lambda each: (each.case, each.mode, each.test, each.repetition)))

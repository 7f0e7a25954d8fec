"""One case's entry in a baseline: its result, where it was made, and the outcomes of its samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.artifacts.disk import write_atomic
from pytest_mlperf.baselines.outcome_file import read_outcomes, write_outcomes
from pytest_mlperf.errors import BaselineError
from pytest_mlperf.machine.fingerprint import Fingerprint
from pytest_mlperf.run.result import RunResult
from pytest_mlperf.versioned import read_versioned

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.metrics.outcomes import Outcomes

#: The format of the files; a newer one is refused.
FORMAT = 1
#: How many figures of earlier runs on the same machine an entry keeps.
KEPT = 20


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A case's entry.

    Attributes
    ----------
    format
        `FORMAT` when it was written.
    saved, commit
        When, in UTC, and of which commit; empty where there is no repository.
    machine
        Where it was run.
    result
        The result, as in ``--mlperf-json``, without paths and notes.
    answers_sha256
        A digest of all answers of an accuracy run, whatever their order; see `answers_sha256` of `accuracy_log`.
    figures
        Of a performance run, the figures of the runs that were saved here before on the same machine, and its own.
    """

    format: int
    saved: str
    machine: Fingerprint
    result: RunResult
    commit: str = ""
    answers_sha256: str = ""
    figures: tuple[float, ...] = ()


def file_of(directory: Path, case: str, mode: str) -> Path:
    """Return the JSON file of a case in a baseline's directory."""
    return directory / f"{case}.{mode}.json"


def write_entry(directory: Path, entry: Entry, outcomes: Outcomes | None) -> None:
    """Write an entry, the outcomes first: whoever finds the JSON file finds them as well."""
    path = file_of(directory, entry.result.case, entry.result.mode)
    if outcomes is not None:
        write_outcomes(path.with_suffix(".npz"), outcomes)
    write_atomic(path, msgspec.json.format(msgspec.json.encode(entry), indent=1) + b"\n")


def read_entry(path: Path) -> Entry:
    """Return an entry.

    Raises
    ------
    BaselineError
        It cannot be read, is cut off or damaged, or was written by a newer version.
    """
    return read_versioned(
        path,
        Entry,
        FORMAT,
        BaselineError,
        what="a baseline",
        expected="the file that --mlperf-save wrote",
        fix="save the baseline again, or get the file again from where it is kept",
    )


def outcomes_of(path: Path) -> Outcomes:
    """Return the outcomes beside an entry's JSON file; raises BaselineError if they cannot be read."""
    return read_outcomes(path.with_suffix(".npz"))

"""Keeps what a VALID performance run depended on beside its logs, and finds it again for --mlperf-reuse."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from glob import escape
from pathlib import Path
from subprocess import SubprocessError
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import structs

from pytest_mlperf.artifacts.disk import file_sha256, write_atomic
from pytest_mlperf.machine.fingerprint import Fingerprint, read_fingerprint
from pytest_mlperf.printable import one_line
from pytest_mlperf.run.case import PERFORMANCE
from pytest_mlperf.run.inputs import Inputs, Unknown, inputs_of, other_keys
from pytest_mlperf.run.result import Reused, RunResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_mlperf.run.case import Case
    from pytest_mlperf.run.judge import Run

#: In the directory of a run.
FILE = "reusable.json"
#: The format of the file; one of another format is not reused.
FORMAT = 1
#: The variables of the environment by which runtimes are told how to work: the start of their names.
_VARIABLES = ("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "ORT_", "TF_", "CUDA_", "OV_", "MALLOC_", "LD_")


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """All that a performance run depends on.

    Attributes
    ----------
    inputs
        The case with its model, data, settings and code.
    versions
        Of Python and of the packages of runtime, data set and LoadGen, with all that they require.
    machine
        Where it ran.
    variables
        A digest of each variable of the environment that a runtime may look at.
    """

    inputs: Inputs
    versions: dict[str, str]
    machine: Fingerprint
    variables: dict[str, str]

    def differences(self, now: Basis) -> Iterator[str]:
        """Yield in words what is another in a later basis."""
        yield from self.inputs.differences(now.inputs)
        for name in other_keys(self.versions, now.versions):
            yield f"{name} is {now.versions.get(name, 'gone')}, not {self.versions.get(name, 'there')}"
        if different := now.machine.differences(self.machine):
            yield f"another machine: {'; '.join(different)}"
        if changed := other_keys(self.variables, now.variables):
            yield f"{', '.join(changed)} changed"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A finished run as it is found again.

    Attributes
    ----------
    format
        `FORMAT` when it was written.
    finished
        When it ended, in UTC.
    basis, result
        What it depended on, and its result.
    files
        The SHA-256 of each file in its directory.
    """

    format: int
    finished: str
    basis: Basis
    result: RunResult
    files: dict[str, str]


class Found(NamedTuple):
    """An earlier run's result, which says of which session it is."""

    result: RunResult


class NotReused(NamedTuple):
    """Why a case is run; `earlier` says that there is an earlier run of it."""

    reason: str
    earlier: bool = True

    def notes(self, case: Case) -> tuple[str, ...]:
        """Return what the result of the run says of it: nothing where nothing could be expected."""
        return (f"{case.title} {case.mode}: not reused: {self.reason}",) if self.earlier else ()


def basis_of(run: Run, versions: Callable[[], dict[str, str]]) -> Basis | Unknown:
    """Return what a performance run, whose data set was read, depends on.

    Parameters
    ----------
    run
        The run.
    versions
        Returns the versions of what it runs with.
    """
    inputs = inputs_of(run)
    if isinstance(inputs, Unknown):
        return inputs
    try:
        found = versions()
    except (OSError, ValueError, SubprocessError) as error:
        return Unknown(f"the versions of the runtime are not known: {one_line(str(error))}")
    variables = {
        name: hashlib.sha256(os.fsencode(value)).hexdigest()
        for name, value in sorted(os.environ.items())
        if name.startswith(_VARIABLES)
    }
    return Basis(inputs=inputs, versions=found, machine=read_fingerprint(), variables=variables)


def record(result: RunResult, basis: Basis) -> None:
    """Write a VALID performance run's record into its directory; do nothing if that cannot be written."""
    if result.mode != PERFORMANCE or result.verdict != "VALID":
        return
    directory = Path(result.output)
    with suppress(OSError):
        finished = datetime.now(timezone.utc).isoformat(timespec="seconds")
        files = _digests(directory)
        found = Record(format=FORMAT, finished=finished, basis=basis, result=result, files=files)
        write_atomic(directory / FILE, msgspec.json.encode(found))


def forget(result: RunResult) -> None:
    """Let a run not be reused: its item failed for something else than its logs, such as a comparison."""
    if result.mode == PERFORMANCE and result.output:
        with suppress(OSError):
            (Path(result.output) / FILE).unlink(missing_ok=True)


@dataclass(frozen=True)
class Earlier:
    """The runs that earlier sessions have left.

    Attributes
    ----------
    sessions
        The directory of all sessions.
    own
        The name of the session's own directory, whose runs are not reused.
    """

    sessions: Path
    own: str = ""

    def find(self, run: Run, basis: Basis | Unknown) -> Found | NotReused:
        """Return the result to reuse, or why there is none.

        The repetitions of a case get a run each, the newest first: one figure twice would be no second measurement.
        """
        if isinstance(basis, Unknown):
            return NotReused(basis.reason, earlier=False)
        reasons: list[str] = []
        left = run.case.repetition.number
        for path, known in self._records(run.case.id):
            reason = _reason(path.parent, known, basis, require_quiet=run.spec.require_quiet)
            if reason:
                reasons.append(reason)
                continue
            left -= 1
            if not left:
                return Found(_reused(path.parent, known, run))
        if (same := run.case.repetition.number - left) > 0:
            return NotReused(f"earlier sessions have {same} run{'s' if same > 1 else ''} of the same")
        return NotReused(reasons[0]) if reasons else NotReused("no earlier VALID run", earlier=False)

    def _records(self, case: str) -> list[tuple[Path, Record]]:
        """Return the records of a case's runs, the newest first; those that cannot be read are left out."""
        found = []
        for path in self.sessions.glob(f"*/{escape(case)}-{PERFORMANCE}*/{FILE}"):
            if path.parent.parent.name == self.own:
                continue
            with suppress(OSError, msgspec.MsgspecError):
                known = msgspec.json.decode(path.read_bytes(), type=Record)
                if known.format == FORMAT and known.basis.inputs.case == case:
                    found.append((path, known))
        return sorted(found, key=lambda each: (each[1].finished, str(each[0])), reverse=True)


def _reason(directory: Path, known: Record, now: Basis, *, require_quiet: bool) -> str:
    """Return why a run is not reused; empty if it is."""
    if different := list(known.basis.differences(now)):
        return "; ".join(different)
    if require_quiet and known.result.machine is not None and known.result.machine.busy:
        return "the machine was busy"
    try:
        same = _digests(directory) == known.files
    except OSError:
        same = False
    return "" if same else f"the files in {directory} changed"


def _reused(directory: Path, known: Record, run: Run) -> RunResult:
    """Return a result as that of this session: it says whose it is, and its files are where they are."""
    reused = Reused(session=directory.parent.name, finished=known.finished)
    number, of = run.case.repetition
    note = f"{run.case.title} {run.case.mode}: {said(reused)}"
    return structs.replace(
        known.result,
        reused=reused,
        output=str(directory.absolute()),
        notes=(*known.result.notes, note),
        repetition=number,
        repetitions=of,
    )


def said(reused: Reused) -> str:
    """Return in words which run is reused."""
    return f"reused from {reused.session} of {datetime.fromisoformat(reused.finished).astimezone():%Y-%m-%d %H:%M}"


def _digests(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of each file in a run's directory, but for the record."""
    files = (path for path in sorted(directory.iterdir()) if path.is_file() and path.name != FILE)
    return {path.name: file_sha256(path) for path in files}

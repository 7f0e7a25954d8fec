"""The history's file: an SQLite database that many sessions may write at once; changes with its columns."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from glob import escape
from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.errors import HistoryError
from pytest_mlperf.history.place import OFF, VARIABLE, project_of
from pytest_mlperf.history.point import Point, Series, figure_of
from pytest_mlperf.printable import encodable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_mlperf.report.finished import Finished
    from pytest_mlperf.run.result import RunResult

#: The columns' version, in the file's user_version; a newer one is refused.
SCHEMA = 1
#: Says whose file it is: "MLPF" (https://sqlite.org/pragma.html#pragma_application_id).
APPLICATION = int.from_bytes(b"MLPF", "big")
#: How long a session waits for another one's write, which takes milliseconds.
BUSY_SECONDS = 5.0
_OF_SERIES = "project, case_id, mode, test, run_length, metric, unit, machine, dataset_sha256"
_COLUMNS = f"{_OF_SERIES}, time, commit_id, round, verdict, value, model_sha256, versions"
_CREATE = (
    """CREATE TABLE results (
        id INTEGER PRIMARY KEY,
        project TEXT NOT NULL, case_id TEXT NOT NULL, mode TEXT NOT NULL, test TEXT NOT NULL,
        run_length TEXT NOT NULL, metric TEXT NOT NULL, unit TEXT NOT NULL, machine TEXT NOT NULL,
        dataset_sha256 TEXT NOT NULL,
        time TEXT NOT NULL, commit_id TEXT NOT NULL, round TEXT NOT NULL, verdict TEXT NOT NULL, value REAL,
        model_sha256 TEXT NOT NULL, versions TEXT NOT NULL,
        result TEXT NOT NULL
    )""",
    "CREATE INDEX by_case ON results (project, case_id, mode)",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {SCHEMA}",
)
_INSERT = f"INSERT INTO results ({_COLUMNS}, result) VALUES ({', '.join('?' * 17)})"  # noqa: S608 - names of our own


@dataclass(frozen=True)
class History:
    """The history in a file, which need not exist."""

    path: Path

    def add(self, *sessions: Finished) -> None:
        """Store the results of sessions, all of them or none; a reused one was stored when it was measured.

        Raises
        ------
        HistoryError
            The file cannot be written: its directory is read-only, another process keeps it locked, it is damaged, or a
            newer version has written it.
        """
        rows = [_row(session, result) for session in sessions for result in session.results if result.reused is None]
        with _told(self.path, "written"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._connected("rwc") as connection:
                connection.execute("BEGIN IMMEDIATE")
                if not self._is_ours(connection):
                    for statement in _CREATE:
                        connection.execute(statement)
                connection.executemany(_INSERT, rows)
                connection.execute("COMMIT")

    def points(self, pattern: str = "*", *, project: Path | None = None) -> list[Point]:
        """Return stored results, in the order of time.

        Parameters
        ----------
        pattern
            What the case's id must match, as file names match a pattern of a shell.
        project
            The directory of the project whose results are wanted; None for those of all.

        Raises
        ------
        HistoryError
            The file cannot be read.
        """
        wanted, values = "matches(case_id, ?)", [pattern]
        if project is not None:
            wanted, values = f"project = ? AND {wanted}", [encodable(str(project_of(project))), pattern]
        query = f"SELECT {_COLUMNS} FROM results WHERE {wanted} ORDER BY time, id"  # noqa: S608 - names of our own
        if not self.path.exists():
            return []
        with _told(self.path, "read"), self._connected("rw") as connection:
            if not self._is_ours(connection):
                return []
            connection.create_function("matches", 2, fnmatchcase, deterministic=True)
            return [_point(row) for row in connection.execute(query, values)]

    def series(
        self, case: str, mode: str, *, test: str = "", run_length: str = "", project: Path | None = None
    ) -> list[Point]:
        """Return the stored results of one case, in the order of time; `by_series` tells machines and data apart.

        Parameters
        ----------
        case, mode, test
            Which case.
        run_length
            ``short`` or ``official``; empty for both.
        project
            As for `points`.

        Raises
        ------
        HistoryError
            The file cannot be read.
        """
        return [
            point
            for point in self.points(escape(case), project=project)
            if (point.series.mode, point.series.test) == (mode, test) and run_length in ("", point.series.run_length)
        ]

    @contextmanager
    def _connected(self, mode: str) -> Iterator[sqlite3.Connection]:
        """Open the file; without a COMMIT nothing is changed.

        Reading opens it for writing as well, since what a killed session left half written must be undone first.
        """
        address = f"{self.path.absolute().as_uri()}?mode={mode}"
        # The rollback journal, not a write-ahead log: that one does not work where a home directory is on a network.
        with closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            yield connection

    def _is_ours(self, connection: sqlite3.Connection) -> bool:
        """Return whether the tables are there; raise where the file is another program's, or newer."""
        [version] = connection.execute("PRAGMA user_version").fetchone()
        [application] = connection.execute("PRAGMA application_id").fetchone()
        [tables] = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if not tables and not application:
            return False
        if application != APPLICATION:
            raise HistoryError(
                f"this is no history of pytest-mlperf: {self.path}",
                expected="a new file, or one that pytest-mlperf has made",
                found="the database of another program",
                fix=_elsewhere(),
            )
        if version > SCHEMA:
            raise HistoryError(
                f"the history was written by a newer version of pytest-mlperf: {self.path}",
                expected=f"schema {SCHEMA} or older",
                found=f"schema {version}",
                fix=f"upgrade pytest-mlperf here, or {_elsewhere()}",
            )
        return True


@contextmanager
def _told(path: Path, what: str) -> Iterator[None]:
    """Turn what SQLite and the system raise in the block into a HistoryError."""
    try:
        yield
    except (sqlite3.Error, OSError, msgspec.MsgspecError, ValueError) as error:
        raise HistoryError(
            f"the history cannot be {what}: {path}",
            expected="a file that pytest-mlperf has made, in a directory in which you may write",
            found=str(error),
            fix=_fix(error, path),
        ) from error


def _fix(error: Exception, path: Path) -> str:
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return f"end the process that keeps it locked, or {_elsewhere()}"
    # SQLITE_CORRUPT and SQLITE_NOTADB are DatabaseErrors of no subclass.
    if type(error) is sqlite3.DatabaseError or isinstance(error, msgspec.MsgspecError | ValueError):
        return f"move {path.name} away, with {path.name}-journal if there is one: the next session begins a new history"
    return _elsewhere()


def _elsewhere() -> str:
    return f"name another file with --mlperf-history or ${VARIABLE}; {OFF} keeps none"


def _row(finished: Finished, result: RunResult) -> tuple[str | float | None, ...]:
    commit, machine = finished.provenance
    metric, unit, value = figure_of(result)
    return (
        encodable(str(project_of(finished.root))),
        result.case,
        result.mode,
        result.test,
        result.run_length,
        metric,
        unit,
        msgspec.json.encode(machine).decode(),
        result.dataset_sha256,
        finished.started.astimezone(timezone.utc).isoformat(timespec="seconds"),
        commit,
        result.round,
        result.verdict,
        value,
        result.model_sha256,
        msgspec.json.encode(result.versions).decode(),
        msgspec.json.encode(result).decode(),
    )


def _point(row: tuple[str, ...]) -> Point:
    time, commit, round_, verdict, value, model, versions = row[9:]
    return Point(
        series=Series(*row[:9]),
        time=datetime.fromisoformat(time),
        commit=commit,
        round=round_,
        verdict=verdict,
        value=float(value) if value is not None else None,
        model_sha256=model,
        versions=msgspec.json.decode(versions, type=dict[str, str]),
    )

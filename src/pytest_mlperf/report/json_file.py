"""All results of a session in one JSON file, for --mlperf-json."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf import __version__
from pytest_mlperf.artifacts.disk import write_atomic
from pytest_mlperf.errors import OutputError
from pytest_mlperf.results.document import Document, encoded
from pytest_mlperf.run.directories import RESULTS, unwritable

if TYPE_CHECKING:
    from pytest_mlperf.report.finished import Finished


def write_results(path: Path, finished: Finished) -> None:
    """Write the results to `path`; if that fails, to a file beside the results or in the temporary directory.

    Raises
    ------
    OutputError
        `path` cannot be written; the message says where the results are instead.
    """
    text = encoded(document_of(finished))
    try:
        _write(path, text)
    except OSError as error:
        failed = unwritable(path.parent, "--mlperf-json", error)
        there = _write_elsewhere(path.name, text, [finished.directory] if finished.directory else [])
        fix = f"{failed.fix}; the results are in {there} instead" if there else failed.fix
        raise OutputError(failed.what, expected=failed.expected, found=failed.found, fix=fix) from error


def write_beside_logs(finished: Finished) -> None:
    """Write the results into the session's directory, where `pytest-mlperf report` and `compare` find them.

    Raises
    ------
    OutputError
        They cannot be written.
    """
    directory = finished.directory
    if directory is None:
        return
    try:
        write_atomic(directory / RESULTS, encoded(document_of(finished)))
    except OSError as error:
        raise unwritable(directory, "--mlperf-output", error) from error


def document_of(finished: Finished) -> Document:
    """Return a session's results as they stand in a file."""
    commit, machine = finished.provenance
    return Document(
        pytest_mlperf=__version__,
        results=finished.results,
        started=finished.started.astimezone().isoformat(timespec="seconds"),
        command=finished.command,
        root=str(finished.root),
        commit=commit,
        machine=machine,
        notes=finished.notes,
    )


def _write_elsewhere(name: str, text: bytes, beside: list[Path]) -> Path | None:
    """Write a file into one of these directories or the temporary one; return where it is."""
    for directory in (*beside, Path(tempfile.gettempdir())):
        try:
            # Named by nobody else, also in the temporary directory.
            path = Path(tempfile.mkdtemp(prefix="report-", dir=directory), name)
            _write(path, text)
        except OSError:
            continue
        return path
    return None


def _write(path: Path, text: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text)

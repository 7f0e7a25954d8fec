"""All results of a session in one JSON file: for --mlperf-json, and beside the logs of its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf import __version__
from pytest_mlperf.artifacts.disk import write_atomic
from pytest_mlperf.printable import encodable
from pytest_mlperf.report.rescue import write_or_rescue
from pytest_mlperf.results.document import Document, encoded
from pytest_mlperf.run.directories import RESULTS, unwritable
from pytest_mlperf.run.repeated import by_repetition, together

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.report.finished import Finished


def write_results(path: Path, finished: Finished) -> None:
    """Write the results to `path`; if that fails, to a file beside the results or in the temporary directory.

    Raises
    ------
    OutputError
        `path` cannot be written; the message says where the results are instead.
    """
    write_or_rescue(path, encoded(document_of(finished)), "--mlperf-json", finished)


def write_beside_logs(finished: Finished) -> None:
    """Write the results into the session's directory, where `pytest-mlperf report` and `compare` find them.

    Raises
    ------
    OutputError
        They cannot be written.
    """
    directory = finished.directory
    if directory is None or (directory in finished.elsewhere.values() and not directory.is_dir()):
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
        command=tuple(map(encodable, finished.command)),
        root=encodable(str(finished.root)),
        commit=commit,
        machine=machine,
        notes=finished.notes,
        repeated=tuple(together(runs) for runs in by_repetition(finished.results) if runs[0].repetitions > 1),
    )

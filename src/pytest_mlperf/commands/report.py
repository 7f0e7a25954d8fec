"""``pytest-mlperf report``: the report of a past session, without running anything."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.commands.exit_codes import DONE

if TYPE_CHECKING:
    import argparse

    from pytest_mlperf.report.finished import Finished
    from pytest_mlperf.results.document import Document

_TEXT = "show the results of a past session"


def add(tools: Any) -> None:
    """Add the tool to the command's parser."""
    reporting = tools.add_parser("report", help=_TEXT, description=f"{_TEXT.capitalize()}; nothing is run.")
    reporting.add_argument(
        "place", metavar="DIR|FILE", type=Path, help="a session's directory in mlperf-results, or a --mlperf-json file"
    )
    reporting.add_argument("--html", metavar="FILE", type=Path, help="also write the page of --mlperf-html")
    reporting.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the report; return the exit code."""
    from pytest_mlperf.results.document import read_document
    from pytest_mlperf.results.session_directory import read_session

    document = read_session(options.place) if options.place.is_dir() else read_document(options.place)
    finished = _finished(document, options.place)
    if options.html is not None:
        from pytest_mlperf.history.place import history_file
        from pytest_mlperf.report.html.write import write_report

        write_report(options.html, finished, history_file(None, os.environ))
    _print(document, finished)
    return DONE


def _finished(document: Document, place: Path) -> Finished:
    from pytest_mlperf.report.finished import Finished, Provenance

    # Of files without a time: when they were written.
    started = document.started or datetime.fromtimestamp(place.stat().st_mtime, timezone.utc).isoformat()
    return Finished(
        document.results,
        document.command,
        _time(started),
        Path(document.root or "."),
        document.notes,
        Provenance(document.commit, document.machine),
    )


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromtimestamp(0, timezone.utc)


def _print(document: Document, finished: Finished) -> None:
    from rich.text import Text

    from pytest_mlperf.commands.styled import output_width, print_styled
    from pytest_mlperf.printable import one_line
    from pytest_mlperf.report.row import rows
    from pytest_mlperf.report.table import table
    from pytest_mlperf.report.terminal import below, logs, title

    if not document.results:
        sys.stdout.write("the session has no results\n")
        return
    commit = f", commit {document.commit[:10]}" if document.commit else ""
    print_styled(
        [
            Text(one_line(title(document.results)), style="bold"),
            Text(one_line(f"started {finished.started:%Y-%m-%d %H:%M:%S %z}{commit}, by {document.pytest_mlperf}")),
        ]
    )
    print_styled(table(rows(document.results), output_width()))
    print_styled(Text(one_line(line)) for line in (*below(document.results), *finished.notes))
    print_styled(Text(one_line(line)) for line in logs(finished))
    print_styled(Text(one_line(line)) for line in _errors(finished))


def _errors(finished: Finished) -> list[str]:
    """Return what failed, which a session tells at its items."""
    found: list[str] = []
    for result in finished.results:
        for finding in result.errors:
            found.append("")
            found.extend(f"{result.case} {result.mode}: {finding}".splitlines())
    return found

"""Writes a report to the place that the user named, and elsewhere if that fails at the end of a session."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.artifacts.disk import write_atomic
from pytest_mlperf.errors import OutputError
from pytest_mlperf.run.directories import unwritable

if TYPE_CHECKING:
    from pytest_mlperf.report.finished import Finished


def write_or_rescue(path: Path, content: bytes, option: str, finished: Finished) -> None:
    """Write a report to `path`; if that fails, to a file beside the results or in the temporary directory.

    Raises
    ------
    OutputError
        `path`, which `option` names, cannot be written; the message says where the report is instead.
    """
    try:
        _write(path, content)
    except OSError as error:
        failed = unwritable(path.parent, option, error)
        there = _write_elsewhere(path.name, content, [finished.directory] if finished.directory else [])
        fix = f"{failed.fix}; the results are in {there} instead" if there else failed.fix
        raise OutputError(failed.what, expected=failed.expected, found=failed.found, fix=fix) from error


def _write_elsewhere(name: str, content: bytes, beside: list[Path]) -> Path | None:
    """Write a file into one of these directories or the temporary one; return where it is."""
    for directory in (*beside, Path(tempfile.gettempdir())):
        try:
            # Named by nobody else, also in the temporary directory.
            path = Path(tempfile.mkdtemp(prefix="report-", dir=directory), name)
            _write(path, content)
        except OSError:
            continue
        return path
    return None


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, content)

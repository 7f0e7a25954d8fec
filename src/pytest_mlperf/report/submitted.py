"""The section about the submission in pytest's summary."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from pytest_mlperf.report.submission import lines, verdict_line
from pytest_mlperf.report.terminal import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.report.progress import Terminal
    from pytest_mlperf.submission.submit import Submitted


def write_submitted(terminal: Terminal, submitted: Submitted) -> None:
    """Write the verdict, the fields that are still to be filled in, and where the files are."""
    width = terminal.width
    terminal.write_title("MLPerf submission")
    if submitted.report is not None:
        word = submitted.report.verdict
        for line in lines(submitted.report, width):
            last = line.startswith(submitted.report.round)
            terminal.write_line(line, green=last and word == "OK", yellow=last and word == "short")
    if submitted.as_official is not None:
        _write(terminal, verdict_line(submitted.as_official), width)
    if submitted.official is not None:
        official = submitted.official
        said = f"official checker ({official.script.name}): {official.words}"
        terminal.write_line(said, green=official.ok, red=not official.ok)
        for line in submitted.differences:
            terminal.write_line(f"  {line}")
    for paragraph in _remarks(submitted):
        _write(terminal, paragraph, width)


def _write(terminal: Terminal, paragraph: str, width: int) -> None:
    for line in textwrap.wrap(paragraph, width, subsequent_indent="  ", break_on_hyphens=False):
        terminal.write_line(line)


def _remarks(submitted: Submitted) -> Iterator[str]:
    yield from (f"note: {note}" for note in submitted.notes)
    if submitted.unknown:
        yield f"not stated; fill in with --mlperf-system FILE: {', '.join(submitted.unknown)}"
    if submitted.tree is not None:
        yield f"tree: {shown(submitted.tree.directory)}"
        yield f"full accuracy logs: {shown(submitted.tree.logs)}"
    if submitted.files:
        yield f"written: {', '.join(shown(file) for file in submitted.files)}"

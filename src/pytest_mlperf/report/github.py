"""The results on the page of a GitHub Actions job: a table in the file that $GITHUB_STEP_SUMMARY names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.errors import OutputError
from pytest_mlperf.printable import one_line
from pytest_mlperf.report.row import COLUMNS, rows
from pytest_mlperf.report.terminal import comparisons, lacking, title

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pytest_mlperf.run.result import RunResult

VARIABLE = "GITHUB_STEP_SUMMARY"
#: GitHub shows at most a mebibyte of a step; more is an error there.
MOST_BYTES = 1 << 20
_MARKUP = frozenset("|`*_[]#")
_SHOWN = tuple(name for name in COLUMNS if name not in ("wall", "memory"))


def append_summary(path: Path, results: Sequence[RunResult]) -> None:
    """Append the results to the step's summary, which other steps may have begun.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    text = "\n".join(markdown(results)) + "\n\n"
    if len(text.encode()) > MOST_BYTES:
        text = f"## {title(results)}\n\n{len(results):,} results: more than this page can have.\n\n"
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise OutputError(
            f"the results cannot be put on the job's page: {path}",
            expected=f"a file that can be written, named by ${VARIABLE}",
            found=str(error),
            fix=f"unset {VARIABLE}, or leave the file to the session",
        ) from error


def markdown(results: Sequence[RunResult]) -> Iterator[str]:
    """Yield the lines of the table, and below it what failed, with what to do."""
    yield f"## {title(results)}"
    yield ""
    yield _line(_SHOWN)
    yield _line(["---"] * len(_SHOWN))
    for each in rows(results):
        cells = dict(zip(COLUMNS, each, strict=True))
        yield _line([cells[name] for name in _SHOWN])
    for finding in (finding for result in results for finding in result.errors):
        yield ""
        yield f"- **{_plain(finding.what)}** (`{finding.rule}`): expected {_plain(finding.expected)}; found"
        yield f"  {_plain(finding.found)}. {_plain(finding.fix)}"
    below = [*comparisons(results), *lacking(results)]
    if below:
        yield ""
        yield from (f"- {_plain(line.strip())}" for line in below)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_plain, cells))} |"


def _plain(text: str) -> str:
    """Return a text that is text in Markdown: nothing of it is markup or ends a cell."""
    escaped = one_line(text).replace("\\", "\\\\").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{character}" if character in _MARKUP else character for character in escaped)

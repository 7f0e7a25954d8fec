"""What failed, as annotations of a GitHub Actions job: workflow commands on its standard output."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_mlperf.errors import MLPerfError
    from pytest_mlperf.report.finished import Finished, Item

#: GitHub shows so many of each kind of a step, and drops the others.
MOST = 10
#: Of a message, more is cut there.
MOST_CHARACTERS = 4000


class Annotation(NamedTuple):
    """One annotation; `file` is relative to the repository, and empty where it is in none."""

    level: str
    title: str
    message: str
    file: str = ""
    line: int | None = None

    def __str__(self) -> str:
        """Return the workflow command."""
        known = {"file": self.file, "line": self.line if self.file else None, "title": self.title}
        properties = ",".join(f"{name}={_property(str(value))}" for name, value in known.items() if value)
        return f"::{self.level} {properties}::{_data(self.message)}"


def workflow_commands(finished: Finished, unreported: Sequence[MLPerfError], workspace: str) -> Iterator[str]:
    """Yield the workflow commands: an error for each failed item, a warning for what is undecided or unreported.

    Parameters
    ----------
    finished
        The session.
    unreported
        Why reports could not be written.
    workspace
        The directory of the repository: ``$GITHUB_WORKSPACE``.
    """
    errors = list(chain(_failures(finished.items, workspace), _of_submission(finished)))
    undecided = (warning for item in finished.items for warning in _undecided(item, workspace))
    warnings = [*undecided, *(Annotation("warning", "MLPerf report", str(error)) for error in unreported)]
    for level, found in (("error", errors), ("warning", warnings)):
        yield from map(str, _at_most(level, found))


def _at_most(level: str, found: Sequence[Annotation]) -> Iterable[Annotation]:
    if len(found) <= MOST:
        return found
    more = f"{len(found) - MOST + 1} more: see the summary of the job, and its log"
    return (*found[: MOST - 1], Annotation(level, "MLPerf", more))


def _failures(items: Iterable[Item], workspace: str) -> Iterator[Annotation]:
    for item in items:
        if not item.failure:
            continue
        errors = item.result.errors if item.result is not None else ()
        for message in map(str, errors) if errors else (item.failure,):
            yield _of(item, "error", message, workspace)


def _undecided(item: Item, workspace: str) -> Iterator[Annotation]:
    result = item.result
    if item.failure or result is None or result.comparison is None or result.comparison.verdict != "undecided":
        return
    for note in result.notes:
        if "undecided" in note:
            yield _of(item, "warning", note, workspace)


def _of(item: Item, level: str, message: str, workspace: str) -> Annotation:
    return Annotation(level, f"{item.case} {item.mode}", message, relative(item.file, workspace), item.line)


def _of_submission(finished: Finished) -> Iterator[Annotation]:
    if finished.submitted is not None:
        for outcome in finished.submitted.outcomes:
            if outcome.fault:
                yield Annotation("error", f"MLPerf submission: {outcome.place}", outcome.fault)


def relative(file: Path, directory: str) -> str:
    """Return a file's path relative to a repository's directory; empty if it is not in it."""
    try:
        return file.relative_to(Path(directory).resolve() if directory else Path.cwd()).as_posix()
    except ValueError:
        return ""


def _data(text: str) -> str:
    """Return a command's text, escaped as the runner reads it."""
    shown = printable(text)[:MOST_CHARACTERS]
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

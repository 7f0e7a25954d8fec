"""What failed, as annotations of a GitHub Actions job: workflow commands on its standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.printable import printable
from pytest_mlperf.report.problems import Problem, problems, relative

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_mlperf.errors import MLPerfError
    from pytest_mlperf.report.finished import Finished

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
    found = [_of(problem, workspace) for problem in problems(finished)]
    found += [Annotation("warning", "MLPerf report", str(error)) for error in unreported]
    for level in ("error", "warning"):
        yield from map(str, _at_most(level, [each for each in found if each.level == level]))


def _at_most(level: str, found: Sequence[Annotation]) -> Iterable[Annotation]:
    if len(found) <= MOST:
        return found
    more = f"{len(found) - MOST + 1} more: see the summary of the job, and its log"
    return (*found[: MOST - 1], Annotation(level, "MLPerf", more))


def _of(problem: Problem, workspace: str) -> Annotation:
    level = "error" if problem.fails else "warning"
    if problem.item is None:
        return Annotation(level, problem.title, problem.text)
    return Annotation(level, problem.title, problem.text, relative(problem.item.file, workspace), problem.item.line)


def _data(text: str) -> str:
    """Return a command's text, escaped as the runner reads it."""
    shown = printable(text)[:MOST_CHARACTERS]
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

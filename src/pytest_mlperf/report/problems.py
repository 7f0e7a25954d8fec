"""What a session found wrong, and where: what the services of a CI show beside the code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.report.finished import Finished, Item


class Problem(NamedTuple):
    """Something wrong.

    Attributes
    ----------
    rule
        The name of the rule that is broken; ``failed`` where an item failed for another reason, ``undecided`` where a
        comparison could not be decided.
    title, text
        What it is about, and what is wrong.
    item
        The item; None for a submission's check.
    fails
        Whether it fails the session.
    """

    rule: str
    title: str
    text: str
    item: Item | None = None
    fails: bool = True


def problems(finished: Finished) -> Iterator[Problem]:
    """Yield why items failed, each broken rule by itself; then what could not be decided."""
    for item in finished.items:
        if item.failure:
            yield from _of_failed(item)
    if finished.submitted is not None:
        for outcome in finished.submitted.outcomes:
            if outcome.fault:
                yield Problem("submission", f"MLPerf submission: {outcome.place}", outcome.fault)
    for item in finished.items:
        if not item.failure:
            yield from _undecided(item)


def _of_failed(item: Item) -> Iterator[Problem]:
    title = f"{item.case} {item.mode}"
    errors = item.result.errors if item.result is not None else ()
    if not errors:
        yield Problem("failed", title, item.failure, item)
    for finding in errors:
        yield Problem(finding.rule, title, str(finding), item)


def _undecided(item: Item) -> Iterator[Problem]:
    result = item.result
    if result is not None and result.comparison is not None and result.comparison.verdict == "undecided":
        for note in result.notes:
            if "undecided" in note:
                yield Problem("undecided", f"{item.case} {item.mode}", note, item, fails=False)


def relative(file: Path, directory: str) -> str:
    """Return a file's path relative to a repository's directory; empty if it is not in it.

    Without a directory it is the current one.
    """
    try:
        return file.relative_to(Path(directory).resolve() if directory else Path.cwd()).as_posix()
    except ValueError:
        return ""

"""Where the results of a session go besides the terminal: each place is an entry here and a module of `report`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.errors import MLPerfError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_mlperf.plugin.options import Settings
    from pytest_mlperf.report.finished import Finished


@dataclass(frozen=True)
class Place:
    """One place.

    Attributes
    ----------
    write
        Writes the results there; may raise MLPerfError.
    required
        The user named a file with an option: the session fails if it cannot be written. Any other place is told below
        the table, and changes no outcome.
    even_empty
        It is written even if there is no result, so that no older file is left there.
    """

    write: Callable[[Finished], None]
    required: bool = False
    even_empty: bool = False


def places(settings: Settings) -> Iterator[Place]:
    """Yield the places that the options name, and those that the environment of a CI job has."""
    if settings.json is not None:
        yield Place(_json(settings.json), required=True, even_empty=True)
    if settings.html is not None:
        yield Place(_html(settings.html), required=True, even_empty=True)
    if page := os.environ.get("GITHUB_STEP_SUMMARY"):
        yield Place(_github(Path(page)))


def publish(finished: Finished, settings: Settings) -> tuple[list[MLPerfError], bool]:
    """Write the results to every place.

    Returns
    -------
    list of MLPerfError, bool
        Why places could not be written, and whether a required one is among them.
    """
    errors, failed = [], False
    for place in places(settings):
        if not finished.results and not place.even_empty:
            continue
        try:
            place.write(finished)
        except MLPerfError as error:  # the disk may be full by now; the other places and the summary must still appear
            errors.append(error)
            failed = failed or place.required
    return errors, failed


def _json(path: Path) -> Callable[[Finished], None]:
    def write(finished: Finished) -> None:
        from pytest_mlperf.report.json_file import write_results

        write_results(path, finished)

    return write


def _html(path: Path) -> Callable[[Finished], None]:
    def write(finished: Finished) -> None:
        from pytest_mlperf.report.html.write import write_report

        write_report(path, finished)

    return write


def _github(page: Path) -> Callable[[Finished], None]:
    def write(finished: Finished) -> None:
        from pytest_mlperf.report.github import append_summary

        append_summary(page, finished.results)

    return write

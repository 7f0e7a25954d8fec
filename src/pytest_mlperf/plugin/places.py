"""Where the results of a session go besides the terminal: each place is an entry here and a module of `report`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.errors import MLPerfError
from pytest_mlperf.history.place import history_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytest_mlperf.plugin.options import Settings
    from pytest_mlperf.report.finished import Finished


@dataclass(frozen=True)
class Place:
    """One place.

    Attributes
    ----------
    write
        Writes the results there, and returns where they can be seen, if that is worth a line; may raise MLPerfError.
    required
        The user named a file with an option: the session fails if it cannot be written. Any other place is told below
        the table, and changes no outcome.
    even_empty
        It is written even if there is no result, so that no older file is left there.
    slow
        What is told while it is written, if that may take a while. It waits for the submission, which it may have.
    """

    write: Callable[[Finished], Iterable[str] | None]
    required: bool = False
    even_empty: bool = False
    slow: str = ""


def places(settings: Settings) -> Iterator[Place]:
    """Yield the places that the options name, and those that the environment of a CI job has."""
    if settings.json is not None:
        yield Place(_json(settings.json), required=True, even_empty=True)
    yield Place(_beside_logs)
    if (history := history_file(settings.history, {})) is not None:
        yield Place(_history(history))
    if settings.csv is not None:
        yield Place(_csv(settings.csv), required=True, even_empty=True)
    if settings.html is not None:
        yield Place(_html(settings.html, history), required=True, even_empty=True)
    if page := os.environ.get("GITHUB_STEP_SUMMARY"):
        yield Place(_github(Path(page)))
    if os.environ.get("GITLAB_CI"):
        yield Place(_gitlab(Path(os.environ.get("CI_PROJECT_DIR") or Path.cwd())), even_empty=True)
    for name in settings.dashboard:
        yield Place(_dashboard(name, settings), slow=f"publishing to {name}")


class Published(NamedTuple):
    """What became of the places: why some could not be written, whether a required one is among them, what to see."""

    errors: tuple[MLPerfError, ...]
    failed: bool
    seen: tuple[str, ...]


def publish(finished: Finished, settings: Settings, tell: Callable[[str], None] | None = None) -> Published:
    """Write the results to every place: without `tell` to those that are quick, with it to those that are slow."""
    errors: list[MLPerfError] = []
    seen: list[str] = []
    failed = False
    for place in places(settings):
        if bool(place.slow) != (tell is not None) or not (finished.results or place.even_empty):
            continue
        if tell is not None:
            tell(place.slow)
        try:
            seen.extend(place.write(finished) or ())
        except MLPerfError as error:  # the disk may be full by now; the other places and the summary must still appear
            errors.append(error)
            failed = failed or place.required
    return Published(tuple(errors), failed, tuple(seen))


def _json(path: Path) -> Callable[[Finished], None]:
    def write(finished: Finished) -> None:
        from pytest_mlperf.report.json_file import write_results

        write_results(path, finished)

    return write


def _beside_logs(finished: Finished) -> None:
    from pytest_mlperf.report.json_file import write_beside_logs

    write_beside_logs(finished)


def _csv(path: Path) -> Callable[[Finished], None]:
    def write(finished: Finished) -> None:
        from pytest_mlperf.report.csv_file import write_csv

        write_csv(path, finished)

    return write


def _gitlab(directory: Path) -> Callable[[Finished], None]:
    def write(finished: Finished) -> None:
        from pytest_mlperf.report.gitlab import write_reports

        write_reports(directory, finished)

    return write


def _html(path: Path, history: Path | None) -> Callable[[Finished], list[str]]:
    def write(finished: Finished) -> list[str]:
        from pytest_mlperf.report.html.write import write_report
        from pytest_mlperf.report.terminal import shown

        write_report(path, finished, history)
        return [f"the report: {shown(path)}"]

    return write


def _github(page: Path) -> Callable[[Finished], None]:
    def write(finished: Finished) -> None:
        from pytest_mlperf.report.github import append_summary

        append_summary(page, finished.results)

    return write


def _history(path: Path) -> Callable[[Finished], None]:
    def write(finished: Finished) -> None:
        from pytest_mlperf.history.store import History

        History(path).add(finished)

    return write


def _dashboard(name: str, settings: Settings) -> Callable[[Finished], list[str]]:
    def write(finished: Finished) -> list[str]:
        from pytest_mlperf.report.dashboards.publishing import publication, publish

        options = {flag: given.shown(flag) for flag, given in settings.given.items()}
        seen = publish(name, publication(finished, options), settings.dashboard_timeout)
        return [f"published to {name}: {place}" for place in seen]

    return write

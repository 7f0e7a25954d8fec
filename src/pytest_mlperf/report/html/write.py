"""Writes the page, for --mlperf-html."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.report.rescue import write_or_rescue

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.report.finished import Finished
    from pytest_mlperf.report.html.past import Series


def write_report(path: Path, finished: Finished, history: Path | None = None) -> None:
    """Write the page of a session to `path`; if that fails, beside the results or in the temporary directory.

    Parameters
    ----------
    path
        The file.
    finished
        What there is to report.
    history
        The file of the history; None where none is kept.

    Raises
    ------
    OutputError
        `path` cannot be written; the message says where the page is instead.
    """
    from pytest_mlperf.registry import Registry
    from pytest_mlperf.report.html.page import Around, render
    from pytest_mlperf.report.html.surroundings import facts_of

    series = _series(history, finished.root) if history is not None else None
    page = render(finished, Around(tuple(facts_of(finished)), finished.provenance.commit, Registry(), series))
    write_or_rescue(path, page.encode("utf-8", "backslashreplace"), "--mlperf-html", finished)


def _series(history: Path, project: Path) -> Series:
    """Return what finds the earlier figures of a case: those of the machine and the data of the newest one."""
    from pytest_mlperf.errors import HistoryError
    from pytest_mlperf.history.point import by_series
    from pytest_mlperf.history.store import History
    from pytest_mlperf.report.html.past import Point

    def of_case(case: str, mode: str) -> list[Point]:
        try:
            found = History(history).series(case, mode, project=project)
        except HistoryError:  # it is told where the session's own results could not be kept
            return []
        newest = max(by_series(found).values(), key=lambda points: points[-1].time, default=[])
        return [Point(each.time, each.commit, each.value) for each in newest if each.counts and each.value is not None]

    return of_case

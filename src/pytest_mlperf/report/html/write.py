"""Writes the page, for --mlperf-html."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.report.rescue import write_or_rescue

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.report.finished import Finished
    from pytest_mlperf.report.html.past import Series


def write_report(path: Path, finished: Finished, series: Series | None = None) -> None:
    """Write the page of a session to `path`; if that fails, beside the results or in the temporary directory.

    Parameters
    ----------
    path
        The file.
    finished
        What there is to report.
    series
        Returns the earlier figures of a case; None where no history is kept.

    Raises
    ------
    OutputError
        `path` cannot be written; the message says where the page is instead.
    """
    from pytest_mlperf.baselines.store import commit_of
    from pytest_mlperf.machine.hardware import read_machine
    from pytest_mlperf.registry import Registry
    from pytest_mlperf.report.html.page import Around, render

    page = render(finished, Around(read_machine(), commit_of(finished.root), Registry(), series))
    write_or_rescue(path, page.encode("utf-8", "backslashreplace"), "--mlperf-html", finished)

"""The attempts of one item, of which plugins that rerun tests make several: the last one counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.plugin import ATTEMPT_ATTRIBUTE, REPORT_ATTRIBUTE
from pytest_mlperf.report.junit import others

if TYPE_CHECKING:
    from pathlib import Path

RESULT = pytest.StashKey[dict[str, Any]]()
#: How many attempts an item has had.
ATTEMPT = pytest.StashKey[int]()


def begin_attempt(item: pytest.Item) -> None:
    """Count an attempt of an item, and remove what an earlier one has left."""
    item.stash[ATTEMPT] = item.stash.get(ATTEMPT, 0) + 1
    if RESULT in item.stash:
        del item.stash[RESULT]
    item.user_properties[:] = others(item.user_properties)


class ResultCollector:
    """Collects results from test reports, including those of xdist workers.

    Parameters
    ----------
    results, test_files
        Where it puts the results, and the test files that have some.
    root
        The directory that node ids are relative to.
    """

    def __init__(self, results: list[dict[str, Any]], test_files: set[Path], root: Path) -> None:
        self._results, self._test_files, self._root = results, test_files, root
        self._of_items: dict[tuple[str, str], dict[str, Any]] = {}
        self._counting: set[tuple[str, str]] = set()

    def see(self, report: pytest.TestReport) -> None:
        """Store the result of a report. Of an item that is run again only the last attempt counts, also in JUnit."""
        item = (report.nodeid, getattr(report, "worker_id", ""))
        attempt = getattr(report, ATTEMPT_ATTRIBUTE, False)
        if attempt and report.when == "setup":
            self._counting.discard(item)
            if earlier := self._of_items.pop(item, None):
                self._results.remove(earlier)
        if attempt and report.when == "teardown" and item not in self._counting:
            # pytest-rerunfailures and flaky report the teardown of every attempt, and JUnit takes the properties there.
            report.user_properties = others(report.user_properties)
        result = getattr(report, REPORT_ATTRIBUTE, None)
        if result is not None:
            self._of_items[item] = result
            self._results.append(result)
            if report.outcome in ("passed", "failed"):  # of pytest-rerunfailures: "rerun"
                self._counting.add(item)
            self._test_files.add(self._root / report.nodeid.partition("::")[0])

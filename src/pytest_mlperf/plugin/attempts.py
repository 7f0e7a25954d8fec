"""The attempts of one item, of which plugins that rerun tests make several: the last one counts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_mlperf.plugin import ATTEMPT_ATTRIBUTE, FAILED_ATTRIBUTE, REPORT_ATTRIBUTE
from pytest_mlperf.report.junit import others

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.report.finished import Item

RESULT = pytest.StashKey[dict[str, Any]]()
#: How many attempts an item has had.
ATTEMPT = pytest.StashKey[int]()


def begin_attempt(item: pytest.Item) -> None:
    """Count an attempt of an item, and remove what an earlier one has left."""
    item.stash[ATTEMPT] = item.stash.get(ATTEMPT, 0) + 1
    if RESULT in item.stash:
        del item.stash[RESULT]
    item.user_properties[:] = others(item.user_properties)


class _Failure(NamedTuple):
    """Why an item failed, and where its test is."""

    case: str
    mode: str
    text: str


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
        self._failures: dict[tuple[str, str], _Failure] = {}
        self._locations: dict[tuple[str, str], tuple[Path, int | None]] = {}

    def see(self, report: pytest.TestReport) -> None:
        """Store the result of a report. Of an item that is run again only the last attempt counts, also in JUnit."""
        item = (report.nodeid, getattr(report, "worker_id", ""))
        attempt = getattr(report, ATTEMPT_ATTRIBUTE, False)
        if attempt and report.when == "setup":
            self._counting.discard(item)
            self._failures.pop(item, None)
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
        failed = getattr(report, FAILED_ATTRIBUTE, None)
        if failed is not None and report.outcome == "failed":  # of pytest-rerunfailures: "rerun"
            case, mode = failed
            self._failures.setdefault(item, _Failure(case, mode, _text(report)))
        file, line, _ = report.location
        self._locations[item] = Path(os.path.normpath(self._root / file)), None if line is None else line + 1

    def items(self) -> Iterator[Item]:
        """Yield the items with a result, and those that failed without one."""
        from msgspec import convert

        from pytest_mlperf.report.finished import Item
        from pytest_mlperf.run.result import RunResult

        for item in dict.fromkeys((*self._of_items, *self._failures)):
            found = self._of_items.get(item)
            failure = self._failures.get(item)
            case, mode = (
                (found["case"], found["mode"]) if found else (failure.case, failure.mode) if failure else ("", "")
            )
            yield Item(
                item[0],
                *self._locations[item],
                case=case,
                mode=mode,
                failure=failure.text if failure else "",
                result=convert(found, RunResult) if found else None,
            )


def _text(report: pytest.TestReport) -> str:
    """Return why an item failed: the message of its exception."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else report.longreprtext
    return str(text).removeprefix("Failed: ")

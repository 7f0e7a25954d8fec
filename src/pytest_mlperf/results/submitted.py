"""The results in a submission's tree: figures of LoadGen's logs, and the metric that accuracy.txt states."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_mlperf.results.held import Held
from pytest_mlperf.rules.accuracy import Accuracy
from pytest_mlperf.rules.performance import RESULT_FIELDS, performance_of
from pytest_mlperf.rules.reading.read import read_submission
from pytest_mlperf.rules.reading.source import opened
from pytest_mlperf.run.case import ACCURACY, PERFORMANCE
from pytest_mlperf.run.result import RunResult

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_mlperf.rules.performance import Performance
    from pytest_mlperf.rules.reading.submission import Result

_NOT_WHOLE = "a submission has no outcomes of samples"


def read_submitted(path: Path) -> list[Held]:
    """Return the results of a submission, a directory or a tarball.

    Raises
    ------
    OptionError, ArchiveError
        It is not there, or cannot be unpacked.
    """
    with opened(path) as root:
        results = [
            result
            for submitter in read_submission(root).submitters
            for system in submitter.systems
            for result in system.results
            if result.scenario in RESULT_FIELDS
        ]
        counts = Counter((result.model, result.scenario) for result in results)
        return [
            Held(found, lambda: _NOT_WHOLE)
            for result in results
            for found in _both(result, alone=counts[result.model, result.scenario] == 1)
        ]


def _both(result: Result, *, alone: bool) -> Iterator[RunResult]:
    """Yield what a result has of performance and of accuracy."""
    scenario = result.scenario or ""
    where = "" if alone else f"{result.division}/{result.submitter}/{result.system}/"
    case = f"{where}{result.model}-{scenario}"
    figures = performance_of(scenario, result.performance.detail)
    if figures.value is not None:
        yield _result(case, result, PERFORMANCE, "VALID" if figures.valid else "INVALID", performance=figures)
    stated = next((each for each in result.accuracy_text.stated if each.what != "hash"), None)
    if stated is not None and stated.number is not None:
        metric = Accuracy(
            metric=stated.what,
            unit="",
            value=stated.number,
            limits=(),
            samples=0,
            dataset_size=0,
            values={stated.what: stated.number},
            text="",
        )
        yield _result(case, result, ACCURACY, "not judged", accuracy=metric)


def _result(
    case: str,
    result: Result,
    mode: str,
    verdict: str,
    *,
    accuracy: Accuracy | None = None,
    performance: Performance | None = None,
) -> RunResult:
    return RunResult(
        case=case,
        benchmark=result.model,
        edition="",
        implementation="",
        backend="",
        device="",
        scenario=result.scenario or "",
        mode=mode,
        run_length="",
        verdict=verdict,
        accuracy=accuracy,
        performance=performance,
    )

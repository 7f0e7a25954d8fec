"""All results of a session as a table, for --mlperf-csv: one row a result, one column a fact."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from pytest_mlperf.printable import one_line
from pytest_mlperf.report.flat import identity, main_figure
from pytest_mlperf.report.rescue import write_or_rescue
from pytest_mlperf.run.repeated import by_repetition, together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_mlperf.report.finished import Finished
    from pytest_mlperf.run.repeated import Repeated
    from pytest_mlperf.run.result import RunResult

#: What a spreadsheet takes for the start of a formula.
_FORMULA = ("=", "+", "-", "@")
_IDENTITY = (
    *("benchmark", "official_name", "edition", "round", "implementation", "backend", "device", "scenario"),
    *("precision", "variant", "label"),
)
_DIGESTS = ("model", "model_sha256", "dataset", "dataset_sha256")


def _of_identity(name: str) -> Callable[[RunResult], str]:
    return lambda result: identity(result).get(name, "")


def _of_comparison(name: str) -> Callable[[RunResult], Any]:
    return lambda result: getattr(result.comparison, name) if result.comparison is not None else None


def _latency(percentile: str) -> Callable[[RunResult], float | None]:
    return lambda result: result.performance.latency_ms.get(percentile) if result.performance is not None else None


def _samples(result: RunResult) -> int | None:
    measured = result.accuracy or result.performance
    return measured.samples if measured is not None else None


#: Every column with what it has of a result. New ones are added at the end; none changes its name or its meaning.
COLUMNS: dict[str, Callable[[RunResult], Any]] = {
    "case": lambda result: result.case,
    **{name: _of_identity(name) for name in _IDENTITY},
    "mode": lambda result: result.mode,
    "test": lambda result: result.test,
    "run_length": lambda result: result.run_length,
    "verdict": lambda result: result.verdict,
    "figure": lambda result: main_figure(result).figure,
    "value": lambda result: main_figure(result).value,
    "unit": lambda result: main_figure(result).unit,
    "target": lambda result: main_figure(result).target,
    "valid": lambda result: result.performance.valid if result.performance is not None else None,
    "samples": _samples,
    "dataset_size": lambda result: result.accuracy.dataset_size if result.accuracy is not None else None,
    "latency_p50_ms": _latency("p50"),
    "latency_p90_ms": _latency("p90"),
    "latency_p99_ms": _latency("p99"),
    "wall_seconds": lambda result: result.seconds.get("wall"),
    "peak_memory_bytes": lambda result: result.peak_memory_bytes or None,
    "attempts": lambda result: result.attempts,
    "busy": lambda result: "; ".join(result.machine.busy) if result.machine is not None else None,
    "errors": lambda result: " ".join(finding.rule for finding in result.errors),
    "baseline": _of_comparison("baseline"),
    "comparison": _of_comparison("verdict"),
    "drop": _of_comparison("drop"),
    "drop_lower": _of_comparison("lower"),
    "drop_upper": _of_comparison("upper"),
    **{name: _of_identity(name) for name in _DIGESTS},
    "versions": lambda result: "; ".join(f"{package} {version}" for package, version in result.versions.items()),
    "output": lambda result: result.output,
    "repetition": lambda result: result.repetition,
    "repetitions": lambda result: result.repetitions,
    "reused": lambda result: result.reused.session if result.reused is not None else None,
    "peak_qps": lambda result: result.peak[-1].rate if result.peak else None,
    "peak_probes": lambda result: "; ".join(probe.told for probe in result.peak),
}
#: Of a repeated case, the same in the row of each of its runs; empty for others.
OF_REPEATED: dict[str, Callable[[Repeated], Any]] = {
    "median": lambda found: found.median,
    "least": lambda found: found.least,
    "most": lambda found: found.most,
    "counted": lambda found: found.counted,
}


def write_csv(path: Path, finished: Finished) -> None:
    """Write the table as UTF-8, with commas, after RFC 4180.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    write_or_rescue(path, table(finished.results).encode(), "--mlperf-csv", finished)


def table(results: tuple[RunResult, ...]) -> str:
    """Return the table: the names of the columns, then one row a result."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*COLUMNS, *OF_REPEATED])
    of_runs = {id(run): together(runs) for runs in by_repetition(results) if runs[0].repetitions > 1 for run in runs}
    writer.writerows(_row(result, of_runs.get(id(result))) for result in results)
    return text.getvalue()


def _row(result: RunResult, repeated: Repeated | None) -> Iterator[str | float]:
    values = [get(result) for get in COLUMNS.values()]
    values += [get(repeated) if repeated is not None else None for get in OF_REPEATED.values()]
    for value in values:
        if isinstance(value, bool):
            yield str(value).lower()
        elif isinstance(value, str):
            line = one_line(value)
            # A name is no formula, whatever program opens the file.
            yield f"'{line}" if line.startswith(_FORMULA) else line
        else:
            yield "" if value is None else value

"""A result as JUnit properties, and pytest's JUnit file where its place failed."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.errors import OutputError
from pytest_mlperf.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from pytest_mlperf.run.result import Compliance, RunResult

_PREFIX = "mlperf."


def others(properties: list[tuple[str, object]]) -> list[tuple[str, object]]:
    """Return the properties that are not a result's."""
    return [each for each in properties if not each[0].startswith(_PREFIX)]


def properties(result: RunResult) -> list[tuple[str, object]]:
    """Return the name and value of each JUnit property, for CI systems to track.

    An XML document cannot have control characters; pytest escapes them in values only.
    """
    return [
        (one_line(name), one_line(value) if isinstance(value, str) else value) for name, value in _properties(result)
    ]


def _properties(result: RunResult) -> Iterator[tuple[str, object]]:
    yield "mlperf.case", result.case
    yield "mlperf.attempts", result.attempts
    yield from _of_repetitions(result)
    yield "mlperf.mode", result.mode
    yield "mlperf.edition", result.edition
    yield "mlperf.run_length", result.run_length
    if result.round:
        yield "mlperf.round", result.round
    yield "mlperf.verdict", result.verdict
    yield "mlperf.device", result.device
    if result.accuracy is not None:
        yield "mlperf.metric", result.accuracy.metric
        yield "mlperf.metric_value", result.accuracy.value
        yield "mlperf.target", result.accuracy.target
        yield "mlperf.samples", result.accuracy.samples
    if result.performance is not None:
        yield "mlperf.result", result.performance.value
        yield "mlperf.result_name", result.performance.words
        yield "mlperf.result_unit", result.performance.unit
        yield "mlperf.valid", result.performance.valid
        yield "mlperf.samples", result.performance.samples
        for percentile, latency in result.performance.latency_ms.items():
            yield f"mlperf.latency_{percentile}_ms", latency
    if result.compliance is not None:
        yield from _of_compliance(result.compliance)
    if result.machine is not None:
        yield "mlperf.busy", "; ".join(result.machine.busy)
        yield "mlperf.cpus", result.machine.cores.usable
    for check in result.checks:
        yield f"mlperf.check.{check.name}", check.outcome
    yield "mlperf.peak_memory_bytes", result.peak_memory_bytes
    yield "mlperf.model_sha256", result.model_sha256
    yield "mlperf.dataset_sha256", result.dataset_sha256
    for package, version in result.versions.items():
        yield f"mlperf.version.{package}", version


def _of_repetitions(result: RunResult) -> Iterator[tuple[str, object]]:
    if result.repetitions > 1:
        yield "mlperf.repetition", f"{result.repetition} of {result.repetitions}"
    if result.reused is not None:
        yield "mlperf.reused", f"{result.reused.session} {result.reused.finished}"


def _of_compliance(compliance: Compliance) -> Iterator[tuple[str, object]]:
    yield "mlperf.compliance_test", compliance.test
    yield "mlperf.compliance_directory", compliance.directory
    yield "mlperf.compliance_reference", compliance.reference
    yield "mlperf.compliance_figures_agree", compliance.figures_agree
    if compliance.answers is not None:
        yield "mlperf.compliance_answers", compliance.answers
        yield "mlperf.compliance_answers_different", compliance.different


def write_elsewhere(config: pytest.Config, results: list[dict[str, Any]], error: OSError) -> OutputError:
    """Write --junitxml beside the results or in the temporary directory; return the error about its own place."""
    log: Any = next((each for each in config.pluginmanager.get_plugins() if type(each).__name__ == "LogXML"), None)
    fix = ""
    if log is not None:
        own = [Path(result["output"]).parent for result in results if not result.get("reused")][:1]
        for directory in (*own, Path(tempfile.gettempdir())):
            with suppress(OSError):
                log.logfile = str(Path(tempfile.mkdtemp(prefix="report-", dir=directory), "junit.xml"))
                log.pytest_sessionfinish()
                fix = f"choose another place with --junitxml; it is in {log.logfile} instead"
                break
    place = config.getoption("xmlpath", None) or "a report"
    return OutputError(f"cannot write {place}", expected="a place that can be written", found=str(error), fix=fix)

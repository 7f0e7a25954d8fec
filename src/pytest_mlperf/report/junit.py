"""A result as JUnit properties."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.run.result import RunResult


def properties(result: RunResult) -> list[tuple[str, object]]:
    """Return the name and value of each JUnit property, for CI systems to track."""
    return list(_properties(result))


def _properties(result: RunResult) -> Iterator[tuple[str, object]]:
    yield "mlperf.case", result.case
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
        yield "mlperf.result_unit", result.performance.unit
        yield "mlperf.valid", result.performance.valid
        yield "mlperf.samples", result.performance.samples
        for percentile, latency in result.performance.latency_ms.items():
            yield f"mlperf.latency_{percentile}_ms", latency
    if result.compliance is not None:
        compliance = result.compliance
        yield "mlperf.compliance_test", compliance.test
        yield "mlperf.compliance_directory", compliance.directory
        yield "mlperf.compliance_reference", compliance.reference
        yield "mlperf.compliance_figures_agree", compliance.figures_agree
        if compliance.answers is not None:
            yield "mlperf.compliance_answers", compliance.answers
            yield "mlperf.compliance_answers_different", compliance.different
    yield "mlperf.peak_memory_bytes", result.peak_memory_bytes
    yield "mlperf.model_sha256", result.model_sha256
    for package, version in result.versions.items():
        yield f"mlperf.version.{package}", version

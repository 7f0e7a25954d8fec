"""A result's line of a summary: what was measured, on what, by whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.rules.checks.accuracy import stated_values
from pytest_mlperf.rules.figures import figure_of

if TYPE_CHECKING:
    from pytest_mlperf.rules.checks.case import ResultCase


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A result as summary.csv has it; text is as the submission has it, and empty where it has none.

    Attributes
    ----------
    model, benchmark
        The directory's name, and the official one; empty where it means none.
    scenario
        As MLPerf writes it; the directory's name where that is no scenario.
    ran
        The scenario of the performance log.
    result, unit
        The figure; None where the log has none above 0. Of latencies in ms.
    inferred
        Whether another scenario's run implies the figure.
    metric, accuracy
        The first of the benchmark's metrics, and its value as accuracy.txt writes it.
    location
        The result's directory, relative to the submission.
    loadgen_errors
        How many errors LoadGen wrote into the performance log.
    """

    organization: str
    division: str
    availability: str
    system: str
    system_name: str
    system_type: str
    model: str
    benchmark: str
    scenario: str
    ran: str
    result: float | None
    unit: str
    inferred: bool
    metric: str
    accuracy: str
    location: str
    number_of_nodes: str
    host_processor_model_name: str
    host_processors_per_node: str
    host_processor_core_count: str
    accelerator_model_name: str
    accelerators_per_node: str
    framework: str
    operating_system: str
    notes: str
    weight_data_types: str
    has_power: bool
    loadgen_errors: int


def record_of(case: ResultCase) -> Record:
    """Return the record of a result."""
    result, text = case.result, case.system.description.text
    log = result.performance.detail
    figure = figure_of(result.scenario, log, case.round.figures_of(case.benchmark))
    metric = case.rules.limits_of(result.scenario)[0].value if case.rules is not None else ""
    stated = stated_values(case, metric)
    return Record(
        organization=case.submitter.name,
        division=case.submitter.division,
        availability=text("status"),
        system=case.system.name,
        system_name=text("system_name"),
        system_type=text("system_type"),
        model=result.model,
        benchmark=case.benchmark or "",
        scenario=result.scenario or result.directory_name,
        ran=str(log.values.get("effective_scenario", "")),
        result=figure.value,
        unit=figure.unit,
        inferred=figure.inferred,
        metric=metric,
        accuracy=stated[0].value if stated else "",
        location=result.path,
        number_of_nodes=text("number_of_nodes"),
        host_processor_model_name=text("host_processor_model_name"),
        host_processors_per_node=text("host_processors_per_node"),
        host_processor_core_count=text("host_processor_core_count"),
        accelerator_model_name=text("accelerator_model_name"),
        accelerators_per_node=text("accelerators_per_node"),
        framework=text("framework"),
        operating_system=text("operating_system"),
        notes=". ".join(filter(None, (text("hw_notes"), text("sw_notes")))),
        weight_data_types=result.measurements.text("weight_data_types"),
        has_power=result.has_power,
        loadgen_errors=len(log.errors),
    )

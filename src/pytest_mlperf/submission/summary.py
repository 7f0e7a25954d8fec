"""summary.csv and summary.json: a submission's results in the columns of the round's official checker."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pytest_mlperf.rules.performance import RESULT_FIELDS
from pytest_mlperf.submission.truncation import write_beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pytest_mlperf.rules.reading.submission import Result, Submission, Submitter, System
    from pytest_mlperf.rules.round import Round

#: UNIT_DICT of the official checker.
UNITS: Mapping[str, str] = {
    "Offline": "Samples/s",
    "Server": "Queries/s",
    "SingleStream": "Latency (ms)",
    "MultiStream": "Latency (ms)",
}
#: The columns until v3.1; every later round has them too.
_COLUMNS = (
    "Organization",
    "Availability",
    "Division",
    "SystemType",
    "SystemName",
    "Platform",
    "Model",
    "MlperfModel",
    "Scenario",
    "Result",
    "Accuracy",
    "number_of_nodes",
    "host_processor_model_name",
    "host_processors_per_node",
    "host_processor_core_count",
    "accelerator_model_name",
    "accelerators_per_node",
    "Location",
    "framework",
    "operating_system",
    "notes",
    "compliance",
    "errors",
    "version",
    "inferred",
    "has_power",
    "Units",
)
#: The checker of v2.1 spells it so, and readers of its file look for that.
_SPELT_IN_V2_1 = {"compliance": "compilance"}
_FIRST_WITH_WEIGHTS = (4, 0)


@dataclass(frozen=True)
class SummaryRecord:
    """One result; the columns are named in `columns`. ``result`` is None where there is no figure.

    ``result`` is in samples/s, queries/s or ms, ``accuracy`` the values by metric.
    """

    submitter: str
    status: str
    division: str
    system_type: str
    system_name: str
    system: str
    model: str
    official_name: str
    scenario: str
    result: float | None
    accuracy: tuple[tuple[str, float], ...]
    number_of_nodes: str
    host_processor_model_name: str
    host_processors_per_node: str
    host_processor_core_count: str
    accelerator_model_name: str
    accelerators_per_node: str
    location: str
    framework: str
    operating_system: str
    notes: str
    complies: bool
    errors: int
    inferred: bool
    has_power: bool
    weight_data_types: str

    @property
    def total_accelerators(self) -> int | None:
        """Accelerators of all nodes; None where the description has no numbers."""
        counts = (self.number_of_nodes, self.accelerators_per_node)
        return int(counts[0]) * int(counts[1]) if all(count.isdecimal() for count in counts) else None


def columns(round_: Round) -> tuple[str, ...]:
    """Return the round's header: 27 columns until v3.1, 28 until v5.1, 31 from v6.0 on."""
    found = list(_COLUMNS)
    if round_.number >= _FIRST_WITH_WEIGHTS:
        found.append("weight_data_types")
    if round_.layout == "results":
        found.insert(found.index("Location"), "total_accelerators")
        found += ["design_power_watts", "PrivateID"]
    if round_.name == "v2.1":
        found = [_SPELT_IN_V2_1.get(name, name) for name in found]
    return tuple(found)


def records_of(submission: Submission, round_: Round) -> tuple[SummaryRecord, ...]:
    """Return a record for each result of a submission, in the order of their directories."""
    return tuple(_records(submission, round_))


def summary_csv(records: Iterable[SummaryRecord], round_: Round) -> str:
    """Return the file's text: from v6.0 on all cells but the header's are quoted, before only those that need it."""
    names = columns(round_)
    text = io.StringIO()
    text.write(",".join(names) + "\n")
    quoting: Literal[0, 1] = csv.QUOTE_ALL if round_.layout == "results" else csv.QUOTE_MINIMAL
    writer = csv.writer(text, quoting=quoting, lineterminator="\n")
    for record in records:
        cells = _cells(record, round_)
        writer.writerow(["" if cells[name] is None else cells[name] for name in names])
    return text.getvalue()


def summary_json(records: Iterable[SummaryRecord], round_: Round) -> str:
    """Return the same records as a JSON list of objects with the same names, numbers as numbers."""
    names = columns(round_)
    rows = [{name: cells[name] for name in names} for cells in (_cells(record, round_) for record in records)]
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"


def write_summary(records: tuple[SummaryRecord, ...], round_: Round, directory: Path) -> tuple[Path, Path]:
    """Write summary.csv and summary.json into a directory, each beside and renamed; return their paths."""
    table, document = directory / "summary.csv", directory / "summary.json"
    write_beside(table, summary_csv(records, round_).encode())
    write_beside(document, summary_json(records, round_).encode())
    return table, document


def _cells(record: SummaryRecord, round_: Round) -> dict[str, Any]:
    v6 = round_.layout == "results"
    cells = {
        "Organization": record.submitter,
        "Availability": record.status,
        "Division": record.division,
        "SystemType": record.system_type,
        "SystemName": record.system_name,
        "Platform": record.system,
        "Model": record.model,
        "MlperfModel": record.official_name,
        "Scenario": record.scenario,
        "Result": record.result,
        "Accuracy": "  ".join(f"{name}: {value}" for name, value in record.accuracy),
        "number_of_nodes": record.number_of_nodes,
        "host_processor_model_name": record.host_processor_model_name,
        "host_processors_per_node": record.host_processors_per_node,
        "host_processor_core_count": record.host_processor_core_count,
        "accelerator_model_name": record.accelerator_model_name,
        "accelerators_per_node": record.accelerators_per_node,
        "total_accelerators": record.total_accelerators,
        # The checker of v6.0 and newer names the run's directory, the older ones the scenario's.
        "Location": f"{record.location}/performance/run_1" if v6 else record.location,
        "framework": record.framework,
        "operating_system": record.operating_system,
        "notes": record.notes,
        "compliance": record.division if v6 else int(record.complies),
        "errors": record.errors,
        "version": round_.name,
        "inferred": int(record.inferred),
        "has_power": record.has_power,
        "Units": UNITS.get(record.scenario, ""),
        "weight_data_types": record.weight_data_types,
        "design_power_watts": "",
        "PrivateID": "",
    }
    return {(_SPELT_IN_V2_1.get(name, name) if round_.name == "v2.1" else name): cells[name] for name in cells}


def _records(submission: Submission, round_: Round) -> Iterator[SummaryRecord]:
    for submitter in submission.submitters:
        for system in submitter.systems:
            for result in system.results:
                yield _record(submitter, system, result, round_)


def _record(submitter: Submitter, system: System, result: Result, round_: Round) -> SummaryRecord:
    text = system.description.text
    official = official_name(submitter, result.model, round_)
    rules = round_.benchmarks.get(official)
    metric = rules.metric if rules else ""
    stated = result.accuracy_text.metric(metric, anywhere=True)
    accuracy = stated[0].number if stated else None
    scenario = result.scenario or result.directory_name
    ran = result.performance.detail.values.get("effective_scenario", scenario)
    wanted = rules.compliance if rules and result.division != "open" else ()
    return SummaryRecord(
        submitter=submitter.name,
        status=text("status"),
        division=result.division,
        system_type=text("system_type"),
        system_name=text("system_name"),
        system=result.system,
        model=result.model,
        official_name=official,
        scenario=scenario,
        result=_figure(result, scenario),
        accuracy=((metric, accuracy),) if accuracy is not None else (),
        number_of_nodes=text("number_of_nodes"),
        host_processor_model_name=text("host_processor_model_name"),
        host_processors_per_node=text("host_processors_per_node"),
        host_processor_core_count=text("host_processor_core_count"),
        accelerator_model_name=text("accelerator_model_name"),
        accelerators_per_node=text("accelerators_per_node"),
        location=result.path,
        framework=text("framework"),
        operating_system=text("operating_system"),
        notes=". ".join(filter(None, (text("hw_notes"), text("sw_notes")))),
        complies=all(test in result.tests for test in wanted),
        errors=len(result.performance.detail.errors),
        inferred=ran != scenario,
        has_power=result.has_power,
        weight_data_types=result.measurements.text("weight_data_types"),
    )


def official_name(submitter: Submitter, model: str, round_: Round) -> str:
    """Return the benchmark that a directory's name stands for: the round's names, then the submitter's mapping."""
    if model in round_.benchmarks:
        return model
    if model in round_.aliases:
        return round_.aliases[model]
    return submitter.mapping.text(model) or model


def _figure(result: Result, scenario: str) -> float | None:
    field = RESULT_FIELDS.get(scenario)
    raw = result.performance.detail.number(field.key) if field else None
    return raw * field.scale if field and raw is not None else None

"""summary.csv and summary.json: a submission's results in the columns of the round's official checker."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, Literal

from pytest_mlperf.artifacts.disk import write_atomic

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_mlperf.rules.check import Report, ResultReport
    from pytest_mlperf.rules.record import Record
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
#: The checker of v2.1 has this spelling, and readers of its file expect it.
_SPELT_IN_V2_1 = {"compliance": "compilance"}
_FIRST_WITH_WEIGHTS = (4, 0)
_COMPLIANCE = "compliance-"


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


def summary_csv(report: Report, round_: Round) -> str:
    """Return the file's text: from v6.0 on all cells except the header are quoted, before only those that need it."""
    names = columns(round_)
    text = io.StringIO()
    text.write(",".join(names) + "\n")
    quoting: Literal[0, 1] = csv.QUOTE_ALL if round_.layout == "results" else csv.QUOTE_MINIMAL
    writer = csv.writer(text, quoting=quoting, lineterminator="\n")
    for result in report.results():
        cells = _cells(result, round_)
        writer.writerow(["" if cells[name] is None else cells[name] for name in names])
    return text.getvalue()


def summary_json(report: Report, round_: Round) -> str:
    """Return the same records as a JSON list of objects with the same names, numbers as numbers."""
    names = columns(round_)
    rows = [{name: cells[name] for name in names} for cells in (_cells(result, round_) for result in report.results())]
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"


def write_summary(report: Report, round_: Round, directory: Path) -> tuple[Path, Path]:
    """Write summary.csv and summary.json into a directory; return their paths."""
    table, document = directory / "summary.csv", directory / "summary.json"
    write_atomic(table, summary_csv(report, round_).encode())
    write_atomic(document, summary_json(report, round_).encode())
    return table, document


def _cells(result: ResultReport, round_: Round) -> dict[str, Any]:
    record = result.record
    v6 = round_.layout == "results"
    cells = {
        "Organization": record.organization,
        "Availability": record.availability,
        "Division": record.division,
        "SystemType": record.system_type,
        "SystemName": record.system_name,
        "Platform": record.system,
        "Model": record.model,
        "MlperfModel": record.benchmark or record.model,
        "Scenario": record.scenario,
        "Result": record.result,
        "Accuracy": f"{record.metric}: {record.accuracy}" if record.accuracy else "",
        "number_of_nodes": record.number_of_nodes,
        "host_processor_model_name": record.host_processor_model_name,
        "host_processors_per_node": record.host_processors_per_node,
        "host_processor_core_count": record.host_processor_core_count,
        "accelerator_model_name": record.accelerator_model_name,
        "accelerators_per_node": record.accelerators_per_node,
        "total_accelerators": _accelerators(record),
        # The checker of v6.0 and newer names the run's directory, the older ones the scenario's.
        "Location": f"{record.location}/performance/run_1" if v6 else record.location,
        "framework": record.framework,
        "operating_system": record.operating_system,
        "notes": record.notes,
        "compliance": record.division if v6 else int(_complies(result)),
        "errors": record.loadgen_errors,
        "version": round_.name,
        "inferred": int(record.inferred),
        "has_power": record.has_power,
        "Units": UNITS.get(record.scenario, ""),
        "weight_data_types": record.weight_data_types,
        "design_power_watts": "",
        "PrivateID": "",
    }
    return {(_SPELT_IN_V2_1.get(name, name) if round_.name == "v2.1" else name): cells[name] for name in cells}


def _accelerators(record: Record) -> int | None:
    """Return the number of accelerators of all nodes; None if the description has no numbers."""
    counts = (record.number_of_nodes, record.accelerators_per_node)
    return int(counts[0]) * int(counts[1]) if all(count.isdecimal() for count in counts) else None


def _complies(result: ResultReport) -> bool:
    return not any(each.rule.startswith(_COMPLIANCE) and each.severity == "error" for each in result.findings)

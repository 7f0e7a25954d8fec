"""Reads what a run through MLPerf's endpoints leaves in the place of LoadGen's logs: config.yaml and two JSON files."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from pytest_mlperf.rules.detail_log import DetailLog
from pytest_mlperf.rules.reading.files import Document, read_document, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_mlperf.rules.reading.tree import Directory

CONFIGS = ("config.yaml", "config.yml")
SUMMARY, ACCURACY = "result_summary.json", "accuracy_results.json"
#: The scenarios as MLPerf writes them, by their names here; ``online`` is Server.
_SCENARIOS = {
    **{name.lower(): name for name in ("Offline", "Server", "SingleStream", "MultiStream", "Interactive")},
    "online": "Server",
}


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """The names in endpoints.toml; see there."""

    names: dict[str, str]
    in_results: dict[str, str]
    in_config: dict[str, str]
    audits: dict[str, str]


@dataclass(frozen=True)
class Endpoints:
    """A result that was measured through endpoints.

    Attributes
    ----------
    config, summary, results
        Its three files.
    performance, accuracy
        What they say, under the names of LoadGen's logs.
    scenario_written
        The scenario of the run, as it is written there.
    scores
        What the accuracy run reached.
    audits
        The reports of compliance tests, by the test's name.
    """

    config: Document
    summary: Document
    results: Document
    performance: DetailLog
    accuracy: DetailLog
    scenario_written: Any
    scores: tuple[Any, ...] = ()
    audits: Mapping[str, Document] = field(default_factory=dict)

    @property
    def files(self) -> tuple[Document, ...]:
        """The files that each result has."""
        return self.config, self.summary, self.results


@lru_cache(maxsize=1)
def names() -> Names:
    """Return the names in endpoints.toml."""
    return msgspec.toml.decode((resources.files("pytest_mlperf.rules") / "endpoints.toml").read_bytes(), type=Names)


def read_endpoints(root: Path, directory: Directory | None, path: str, scenario: str) -> Endpoints | None:
    """Return what a scenario's directory has of a run through endpoints; None if it has no such file.

    Parameters
    ----------
    root, directory, path
        The submission, the scenario's directory in it, and its path.
    scenario
        The directory's name.
    """
    config = next(filter(None, (_config(root, directory, name, path) for name in CONFIGS)), None)
    summary = read_document(root, _below(directory, "performance"), SUMMARY, f"{path}/performance")
    results = read_document(root, _below(directory, "accuracy"), ACCURACY, f"{path}/accuracy")
    if config is None and summary.missing and results.missing:
        return None
    found = config or Document(f"{path}/{CONFIGS[0]}", fault=summary.fault if summary.missing else results.fault)
    written = _find(summary.values, "effective_scenario")
    written = _in_config(found.values, "effective_scenario") if written is None else written
    ran = _scenario(written, scenario)
    return Endpoints(
        found,
        summary,
        results,
        _log(summary.values, found.values, ran),
        _accuracy(results.values, found.values, ran),
        written,
        tuple(_scores(results.values)),
        {test: _audit(root, directory, name, path) for test, name in names().audits.items()},
    )


def _config(root: Path, directory: Directory | None, name: str, path: str) -> Document | None:
    if directory is None or name not in directory.files:
        return None
    text = read_text(root, directory, name, path)
    if text.fault is not None:
        return Document(text.file, fault=text.fault)
    try:
        values = yaml.safe_load(text.content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return Document(text.file, fault=f"is not YAML: {error}".splitlines()[0])
    return Document(text.file, values) if isinstance(values, dict) else Document(text.file, fault="is no mapping")


def _audit(root: Path, directory: Directory | None, name: str, path: str) -> Document:
    return read_document(root, _below(directory, "audit"), f"audit_{name}.json", f"{path}/audit")


def _below(directory: Directory | None, name: str) -> Directory | None:
    return directory.find(name) if directory is not None else None


def _log(results: Mapping[str, Any], config: Mapping[str, Any], ran: str) -> DetailLog:
    """Return what the files say, under the names of LoadGen's logs, with what follows from it."""
    values = {
        ours: value for name, ours in names().names.items() if (value := _value(results, config, name)) is not None
    }
    total = values.get("qsl_reported_total_count")
    if total is not None:
        values.setdefault("generated_query_count", total)
    count, seconds = _number(values.get("generated_query_count")), _number(values.get("generated_query_duration"))
    key = "result_samples_per_second" if ran == "Offline" else "result_completed_samples_per_sec"
    if count and seconds and ran:
        values.setdefault(key, count / (seconds / 1e9))
    if ran:
        values["effective_scenario"] = ran
    # They are always taken here.
    return DetailLog({**values, "requested_use_token_latencies": True})


def _accuracy(results: Mapping[str, Any], config: Mapping[str, Any], ran: str) -> DetailLog:
    log = _log(results, config, ran)
    counts = [_counted(each) for each in _rows(results) if each.get("dataset_type") in (None, "accuracy")]
    whole = [count for count in counts if count is not None]
    if not whole:
        return log
    values = {"qsl_reported_total_count": sum(whole), **log.values, "effective_accuracy_sample_count": sum(whole)}
    return DetailLog(values)


def _counted(row: Mapping[str, Any]) -> int | None:
    issued = row.get("response_counts")
    found = row.get("total_samples")
    if found is None and isinstance(issued, dict):
        found = issued.get("issued")
    number = _number(found)
    return int(number) if number is not None else None


def _rows(results: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rows = results.get("accuracy_scores")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _scores(results: Mapping[str, Any]) -> list[Any]:
    return [row["score"] for row in _rows(results) if row.get("score") is not None]


def _scenario(written: Any, directory: str) -> str:
    """Return the scenario that was run, as MLPerf writes it; empty if nobody says it."""
    if directory.lower() in ("singlestream", "interactive"):
        return _SCENARIOS[directory.lower()]
    return _SCENARIOS.get(str(written).lower(), "")


def _value(results: Mapping[str, Any], config: Mapping[str, Any], name: str) -> Any:
    """Return what is called `name`: in the results, or else in the configuration; None if it is in neither."""
    found = _find(results, name)
    if found is None and name in names().in_results:
        found = _find(results, names().in_results[name])
    return _in_config(config, name) if found is None else found


def _in_config(config: Mapping[str, Any], name: str) -> Any:
    found = _find(config, names().in_config[name]) if name in names().in_config else None
    return _find(config, name) if found is None else found


def _find(values: Any, name: str) -> Any:
    """Return what stands under a name whose dots go down; of several ways the longest key is taken.

    A key may have dots itself (``99.9``), and ``50.0`` means the key ``50``. None if there is nothing.
    """
    parts = name.split(".")
    while parts:
        if not isinstance(values, dict):
            return values if parts == ["0"] and not isinstance(values, list) else None
        length = next((each for each in range(len(parts), 0, -1) if ".".join(parts[:each]) in values), 0)
        if not length:
            return None
        values, parts = values[".".join(parts[:length])], parts[length:]
    return None if isinstance(values, (dict, list)) and not values else values


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None

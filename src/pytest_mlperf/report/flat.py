"""A result as flat names and values, for columns, labels and parameters: what identifies it, and its figures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.run.case import CONFORMANCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_mlperf.run.result import RunResult

#: The units of the scenarios' results, as a part of a name.
_UNITS = {"samples/s": "samples_per_second", "queries/s": "queries_per_second", "ms": "latency_ms"}


class Main(NamedTuple):
    """The figure that counts of a result; None and empty where there is none."""

    figure: str = ""
    value: float | None = None
    unit: str = ""
    target: float | str | None = None


def main_figure(result: RunResult) -> Main:
    """Return the metric of an accuracy run, or the scenario's result of a performance run."""
    if result.accuracy is not None:
        accuracy = result.accuracy
        return Main(accuracy.metric, accuracy.value, accuracy.unit, accuracy.target)
    if result.performance is not None:
        figures = result.performance
        return Main(figures.words, figures.value, figures.unit, figures.bound or None)
    if result.mode == CONFORMANCE and result.checks:
        passed = sum(check.outcome == "passed" for check in result.checks)
        return Main("checks passed", passed, "", len(result.checks))
    return Main()


def part_of(result: RunResult) -> str:
    """Return which of a case's runs it is: ``accuracy``, ``performance``, ``TEST01``."""
    return result.test or result.mode


def identity(result: RunResult) -> dict[str, str]:
    """Return what identifies a run, except its case and mode: two runs with the same are repetitions of each other."""
    layout = result.layout
    found = {
        "benchmark": result.benchmark,
        "official_name": result.official_name,
        "edition": result.edition,
        "round": result.round,
        "implementation": result.implementation,
        "backend": result.backend,
        "device": result.device,
        "scenario": result.scenario,
        "precision": result.precision,
        "variant": result.variant,
        "label": result.label,
        "run_length": result.run_length,
        "model": result.model,
        "model_sha256": result.model_sha256,
        "input_types": " ".join(result.input_types),
        "weight_types": " ".join(result.weight_types),
        "dataset": result.dataset,
        "dataset_sha256": result.dataset_sha256,
        "layout": f"{layout.streams} streams x {layout.threads} threads, batch {layout.batch}" if layout else "",
    }
    found |= {f"version.{package}": version for package, version in result.versions.items()}
    return {name: value for name, value in found.items() if value}


def figures(result: RunResult) -> dict[str, float]:
    """Return every number that a run measured, by a name of letters, digits, ``_`` and ``.``."""
    return {name: float(value) for name, value in _figures(result) if value is not None}


def _figures(result: RunResult) -> Iterator[tuple[str, float | None]]:
    if result.accuracy is not None:
        accuracy = result.accuracy
        yield name_of(accuracy.metric), accuracy.value
        yield from ((name_of(name), value) for name, value in accuracy.values.items())
        yield "target", accuracy.target
        yield "samples", accuracy.samples
    if result.performance is not None:
        figures = result.performance
        yield _UNITS.get(figures.unit) or name_of(figures.unit), figures.value
        yield from ((f"latency_{name_of(percentile)}_ms", value) for percentile, value in figures.latency_ms.items())
        yield "valid", figures.valid
        yield "samples", figures.samples
    if result.checks:
        yield "checks_passed", sum(check.outcome == "passed" for check in result.checks)
        yield "checks", len(result.checks)
    if result.comparison is not None:
        yield "baseline", result.comparison.before
        yield "drop", result.comparison.drop
        yield "drop_lower", result.comparison.lower
        yield "drop_upper", result.comparison.upper
    yield "wall_seconds", result.seconds.get("wall")
    yield "peak_memory_bytes", result.peak_memory_bytes or None
    yield "errors", len(result.errors)


def name_of(text: str) -> str:
    """Return a text as a name of letters, digits, ``_`` and ``.``."""
    return re.sub(r"[^A-Za-z0-9_.]+", "_", text).strip("_") or "unnamed"


def by_case(results: Iterable[RunResult]) -> list[tuple[str, list[RunResult]]]:
    """Return the runs of each case, under its name.

    A case that ran twice, as two tests may have it, is there twice; what a test ran in place of a case's own model
    is a case of its own.
    """
    groups: list[tuple[str, list[RunResult]]] = []
    for result in results:
        case = result.case.removesuffix(f"-{result.test}") if result.test else result.case
        name = f"{case} ({result.label})" if result.label else case
        for known, runs in groups:
            if known == name and part_of(result) not in map(part_of, runs):
                runs.append(result)
                break
        else:
            groups.append((name, [result]))
    return groups

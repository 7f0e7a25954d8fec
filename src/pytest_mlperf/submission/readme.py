"""The texts of a submission: how each result was made and how to reproduce it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_mlperf.run.result import RunResult
    from pytest_mlperf.submission.measurements import Measurements
    from pytest_mlperf.submission.plan import Result, SubmissionPlan

#: Package names that differ from the name of the version.
_PACKAGES = {"loadgen": "mlcommons-loadgen"}
_NO_PACKAGES = frozenset({"python", "loadgen_built"})


def result_readme(plan: SubmissionPlan, result: Result, measurements: Measurements) -> str:
    """Return the README.md of a result."""
    return "\n".join(
        (
            f"# {result.model}, {result.scenario}, on {plan.description.fields['system_name']}",
            "",
            *_labels(result),
            f"| | {result.model} {result.scenario} |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in _facts(plan, result, measurements)),
            "",
            "## How to reproduce it",
            "",
            f"With Python {result.performance.versions.get('python', '')}:",
            "",
            "```",
            f"python -m pip install -r {_code(plan)}/{result.model}/requirements.txt",
            plan.command,
            "```",
            "",
            f"`{_code(plan)}/{result.model}/` has the code of the benchmark; LoadGen's settings are in "
            "user.conf beside this file.",
            "",
        )
    )


def code_readme(plan: SubmissionPlan, result: Result) -> str:
    """Return the README.md of a model's code."""
    return "\n".join(
        (
            f"# Code of {result.model}",
            "",
            f"The benchmark is that of pytest-mlperf {__version__}, a pytest plugin:",
            "",
            "```",
            "python -m pip install -r requirements.txt",
            plan.command,
            "```",
            "",
            "pytest collects the Python files here, and the plugin makes the cases. It finds or fetches model, data "
            "set and LoadGen, and verifies their checksums.",
            "",
        )
    )


def requirements(runs: Sequence[RunResult]) -> str:
    """Return a requirements.txt with the versions of the runs."""
    versions = {name: version for run in runs for name, version in run.versions.items() if name not in _NO_PACKAGES}
    pinned = sorted(
        f"{_PACKAGES.get(name, name)}=={version.split()[0]}" for name, version in versions.items() if version.strip()
    )
    built = sorted({run.versions["loadgen_built"] for run in runs if "loadgen_built" in run.versions})
    remarks = [f"# LoadGen was built from source: {how}" for how in built]
    return "\n".join((f"pytest-mlperf=={__version__}", *remarks, *pinned)) + "\n"


def calibration_text(measured: Iterable[Measurements]) -> str:
    """Return a calibration.md; how quantised weights were calibrated is not known."""
    quantised = sorted({each.starting_weights_filename for each in measured if each.quantised})
    lines = ["# Calibration", ""]
    if quantised:
        lines += [f"{name} has quantised weights: how they were calibrated is not stated." for name in quantised]
    else:
        lines.append("No calibration: the weights are used in the format in which they were published.")
    return "\n".join(lines) + "\n"


def _labels(result: Result) -> list[str]:
    """Return the warnings about a tiny edition and a short run."""
    labels = []
    if result.performance.edition == "tiny":
        labels.append(
            "**A tiny edition**: a small model on a small data set, for testing. It stands for "
            f"{result.performance.official_name} in model_mapping.json, and its figures cannot be compared with those "
            "of the official benchmark."
        )
    lacking = [f"{finding.what} ({finding.expected})" for run in _runs(result) for finding in run.lacks]
    if "short" in {run.run_length for run in _runs(result)}:
        why = f": {'; '.join(dict.fromkeys(lacking))}" if lacking else ""
        labels.append(f"**Short**: not of official length{why}. The official length is `--run-length official`.")
    return [line for label in labels for line in (label, "")]


def _facts(plan: SubmissionPlan, result: Result, measurements: Measurements) -> list[tuple[str, object]]:
    accuracy, performance = result.accuracy.accuracy, result.performance.performance
    facts: list[tuple[str, object]] = [("round", plan.round.name), ("division", plan.division)]
    if performance is not None:
        words = f"{performance.value:,.6g} {performance.unit}" if performance.value is not None else "none"
        facts.append((performance.words, f"{words} ({result.performance.verdict})"))
    if accuracy is not None:
        value = f"{accuracy.shown(accuracy.value)} on {accuracy.samples:,} samples"
        target = f"; target {accuracy.shown(accuracy.target)}" if accuracy.target is not None else ""
        facts.append((accuracy.metric, f"{value} ({result.accuracy.verdict}{target})"))
    run = result.performance
    facts += [
        ("model", f"{measurements.starting_weights_filename}, {measurements.weight_data_types}"),
        ("SHA-256 of the model", run.model_sha256 or "not known: an endpoint has it"),
        (
            "data set",
            f"{accuracy.samples if accuracy else 0:,} of {accuracy.dataset_size if accuracy else 0:,} samples",
        ),
        ("SHA-256 of the data set", run.dataset_sha256 or "not known"),
        ("backend, device", f"{run.backend}, {run.device}"),
        *((f"version of {name}", version) for name, version in sorted(run.versions.items())),
    ]
    if run.layout is not None:
        layout = run.layout
        streams = f"{layout.streams} streams of {layout.threads} threads"
        if run.network is not None:
            streams = f"{layout.streams} requests in flight"
        facts.append(("layout", f"{streams}, batch {layout.batch}"))
    return facts


def _runs(result: Result) -> tuple[RunResult, RunResult]:
    return result.accuracy, result.performance


def _code(plan: SubmissionPlan) -> str:
    from pytest_mlperf.submission.names import code_directory

    return code_directory(plan.round.layout)

"""The rules of what a submission must show: benchmarks, scenarios, results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.reading.files import MISSING, state
from pytest_mlperf.rules.reading.submission import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.rules.checks.case import BenchmarkCase, ResultCase, SubmissionCase, SubmitterCase

#: Closed division wants one of these where it takes both as optional.
ONE_OF = {"Interactive", "Server"}
_FIRST_INTERACTIVE = (5, 1)


def results(case: SubmissionCase) -> Iterator[Finding]:
    """Yield a finding for a submission without any result, and for each submitter without one."""
    if not case.submission.submitters:
        tree = case.submission.tree
        below = any("results" in each.directories for each in tree.directories.values())
        yield Finding(
            rule="results",
            what="no division was found: there is nothing to check",
            expected="closed/, open/ or network/ with a submitter's directory in it",
            found=", ".join(list(tree.directories)[:5]) or "an empty directory",
            fix="name the directory above: these are submitters"
            if below
            else "name the directory that holds the divisions",
        )
    for submitter in case.submission.submitters:
        if not any(system.results for system in submitter.systems):
            yield Finding(
                rule="results",
                what="the submitter has no result",
                expected="results/<system>/<benchmark>/<scenario>",
                found="none",
                fix="add results, or leave the submitter's directory out",
                file=submitter.path,
            )


def results_directory(case: SubmitterCase) -> Iterator[Finding]:
    """Yield a finding when a submitter has no directory for results."""
    if "results" not in case.submitter.directory.directories:
        yield Finding(
            rule="results-directory",
            what="the submitter has no directory results",
            expected="results/",
            found=", ".join(case.submitter.directory.directories) or "an empty directory",
            fix="add results/<system>/<benchmark>/<scenario>, or leave the submitter's directory out",
            file=case.submitter.path,
        )


def results_no_file(case: SubmitterCase) -> Iterator[Finding]:
    """Yield a finding when a submitter's results is a file."""
    if "results" in case.submitter.directory.files:
        yield Finding(
            rule="results-no-file",
            what="the submitter's results is no directory",
            expected="results/",
            found="a file",
            fix="put results/<system>/<benchmark>/<scenario> in its place",
            file=f"{case.submitter.path}/results",
        )


def benchmark_known(case: BenchmarkCase) -> Iterator[Finding]:
    """Yield a finding when the directory's name means no benchmark of the round."""
    if case.benchmark is None:
        mapped = case.submitter.mapping.text(case.directory)
        yield Finding(
            rule="benchmark-known",
            what=f"{case.round.name} has no benchmark {mapped or case.directory}",
            expected=f"one of {', '.join(case.round.benchmarks)}",
            found=f"{case.directory} mapped to {mapped}" if mapped else case.directory,
            fix="name the directory after its benchmark"
            + ("" if case.enforced else ", or map it in model_mapping.json")
            + "; another round may have it",
            file=case.path,
        )


def model_mapping(case: SubmitterCase) -> Iterator[Finding]:
    """Yield a finding when open division's names of benchmarks cannot be read."""
    mapping = case.submitter.mapping
    if case.submitter.division == "open" and mapping.fault is not None and mapping.fault != MISSING:
        yield Finding(
            rule="model-mapping",
            what="the names of the benchmarks cannot be read",
            expected='a JSON object, as in {"my-net": "resnet"}',
            found=state(mapping.fault),
            fix="fix it, or remove it if every directory is named after its benchmark",
            file=mapping.file,
        )


def benchmark_judged(case: BenchmarkCase) -> Iterator[Finding]:
    """Yield a finding when the round has the benchmark, and this project has not its table."""
    if case.benchmark is not None and case.rules is None:
        yield Finding(
            rule="benchmark-judged",
            what=f"results of {case.benchmark} cannot be judged here",
            expected=f"one of {', '.join(case.round.benchmarks)}",
            found=case.benchmark,
            fix="let the official checker judge it",
            file=case.path,
        )


def benchmark_for_system(case: BenchmarkCase) -> Iterator[Finding]:
    """Yield a finding when the system's type does not take the benchmark."""
    if case.rules is not None and case.system_type and case.system_type not in case.rules.required:
        yield Finding(
            rule="benchmark-for-system",
            what=f"{case.benchmark} is not a benchmark for {case.system_type} systems",
            expected=f"system_type {' or '.join(case.rules.required)}",
            found=case.system_type,
            fix="correct system_type in the system's description, or leave the benchmark out",
            file=case.path,
        )


def required_scenarios(case: BenchmarkCase) -> Iterator[Finding]:
    """Yield a finding when a closed submission lacks a scenario."""
    if case.rules is None or not case.enforced:
        return
    required, optional = (kind.get(case.system_type, ()) for kind in (case.rules.required, case.rules.optional))
    there = {result.scenario for result in case.results if result.scenario is not None}
    missing = sorted(set(required) - there)
    if set(optional) >= ONE_OF and not ONE_OF & there:
        missing.append(f"one of {' and '.join(sorted(ONE_OF))}")
    if missing:
        yield Finding(
            rule="required-scenarios",
            what=f"{case.benchmark} on {case.system_type} systems lacks {' and '.join(missing)}",
            expected=", ".join(required),
            found=", ".join(sorted(there)) or "none",
            fix=f"add {' and '.join(missing)}, correct system_type, or submit to open division",
            file=case.path,
        )


def scenario_for_system(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the system's type does not take the benchmark in a closed result's scenario."""
    required = case.rules.required.get(case.system_type) if case.rules is not None else None
    if required is None or case.rules is None or not case.enforced:
        return
    taken = {*required, *case.rules.optional.get(case.system_type, ())}
    # The modular checker refuses every result of a benchmark with such a scenario.
    of = case.results if case.round.layout == "results" else (case.result,)
    foreign = sorted({result.scenario or result.directory_name for result in of} - taken)
    if foreign:
        yield Finding(
            rule="scenario-for-system",
            what=f"{case.benchmark} on {case.system_type} systems does not take {' or '.join(foreign)}",
            expected=", ".join(sorted(taken)),
            found=", ".join(foreign),
            fix=f"leave {' and '.join(foreign)} out, correct system_type, or submit to open division",
            file=case.result.path,
        )


def scenario_name(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the directory's name is no scenario's."""
    scenario = case.result.scenario
    if scenario is None or (scenario == "Interactive" and case.round.number < _FIRST_INTERACTIVE):
        yield Finding(
            rule="scenario-name",
            what="the directory's name is not a scenario's",
            expected=f"one of {', '.join(dict.fromkeys(SCENARIOS.values()))}, or these in lower case",
            found=case.result.directory_name,
            fix="rename it, or move it out of the results",
            file=case.result.path,
        )

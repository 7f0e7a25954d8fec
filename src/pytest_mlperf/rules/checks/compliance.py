"""The rules of the compliance tests that closed division asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.rules.checks.files import LOGS, run_files
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.log_files import ACCURACY_LOG
from pytest_mlperf.rules.reading.files import state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.rules.checks.case import ResultCase
    from pytest_mlperf.rules.reading.accuracy_text import AccuracyText
    from pytest_mlperf.rules.reading.submission import ComplianceTest

PASS = "TEST PASS"  # noqa: S105 - what the verification scripts print
_COMPARED = (ACCURACY_LOG, "accuracy.txt", "baseline_accuracy.txt", "compliance_accuracy.txt")


def compliance_missing(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding for each test that is not there, or lacks what it must have."""
    for name in _asked(case):
        test = case.result.tests.get(name)
        lacking = _lacking(test) if test is not None else [f"{name}/"]
        if lacking:
            yield Finding(
                rule="compliance-missing",
                what=f"{name} is missing" if test is None else f"{name} is not whole",
                expected=f"{name} of each result of {case.benchmark} in {case.submitter.division} division",
                found=f"no {', '.join(lacking)}",
                fix=f"run {name}, and add what its verification leaves",
                file=f"{case.result.tests_path}/{name}",
            )


def compliance_accuracy(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the responses of TEST01 do not agree with those of the accuracy run."""
    for test in asked_tests(case):
        if test.name == "TEST01" and PASS not in map(str.strip, test.accuracy.content.splitlines()):
            problem = _disagreement(case, test)
            if problem is not None:
                yield Finding(
                    rule="compliance-accuracy",
                    what=f"the responses of {test.name} do not agree with the accuracy run's",
                    expected=f"a line {PASS!r}, or accuracies within {_delta(case):g} % of one another",
                    found=problem,
                    fix="find out why the performance run answers otherwise than the accuracy run, and repeat the test",
                    file=test.accuracy.file,
                )


def compliance_performance(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when a test's performance does not agree with the performance run's."""
    for test in asked_tests(case):
        if PASS not in test.performance.content:
            yield Finding(
                rule="compliance-performance",
                what=f"the performance of {test.name} does not agree with the performance run's",
                expected=f"{PASS!r} in {test.performance.file.rpartition('/')[2]}",
                found=state(test.performance.fault) if test.performance.fault else "no such line",
                fix=f"repeat {test.name} under the conditions of the performance run",
                file=test.performance.file,
            )


def compliance_files(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the directory of a test's run lacks a log, or has another file."""
    for test in asked_tests(case):
        yield from run_files("compliance-files", test.run, LOGS, {ACCURACY_LOG})


def asked_tests(case: ResultCase) -> list[ComplianceTest]:
    """Return those of the result's tests that are asked for and there."""
    return [case.result.tests[name] for name in _asked(case) if name in case.result.tests]


def _asked(case: ResultCase) -> tuple[str, ...]:
    """Return the tests that the benchmark needs in the result's division: open division asks for none."""
    return case.rules.compliance if case.rules is not None and case.enforced else ()


def _lacking(test: ComplianceTest) -> list[str]:
    lacking = [test.performance.file] if test.performance.missing else []
    if test.name == "TEST01" and test.accuracy.missing:
        lacking.append(test.accuracy.file)
    if test.run.directory is None or LOGS[0] not in test.run.directory.files:
        lacking.append(test.run.detail_file)
    return [file.removeprefix(f"{test.path}/") for file in lacking]


def _disagreement(case: ResultCase, test: ComplianceTest) -> str | None:
    """Return why the two accuracies cannot stand for equal responses; None when they can."""
    directory = test.directory.find("accuracy") if test.directory is not None else None
    missing = [name for name in _COMPARED if directory is None or name not in directory.files]
    if missing:
        return f"neither, and no {', '.join(missing)}"
    for limit in case.rules.limits if case.rules is not None else ():
        baseline, compliance = (_first(text, limit.value) for text in (test.baseline, test.compliance))
        if not baseline or not compliance:
            return "neither, and no accuracy in baseline_accuracy.txt or compliance_accuracy.txt"
        apart = abs(1 - baseline / compliance) * 100
        if not apart <= _delta(case):
            return f"{baseline:g} and {compliance:g}, {apart:.3g} % apart"
    return None


def _first(text: AccuracyText, metric: str) -> float | None:
    return next((each.number for each in text.metric(metric, anywhere=True) if each.number is not None), None)


def _delta(case: ResultCase) -> float:
    """Return how far TEST01's accuracy may be from the accuracy run's, in per cent (accuracy-delta-perc)."""
    return round((1 - case.rules.tolerance) * 100, 6) if case.rules is not None else 0.0

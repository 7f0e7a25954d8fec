"""Judges a submission: every rule on every part of it, weighed as the level and the round say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from pytest_mlperf.rules.catalogue import catalogue
from pytest_mlperf.rules.checks import compliance, files, measurements, performance, scenarios, system
from pytest_mlperf.rules.checks.accuracy import ACCURACY_CHECKS
from pytest_mlperf.rules.checks.case import (
    BenchmarkCase,
    ResultCase,
    RunCase,
    SubmissionCase,
    SubmitterCase,
    SystemCase,
)
from pytest_mlperf.rules.checks.logs import ACCURACY_END, PERFORMANCE_END, check_logs
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.names import benchmark_of
from pytest_mlperf.rules.record import Record, record_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_mlperf.rules.reading.submission import Result, Submission, Submitter, System
    from pytest_mlperf.rules.round import Round

#: ``official`` weighs a rule as the round's official checker does; ``strict`` as the rules are meant, and never less.
Level = Literal["official", "strict"]
#: ``short``: the shortness of its runs alone explains every error. ``not judged``: nothing is wrong, and nobody looked.
Word = Literal["OK", "errors", "short", "not judged"]
_ENFORCED = ("closed", "network")
_NOT_JUDGED = "benchmark-judged"


class ResultReport(msgspec.Struct, frozen=True, kw_only=True):
    """A result with its own findings; its verdict counts those of its benchmark and its system too."""

    record: Record
    verdict: Word
    findings: tuple[Finding, ...]


class SystemReport(msgspec.Struct, frozen=True, kw_only=True):
    """A system's findings, those of its benchmarks among them, and its results."""

    name: str
    findings: tuple[Finding, ...]
    results: tuple[ResultReport, ...]


class SubmitterReport(msgspec.Struct, frozen=True, kw_only=True):
    """A submitter's findings in one division, and its systems."""

    division: str
    name: str
    findings: tuple[Finding, ...]
    systems: tuple[SystemReport, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a submission is worth.

    Attributes
    ----------
    round, checker, level
        Against what it was judged: the round, its official checker, and whether as that one judges or as is meant.
    verdict
        ``OK`` is the only one that is.
    findings
        Those of the whole submission.
    submitters
        By division and name.
    """

    round: str
    checker: str
    level: Level
    verdict: Word
    findings: tuple[Finding, ...]
    submitters: tuple[SubmitterReport, ...]

    def all_findings(self) -> Iterator[Finding]:
        """Yield every finding of every part."""
        yield from self.findings
        for submitter in self.submitters:
            yield from submitter.findings
            for each in submitter.systems:
                yield from each.findings
                for result in each.results:
                    yield from result.findings

    def results(self) -> Iterator[ResultReport]:
        """Yield every result."""
        for submitter in self.submitters:
            for each in submitter.systems:
                yield from each.results


def check(submission: Submission, round_: Round, level: Level) -> Report:
    """Judge a submission by the rules of a round."""
    whole = _Weights(round_, level, enforced=True).weigh(_of_submission(SubmissionCase(round_, submission)))
    submitters = tuple(_Judge(round_, level, each).submitter_report() for each in submission.submitters)
    report = Report(
        round=round_.name, checker=round_.checker, level=level, verdict="OK", findings=whole, submitters=submitters
    )
    return msgspec.structs.replace(report, verdict=verdict(report.all_findings()))


def verdict(findings: Iterable[Finding]) -> Word:
    """Return the word for what has these findings."""
    rules = {finding.rule for finding in findings if finding.severity == "error"}
    if not rules:
        return "OK"
    if rules == {_NOT_JUDGED}:
        return "not judged"
    return "short" if all(catalogue()[rule].short for rule in rules) else "errors"


@dataclass(frozen=True)
class _Weights:
    """How much a broken rule weighs in a division."""

    round: Round
    level: Level
    enforced: bool

    def weigh(self, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        """Return the findings that count at the level, each with its severity."""
        weighed = ((finding, self._severity(finding.rule)) for finding in findings)
        return tuple(
            finding if finding.severity == severity else msgspec.structs.replace(finding, severity=severity)
            for finding, severity in weighed
            if severity is not None
        )

    def _severity(self, rule: str) -> Literal["error", "note"] | None:
        official = self.round.official.get(rule, "ignores")
        if rule == _NOT_JUDGED or official == "fails" or (official == "fails closed" and self.enforced):
            return "error"
        if self.level == "strict":
            meant = catalogue()[rule]
            return meant.closed if self.enforced else meant.open
        return "note" if official == "logs" else None


@dataclass(frozen=True)
class _Judge:
    """Judges one submitter."""

    round: Round
    level: Level
    submitter: Submitter

    def submitter_report(self) -> SubmitterReport:
        return SubmitterReport(
            division=self.submitter.division,
            name=self.submitter.name,
            findings=self._weigh(_of_submitter(SubmitterCase(self.round, self.submitter))),
            systems=tuple(map(self._system_report, self.submitter.systems)),
        )

    def _system_report(self, each: System) -> SystemReport:
        own = self._weigh(_of_system(SystemCase(self.round, self.submitter, each)))
        findings, results = list(own), []
        by_directory: dict[str, list[Result]] = {}
        for result in each.results:
            by_directory.setdefault(result.model, []).append(result)
        for directory, found in by_directory.items():
            case = self._benchmark(each, directory, tuple(found))
            of_benchmark = self._weigh(_of_benchmark(case))
            findings += of_benchmark
            results += [self._result_report(case, result, (*own, *of_benchmark)) for result in found]
        return SystemReport(name=each.name, findings=tuple(findings), results=tuple(results))

    def _benchmark(self, each: System, directory: str, results: tuple[Result, ...]) -> BenchmarkCase:
        mapping = self.submitter.mapping.values if self.submitter.division == "open" else {}
        benchmark = benchmark_of(directory, self.round, mapping)
        rules = self.round.benchmarks.get(benchmark) if benchmark is not None else None
        return BenchmarkCase(self.round, self.submitter, each, directory, results, benchmark, rules)

    def _result_report(self, of: BenchmarkCase, result: Result, inherited: tuple[Finding, ...]) -> ResultReport:
        case = ResultCase(of.round, of.submitter, of.system, of.directory, of.results, of.benchmark, of.rules, result)
        findings = self._weigh(_of_result(case))
        word = verdict((*findings, *inherited))
        return ResultReport(record=record_of(case), verdict=word, findings=findings)

    def _weigh(self, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        return _Weights(self.round, self.level, self.submitter.division in _ENFORCED).weigh(findings)


def _of_submission(case: SubmissionCase) -> Iterator[Finding]:
    yield from scenarios.results(case)
    yield from files.stray_files(case)
    yield from files.readable(case)


def _of_submitter(case: SubmitterCase) -> Iterator[Finding]:
    yield from scenarios.results_directory(case)
    yield from scenarios.model_mapping(case)
    yield from measurements.code(case)
    yield from measurements.calibration(case)
    for each in files.SUBMITTER_FILE_CHECKS:
        yield from each(case)


def _of_system(case: SystemCase) -> Iterator[Finding]:
    yield from system.systems_have_results(case)
    if not case.system.results:
        return
    yield from system.system_file(case)
    yield from measurements.duplicate_keys(case.system.description)
    if case.system.description.fault is None:
        for each in system.SYSTEM_CHECKS:
            yield from each(case)


def _of_benchmark(case: BenchmarkCase) -> Iterator[Finding]:
    for each in scenarios.BENCHMARK_CHECKS:
        yield from each(case)
    yield from measurements.code_of_benchmark(case)


def _of_result(case: ResultCase) -> Iterator[Finding]:
    yield from scenarios.scenario_name(case)
    yield from performance.performance_log(case)
    yield from performance.inferred_scenario(case)
    yield from _of_run(RunCase(case, case.result.performance, case.round.seeds))
    if case.result.accuracy.detail.fault is None:
        yield from check_logs(case.result.accuracy, ACCURACY_END)
    for each in (*ACCURACY_CHECKS, *measurements.MEASUREMENTS_CHECKS):
        yield from each(case)
    yield from files.performance_files(case)
    yield from files.accuracy_files(case)
    if case.enforced:
        yield from _of_compliance(case)


def _of_compliance(case: ResultCase) -> Iterator[Finding]:
    for each in compliance.COMPLIANCE_CHECKS:
        yield from each(case)
    for test in compliance.asked_tests(case):
        old = case.round.test05_seeds if test.name == "TEST05" else None
        for finding in _of_run(RunCase(case, test.run, old or case.round.seeds)):
            yield msgspec.structs.replace(finding, what=f"{test.name}: {finding.what}")


def _of_run(case: RunCase) -> Iterator[Finding]:
    if case.run.detail.fault is None:
        yield from check_logs(case.run, PERFORMANCE_END)
        for each in performance.RUN_CHECKS:
            yield from each(case)

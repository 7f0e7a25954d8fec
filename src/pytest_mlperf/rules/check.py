"""Judges a submission: every rule on every part of it, weighed as the level and the round say."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from pytest_mlperf.rules.asked import asked_by_round
from pytest_mlperf.rules.catalogue import catalogue
from pytest_mlperf.rules.checks import every
from pytest_mlperf.rules.checks.case import (
    BenchmarkCase,
    ResultCase,
    RunCase,
    SubmissionCase,
    SubmitterCase,
    SystemCase,
)
from pytest_mlperf.rules.checks.compliance import WITH_RUN, asked_tests
from pytest_mlperf.rules.checks.every import check_run
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.names import benchmark_of
from pytest_mlperf.rules.record import Record, record_of
from pytest_mlperf.rules.severity import NOT_JUDGED, Level, SubmissionWeights, weigh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pytest_mlperf.rules.reading.submission import Result, Submission, Submitter, System
    from pytest_mlperf.rules.round import Round

#: ``short``: every error is expected of a short run. ``not judged``: nothing is wrong, but not everything was judged.
Word = Literal["OK", "errors", "short", "not judged"]
_ENFORCED = ("closed", "network")
_BUT_RESULTS_DIRECTORY = tuple(name for name in catalogue() if name not in ("results-directory", "results-no-file"))
CaseT = TypeVar("CaseT")


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


def check(
    submission: Submission, round_: Round, level: Level, advice: Mapping[str, str] = MappingProxyType({})
) -> Report:
    """Judge a submission by the rules of a round.

    Parameters
    ----------
    submission, round_
        What is judged, and by whose rules.
    level
        As the round's official checker judges, or as the rules are meant.
    advice
        What the reader can do about a broken rule besides what its finding says, by rule.
    """
    weights = SubmissionWeights(round_, level, enforced=True)
    whole = weigh(_ask(every.SUBMISSION_CHECKS, SubmissionCase(round_, submission)), weights, advice)
    submitters = tuple(_Judge(round_, level, each, advice).submitter_report() for each in submission.submitters)
    report = Report(
        round=round_.name, checker=round_.checker, level=level, verdict="OK", findings=whole, submitters=submitters
    )
    return msgspec.structs.replace(report, verdict=verdict(report.all_findings()))


def verdict(findings: Iterable[Finding]) -> Word:
    """Return the word for what has these findings."""
    rules = {finding.rule for finding in findings if finding.severity == "error"}
    if not rules:
        return "OK"
    if rules == {NOT_JUDGED}:
        return "not judged"
    return "short" if all(catalogue()[rule].short for rule in rules) else "errors"


@dataclass(frozen=True)
class _Judge:
    """Judges one submitter."""

    round: Round
    level: Level
    submitter: Submitter
    advice: Mapping[str, str]

    def submitter_report(self) -> SubmitterReport:
        case = SubmitterCase(self.round, self.submitter)
        # Without this directory the official checkers look no further: those of v6.0 and v6.1 end there.
        unseen = () if "results" in self.submitter.directory.directories else _BUT_RESULTS_DIRECTORY
        return SubmitterReport(
            division=self.submitter.division,
            name=self.submitter.name,
            findings=self._weigh(_ask(every.SUBMITTER_CHECKS, case), unseen),
            systems=tuple(map(self._system_report, self.submitter.systems)),
        )

    def _system_report(self, each: System) -> SystemReport:
        own = self._weigh(_of_system(SystemCase(self.round, self.submitter, each)))
        findings, results = list(own), []
        by_directory: dict[str, list[Result]] = {model: [] for model in each.models}
        for result in each.results:
            by_directory.setdefault(result.model, []).append(result)
        for directory, found in by_directory.items():
            case = self._benchmark(each, directory, tuple(found))
            of_benchmark = self._weigh(_ask(every.BENCHMARK_CHECKS, case))
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
        findings = self._weigh(_of_result(case), of.rules.exempt if of.rules is not None else ())
        word = verdict((*findings, *inherited))
        return ResultReport(record=record_of(case), verdict=word, findings=findings)

    def _weigh(self, findings: Iterable[Finding], exempt: Iterable[str] = ()) -> tuple[Finding, ...]:
        enforced = self.submitter.division in _ENFORCED
        weights = SubmissionWeights(self.round, self.level, enforced, frozenset(exempt))
        return weigh(findings, weights, self.advice)


def _of_system(case: SystemCase) -> Iterator[Finding]:
    yield from _ask(every.SYSTEM_CHECKS, case)
    if case.system.results and case.system.description.fault is None:
        yield from _ask(every.DESCRIPTION_CHECKS, case)


def _of_result(case: ResultCase) -> Iterator[Finding]:
    if case.result.endpoints is not None and case.round.endpoints:
        for run in (each for each in _runs(case) if not each.test):
            yield from _ask(every.ENDPOINTS_RUN_CHECKS[run.mode], run)
        yield from _ask(every.ENDPOINTS_CHECKS, case)
        return
    for run in _runs(case):
        for finding in check_run(run):
            what = f"{run.test}: {finding.what}" if run.test else finding.what
            yield msgspec.structs.replace(finding, what=what)
    yield from _ask(every.RESULT_CHECKS, case)


def _runs(case: ResultCase) -> Iterator[RunCase]:
    """Yield a result's two runs, and those of the compliance tests that it needs."""
    scenario, network = case.result.scenario, case.in_network
    asked = asked_by_round(case.round, case.benchmark)
    zero_taken = case.result.has_power and case.round.layout == "measurements"
    yield RunCase(case.result.performance, "performance", scenario, asked, network, zero_taken=zero_taken)
    answers = asked_by_round(case.round, case.benchmark, scenario=scenario)
    yield RunCase(case.result.accuracy, "accuracy", scenario, answers, network)
    for test in asked_tests(case):
        if test.name not in WITH_RUN:
            continue
        asked = asked_by_round(case.round, case.benchmark, test.name)
        yield RunCase(test.run, "performance", scenario, asked, network, test.name, zero_taken=True)


def _ask(checks: Iterable[Callable[[CaseT], Iterator[Finding]]], case: CaseT) -> Iterator[Finding]:
    for each in checks:
        yield from each(case)

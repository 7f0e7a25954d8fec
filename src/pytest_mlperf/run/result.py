"""The result of a run."""

from __future__ import annotations

import msgspec

from pytest_mlperf.implementations.protocol import ExecutionLayout
from pytest_mlperf.rules.accuracy import Accuracy
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.performance import Performance


class Compliance(msgspec.Struct, frozen=True, kw_only=True):
    """A compliance test: how it compares with the performance run, and TEST01 with the accuracy run.

    Attributes
    ----------
    test
        ``TEST01``, ``TEST04``, ``TEST05``.
    directory
        The test's directory in the official form, as it goes into a submission.
    accuracy_run, performance_run
        The directories of the runs that it was compared with; the first is empty where answers are not compared.
    reference, tested, unit
        The figure of the performance run and that of the test.
    figures_agree
        Whether verify_performance.txt says TEST PASS.
    answers, different
        How many answers were compared, and how many of them were others than in the accuracy run; None where answers
        are not compared.
    baseline_accuracy, compliance_accuracy
        The metric over the accuracy run's answers to the compared samples, and over the test's own; the first only
        where answers differ.
    """

    test: str
    directory: str
    performance_run: str
    accuracy_run: str = ""
    reference: float | None = None
    tested: float | None = None
    unit: str = ""
    figures_agree: bool = False
    answers: int | None = None
    different: int | None = None
    baseline_accuracy: float | None = None
    compliance_accuracy: float | None = None


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """A case executed once. Exactly one of ``accuracy`` and ``performance`` is there, by the mode.

    A compliance test is a performance run, and has ``compliance``, too.

    Attributes
    ----------
    case
        The case's id, as in the node id.
    test
        The compliance test in compliance mode, else empty.
    run_length
        ``short`` or ``official``: short, too, when the run lacks something of official length.
    round
        The round whose rules it was run by: ``v5.1``; empty for a benchmark that is in none.
    verdict
        For the table: ``VALID``, ``INVALID``; ``reached``, ``below target``, ``not comparable``; ``TEST PASS``,
        ``TEST FAIL``; ``failed``.
    findings
        Errors, which fail the item, and notes: what the run does not show.
    official_name
        The benchmark's name in MLPerf's tables; empty for what MLPerf has not.
    precision, variant
        Those of the model file.
    input_types, weight_types
        The element types of the model's inputs, in numpy's words, and of its weights, in MLPerf's.
    output
        The directory with LoadGen's logs, user.conf, run.json, result.json and worker.log.
    seconds
        The child's phases; ``wall`` is everything, from its start to its end.
    """

    case: str
    benchmark: str
    edition: str
    implementation: str
    backend: str
    device: str
    scenario: str
    mode: str
    run_length: str
    verdict: str
    test: str = ""
    round: str = ""
    accuracy: Accuracy | None = None
    performance: Performance | None = None
    compliance: Compliance | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    output: str = ""
    official_name: str = ""
    precision: str = "fp32"
    variant: str = ""
    model: str = ""
    model_sha256: str = ""
    input_types: tuple[str, ...] = ()
    weight_types: tuple[str, ...] = ()
    dataset: str = ""
    layout: ExecutionLayout | None = None
    versions: dict[str, str] = {}
    seconds: dict[str, float] = {}
    peak_memory_bytes: int = 0

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that fail the item."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def lacks(self) -> tuple[Finding, ...]:
        """What official length would still need."""
        return tuple(finding for finding in self.findings if finding.severity == "note")

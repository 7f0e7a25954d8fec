"""The result of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pytest_mlperf.gate.comparison import Comparison
from pytest_mlperf.implementations.protocol import Check, ExecutionLayout, Promise, Trial, Turns
from pytest_mlperf.implementations.timeline import LatencySketch, Timeline
from pytest_mlperf.machine.clock import Clock
from pytest_mlperf.machine.cluster import Cluster
from pytest_mlperf.machine.network import NetworkUse
from pytest_mlperf.machine.use import MachineUse
from pytest_mlperf.rules.accuracy import Accuracy
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.judge import is_bent
from pytest_mlperf.rules.performance import Performance
from pytest_mlperf.run.probe import Probe

if TYPE_CHECKING:
    from pytest_mlperf.errors import MLPerfError


class Compliance(msgspec.Struct, frozen=True, kw_only=True):
    """A compliance test, compared with the performance run and, for TEST01, with the accuracy run.

    Attributes
    ----------
    test
        ``TEST01``, ``TEST04``, ``TEST05``.
    directory
        The test's directory, in the layout for a submission.
    accuracy_run, performance_run
        The directories of the runs for comparison; the first is empty if answers are not compared.
    reference, tested, unit
        The results of the performance run and of the test, and their unit.
    figures_agree
        Whether verify_performance.txt says TEST PASS.
    answers, different
        How many answers were compared, and how many of them differ from the accuracy run; None if answers are not
        compared.
    baseline_accuracy, compliance_accuracy
        The metric of the accuracy run's answers to the compared samples, and of the test's answers; the first only
        if answers differ.
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


class Reused(msgspec.Struct, frozen=True, kw_only=True):
    """Whose result it is: the name of the earlier session's directory, and when that run ended, in UTC."""

    session: str
    finished: str


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one run of a case: ``accuracy`` or ``performance`` is set, according to the mode.

    A compliance test is a performance run, and also has ``compliance``.

    Attributes
    ----------
    case
        The case's id, as in the node id.
    test
        The compliance test in compliance mode, else empty.
    run_length
        ``short`` or ``official``; also short if the run lacks something of official length.
    round
        The round whose rules apply: ``v5.1``; empty for a benchmark that is in none.
    verdict
        For the table: ``VALID``, ``INVALID``; ``reached``, ``below target``; ``TEST PASS``, ``TEST FAIL``;
        ``not comparable`` in each mode; ``failed``.
    findings
        Errors, which fail the item, and notes, which say what official length would need.
    official_name
        The benchmark's name in MLPerf; empty if MLPerf does not have it.
    precision, variant
        Precision and variant of the model file.
    label
        Names the model or the function that the test gave instead of the case's own; else empty.
    input_types, weight_types
        The element types of the model's inputs, as numpy names them, and of its weights, as MLPerf does.
    model_sha256
        The digest of all files of the model, taken by the process that loaded them; empty for an address.
    dataset_sha256
        The digest of the annotations and the samples that the case uses; empty if nobody says which files they are.
    output
        The directory with LoadGen's logs, user.conf, run.json, result.json and worker.log.
    seconds
        The duration of each phase; ``wall`` is the total time of the child process.
    repetition, repetitions
        Which of how many runs of the case in its session it is, from 1.
    attempts
        How many attempts the item took, where failed tests are rerun; the result is the last one's.
    clock, machine
        Of a performance run: the test on other clocks than LoadGen's, and what else happened on the machine.
    checks
        What was checked of the loaded model: before the test, or in conformance mode.
    network
        Of a run on an endpoint: how it was reached.
    comparison
        How it stands to a baseline or another model, if it was compared with one.
    turns
        Of a performance run, the calls of its model and of the one that it is compared with.
    pilot
        Of a performance run, the layouts that the warm-up tried; empty where it was given one.
    promise
        What a performance run said of its test before that began.
    process
        What of the run's process decides about its figures: garbage collection, the allocator, the CPUs, and what is
        set of the runtime's threads.
    explanation
        The explanation.json of an accuracy run that is worse than what it was compared with, or below its target;
        else empty.
    reused
        Of which earlier run it is the result, with ``--mlperf-reuse``; None for a run of its own session.
    latencies, timeline
        Of a performance run: the distribution of its latencies, and how it went; None if the implementation does not
        keep them.
    peak
        Of a Server run at the highest valid rate: the probes that found the rate, and last this run.
    cluster
        The nodes that answered, where there was more than this process.
    host
        The machine that ran it and has its ``output``: with pytest-xdist it may be another than the session's.
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
    label: str = ""
    model: str = ""
    model_sha256: str = ""
    input_types: tuple[str, ...] = ()
    weight_types: tuple[str, ...] = ()
    dataset: str = ""
    dataset_sha256: str = ""
    layout: ExecutionLayout | None = None
    versions: dict[str, str] = {}
    seconds: dict[str, float] = {}
    peak_memory_bytes: int = 0
    repetition: int = 1
    repetitions: int = 1
    attempts: int = 1
    clock: Clock | None = None
    machine: MachineUse | None = None
    checks: tuple[Check, ...] = ()
    network: NetworkUse | None = None
    comparison: Comparison | None = None
    turns: Turns | None = None
    pilot: tuple[Trial, ...] = ()
    promise: Promise | None = None
    process: dict[str, str] = {}
    explanation: str = ""
    reused: Reused | None = None
    latencies: LatencySketch | None = None
    timeline: Timeline | None = None
    peak: tuple[Probe, ...] = ()
    cluster: Cluster | None = None
    host: str = ""

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that fail the item."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def lacks(self) -> tuple[Finding, ...]:
        """What is missing for official length."""
        return tuple(finding for finding in self.findings if finding.severity == "note" and not is_bent([finding]))

    @property
    def changes(self) -> tuple[Finding, ...]:
        """What makes another test of the run than its scenario and its round mean."""
        return tuple(finding for finding in self.findings if finding.severity == "note" and is_bent([finding]))


class Outcome(NamedTuple):
    """A run's result, and the error if it failed."""

    result: RunResult
    error: MLPerfError | None = None

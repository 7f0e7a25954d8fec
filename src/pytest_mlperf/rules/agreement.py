"""Whether a compliance test agrees with the runs that it is about, as the official verification scripts decide it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from pytest_mlperf.metrics.accuracy_log import read_every_record
from pytest_mlperf.rules.performance import RESULT_FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_mlperf.rules.detail_log import DetailLog

PASS = "TEST PASS"  # noqa: S105 - the official word
FAIL = "TEST FAIL"
#: verify_performance.py of each test: how far from the performance run's figure its own may be.
TOLERANCE: Mapping[str, float] = {"TEST01": 0.10, "TEST04": 0.10, "TEST05": 0.05}
#: The same, where a latency is so short that the operating system disturbs it.
NERVOUS_TOLERANCE = 0.20
#: Up to here it is, in ns; TEST04's script compares queries per second with these very numbers.
NERVOUS_UP_TO: Mapping[str, float] = {"SingleStream": 200_000, "MultiStream": 1_600_000}
NANOSECONDS = 1e9


@dataclass(frozen=True)
class AnswerCounts:
    """How the answers that a performance run logged compare with those of the accuracy run.

    Attributes
    ----------
    accuracy_entries, performance_entries
        Entries of each log.
    repeated, contradicting
        The accuracy run's further entries for a sample that it had before, and those of them with other bytes.
    matched, different
        The performance run's entries for samples that the accuracy run has, and those of them with other bytes.
    missing
        Its entries for samples that the accuracy run has not.
    """

    accuracy_entries: int
    repeated: int
    contradicting: int
    performance_entries: int
    matched: int
    different: int
    missing: int

    @property
    def agree(self) -> bool:
        """Whether the official script would say so."""
        return self.different == 0 and self.matched > 0

    @property
    def text(self) -> str:
        """verify_accuracy.txt, as verify_accuracy.py prints it."""
        return (
            "Verifying accuracy. This might take a while...\n"
            "Reading accuracy mode results...\n"
            "Reading performance mode results...\n"
            f"num_acc_log_entries = {self.accuracy_entries}\n"
            f"num_acc_log_duplicate_keys = {self.repeated}\n"
            f"num_acc_log_data_mismatch = {self.contradicting}\n"
            f"num_perf_log_entries = {self.performance_entries}\n"
            f"num_perf_log_qsl_idx_match = {self.matched}\n"
            f"num_perf_log_data_mismatch = {self.different}\n"
            f"num_missing_qsl_idxs = {self.missing}\n"
            f"{PASS if self.agree else FAIL}\n\n"
        )


def compare_answers(accuracy_log: Path, performance_log: Path) -> AnswerCounts:
    """Compare every byte of the answers that a performance run logged with the accuracy run's.

    As verify_accuracy.py does with ``--unixmode``; without it that script compares the first element of each answer
    only. The logs are read as streams, and of an answer its hash is kept: an accuracy log may have gigabytes.

    Raises
    ------
    AccuracyLogError
        A log cannot be read to its end.
    """
    answers: dict[int, bytes] = {}
    entries = contradicting = 0
    for sample, data in read_every_record(accuracy_log):
        entries += 1
        digest = _digest(data)
        contradicting += answers.setdefault(sample, digest) != digest
    logged = matched = different = 0
    for sample, data in read_every_record(performance_log):
        logged += 1
        expected = answers.get(sample)
        matched += expected is not None
        different += expected is not None and _digest(data) != expected
    return AnswerCounts(
        accuracy_entries=entries,
        repeated=entries - len(answers),
        contradicting=contradicting,
        performance_entries=logged,
        matched=matched,
        different=different,
        missing=logged - matched,
    )


def samples_of(accuracy_log: Path) -> frozenset[int]:
    """Return the indices of the samples that a log answers."""
    return frozenset(record.qsl_idx for record in read_every_record(accuracy_log))


def accuracy_delta(baseline: float, compliance: float) -> float:
    """Return by what part the accuracy of the logged answers differs from that of the accuracy run's on them.

    ``abs(1 - baseline / compliance)``, as the official checker computes it; infinite where that cannot be.
    """
    if baseline == compliance:
        return 0.0
    return abs(1 - baseline / compliance) if compliance else float("inf")


@dataclass(frozen=True)
class AnswerAgreement:
    """What TEST01 found about the answers.

    Attributes
    ----------
    counts
        How many were compared, and how many differ.
    delta
        By what part their accuracy differs from that of the accuracy run's answers to the same samples.
    allowed
        By what part it may.
    """

    counts: AnswerCounts
    delta: float
    allowed: float

    @property
    def agree(self) -> bool:
        """Whether the answers are the same, or as good."""
        if self.counts.missing or not self.counts.matched:
            return False
        return self.counts.agree or self.delta <= self.allowed


@dataclass(frozen=True)
class FigureAgreement:
    """How a compliance test's figure compares with the performance run's.

    Attributes
    ----------
    reference, tested
        The scenario's figure of each run, in the log's own unit: samples or queries per second, or a latency in ns.
        None where a log has none.
    tolerance
        The part of the reference that the official script allows.
    worst
        By what part the tested figure is off in the direction that matters to the test; negative when it is on the
        good side.
    refusal
        Why there is nothing to compare, in the script's words; empty when there is.
    """

    reference: float | None
    tested: float | None
    tolerance: float
    worst: float
    refusal: str = ""

    @property
    def agree(self) -> bool:
        """Whether the official script would say so."""
        return not self.refusal and self.worst < self.tolerance

    @property
    def ratio(self) -> float:
        """The tested figure in parts of the reference; 0 where there is nothing to compare."""
        return self.tested / self.reference if self.tested and self.reference and not self.refusal else 0.0

    @property
    def text(self) -> str:
        """verify_performance.txt, as verify_performance.py prints it."""
        head = "Verifying performance.\n"
        if self.refusal:
            return f"{head}{FAIL}: {self.refusal}\n"
        scores = f"reference score = {self.reference:.10g}\ntest score = {self.tested:.10g}\n"
        return head + scores + (f"{PASS}\n" if self.agree else f"{FAIL}: Test score invalid\n")


def compare_figures(test: str, scenario: str, reference: DetailLog, tested: DetailLog) -> FigureAgreement:
    """Compare a compliance test's figure with the performance run's.

    TEST01 may be off in neither direction, TEST04 must not be faster, TEST05 must not be slower.
    """
    key = RESULT_FIELDS[scenario].key
    before, now = reference.number(key), tested.number(key)
    refusal = _refusal(scenario, reference, tested)
    if refusal or not before or not now:
        return FigureAgreement(before, now, TOLERANCE[test], float("inf"), refusal or "Test score invalid")
    if test == "TEST04" and scenario in NERVOUS_UP_TO:
        before, now = NANOSECONDS / before, NANOSECONDS / now
    tolerance = NERVOUS_TOLERANCE if before <= NERVOUS_UP_TO.get(scenario, 0) else TOLERANCE[test]
    change = now / before - 1
    if test == "TEST01":
        worst = abs(change)
    elif test == "TEST05" and scenario not in NERVOUS_UP_TO:
        worst = -change
    else:
        worst = change
    return FigureAgreement(before, now, tolerance, worst)


def _refusal(scenario: str, reference: DetailLog, tested: DetailLog) -> str:
    for log, name in ((reference, "Reference"), (tested, "Test")):
        if log.fault is not None or log.values.get("result_validity") != "VALID":
            return f"{name} results are invalid"
    if reference.values.get("effective_scenario") != tested.values.get("effective_scenario"):
        return "Test and reference scenarios do not match!"
    bound = "effective_target_latency_ns"
    if scenario == "Server" and reference.values.get(bound) != tested.values.get(bound):
        return "Server target latency mismatch"
    return ""


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()

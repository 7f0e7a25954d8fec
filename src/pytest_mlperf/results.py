"""The result of a run."""

from __future__ import annotations

import msgspec

from pytest_mlperf.rules.accuracy import Accuracy
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.performance import Performance
from pytest_mlperf.worker.protocol import ExecutionLayout


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """A case executed once. Exactly one of ``accuracy`` and ``performance`` is there, by the mode.

    Attributes
    ----------
    case
        The case's id, as in the node id.
    run_length
        ``short`` or ``official``: short, too, when the run lacks something of official length.
    round
        The round whose rules it was run by: ``v5.1``; empty for a benchmark that is in none.
    verdict
        For the table: ``VALID``, ``INVALID``; ``reached``, ``below target``, ``not comparable``; ``failed``.
    findings
        Errors, which fail the item, and notes: what the run does not show.
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
    round: str = ""
    accuracy: Accuracy | None = None
    performance: Performance | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    output: str = ""
    model: str = ""
    model_sha256: str = ""
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

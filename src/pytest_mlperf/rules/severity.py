"""How much a broken rule weighs: in a submission by level, round and division, in a session's run by its length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from pytest_mlperf.rules.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_mlperf.rules.finding import Finding
    from pytest_mlperf.rules.round import Round

Severity = Literal["error", "note"]
#: ``official`` weighs a rule as the round's official checker does; ``strict`` as the rules are meant, and never less.
Level = Literal["official", "strict"]
#: The rule of a benchmark that this project has no table of: an error in itself at every level.
NOT_JUDGED = "benchmark-judged"


@dataclass(frozen=True)
class SubmissionWeights:
    """How much a broken rule weighs in a division of a submission."""

    round: Round
    level: Level
    enforced: bool

    def __call__(self, rule: str) -> Severity | None:
        """Return the severity; None where the rule does not count at the level."""
        official = self.round.official.get(rule, "ignores")
        if rule == NOT_JUDGED or official == "fails" or (official == "fails closed" and self.enforced):
            return "error"
        if self.level == "strict":
            meant = catalogue()[rule]
            return meant.closed if self.enforced else meant.open
        return "note" if official == "logs" else None


def session_weight(rule: str) -> Severity:
    """Return how much a broken rule weighs in a session's run: a note where being short explains it, else an error.

    What is a note in closed division, too, is one here.
    """
    meant = catalogue()[rule]
    return "note" if meant.short else meant.closed


def weigh(
    findings: Iterable[Finding],
    severity_of: Callable[[str], Severity | None],
    advice: Mapping[str, str],
) -> tuple[Finding, ...]:
    """Return the findings that count, each with its severity and with the advice for who reads it.

    Parameters
    ----------
    findings
        As the checks yield them.
    severity_of
        The severity of a rule; None leaves its findings out.
    advice
        What the reader can do besides, by rule: a session has options that somebody with a tree does not have.
    """
    weighed = []
    for finding in findings:
        severity = severity_of(finding.rule)
        if severity is not None:
            fix = f"{finding.fix}; {advice[finding.rule]}" if finding.rule in advice else finding.fix
            weighed.append(msgspec.structs.replace(finding, severity=severity, fix=fix))
    return tuple(weighed)

"""How much a broken rule weighs: in a submission by level, round and division, in a session's run by its length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from pytest_mlperf.rules.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pytest_mlperf.rules.finding import Finding
    from pytest_mlperf.rules.round import Round

Severity = Literal["error", "note"]
#: ``official`` weighs a rule as the round's official checker does; ``strict`` as the rules are meant, and never less.
Level = Literal["official", "strict"]
#: The rule of a benchmark that this project has no table of: an error in itself at every level.
NOT_JUDGED = "benchmark-judged"


@dataclass(frozen=True)
class SubmissionWeights:
    """How much a broken rule weighs in a division of a submission, of a benchmark that is exempt from some."""

    round: Round
    level: Level
    enforced: bool
    exempt: frozenset[str] = frozenset()

    def __call__(self, rule: str) -> Severity | None:
        """Return the severity; None where the rule does not count at the level."""
        official = self.round.official.get(rule, "ignores") if rule not in self.exempt else "ignores"
        if rule == NOT_JUDGED or official == "fails" or (official == "fails closed" and self.enforced):
            return "error"
        if self.level == "strict":
            meant = catalogue()[rule]
            weight = meant.closed if self.enforced else meant.open
            if weight == "error" and not meant.asked_in(self.round.number):
                return "note"
            return weight if weight != "nothing" else None
        return "note" if official == "logs" else None


def session_weight(rule: str, *, short: bool = False) -> Severity | None:
    """Return how much a broken rule weighs in a session's run: a note where being short explains it, else an error.

    In a short run it is a note, too, that the run is another test: its figure is called not comparable. What is a note
    in closed division is one here.
    """
    meant = catalogue()[rule]
    if meant.closed == "nothing":
        return None
    return "note" if meant.short or (short and meant.bends) else meant.closed


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
        What the reader can do besides, by rule: a session has options that somebody with a tree does not have. A
        text by the name of a LoadGen setting is for findings that have a value for it, which is put in for ``{}``.
    """
    weighed = []
    for finding in findings:
        severity = severity_of(finding.rule)
        if severity is not None:
            fix = "; ".join((finding.fix, *_advice(finding, advice)))
            weighed.append(msgspec.structs.replace(finding, severity=severity, fix=fix))
    return tuple(weighed)


def _advice(finding: Finding, advice: Mapping[str, str]) -> Iterator[str]:
    known = {setting: value for setting, value in finding.settings.items() if setting in advice}
    for setting, value in known.items():
        yield advice[setting].format(value)
    if not known and finding.rule in advice:
        yield advice[finding.rule]

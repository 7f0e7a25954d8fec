"""The findings of all runs, by rule, and what their notes say of official length."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_mlperf.rules.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_mlperf.rules.finding import Finding
    from pytest_mlperf.run.result import RunResult


@dataclass(frozen=True)
class Broken:
    """A rule that runs break.

    Attributes
    ----------
    rule, says, source
        Its name; what it says and where it is written, empty for a rule that is not in the catalogue.
    findings
        The number of each run in the session, and its finding.
    """

    rule: str
    says: str
    source: str
    findings: list[tuple[int, RunResult, Finding]] = field(default_factory=list)

    @property
    def fixes(self) -> list[str]:
        """What to do, each once."""
        return list(dict.fromkeys(finding.fix for _, _, finding in self.findings if finding.fix))


@dataclass(frozen=True)
class Requirement:
    """Something that runs do not show, with what they have instead, each once, and whose runs they are."""

    of: str
    expected: str
    found: tuple[str, ...]
    benchmarks: tuple[str, ...]


def broken_rules(results: Sequence[RunResult]) -> list[Broken]:
    """Return the rules whose breaking fails a run, those of most runs first."""
    rules: dict[str, Broken] = {}
    for number, result in enumerate(results):
        for finding in result.errors:
            if finding.rule not in rules:
                known = catalogue().get(finding.rule)
                rules[finding.rule] = Broken(finding.rule, known.says if known else "", known.source if known else "")
            rules[finding.rule].findings.append((number, result, finding))
    return sorted(rules.values(), key=lambda broken: -len(broken.findings))


def requirements(findings: Iterable[tuple[RunResult, Finding]]) -> list[Requirement]:
    """Return what findings ask, each once for a scenario and a mode."""
    gathered: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for result, finding in findings:
        key = f"{result.scenario} {result.mode}", finding.expected
        gathered.setdefault(key, []).append((finding.found, result.benchmark))
    return [
        Requirement(of, expected, *(tuple(dict.fromkeys(column)) for column in zip(*found, strict=True)))
        for (of, expected), found in sorted(gathered.items())
    ]

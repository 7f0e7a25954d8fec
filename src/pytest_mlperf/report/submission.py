"""The report about a submission for the terminal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Literal, NamedTuple

from pytest_mlperf.printable import one_line
from pytest_mlperf.report.row import number
from pytest_mlperf.rules.catalogue import catalogue
from pytest_mlperf.rules.round import find_round
from pytest_mlperf.rules.severity import NOT_JUDGED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_mlperf.rules.check import Report, ResultReport
    from pytest_mlperf.rules.finding import Finding

_GAP = "  "
_NARROWEST = 40
_WIDEST = 120
_MOST_PLACES = 4
#: Up to so many results, findings are told result by result.
_FEW_RESULTS = 10
_FIRST_PLACES = 3
_ORDER = ("error", "short", "note")
By = Literal["result", "rule", "submitter"]


class _Part(NamedTuple):
    """One part of the submission and its findings."""

    place: str
    findings: tuple[Finding, ...]

    def only(self, *, short: bool) -> _Part:
        """Return the part with only the findings that are expected for a short run, or only the others."""
        return _Part(self.place, tuple(each for each in self.findings if _expected_if_short(each) == short))


def lines(report: Report, width: int, by: By | None = None, *, everything: bool = False) -> list[str]:
    """Return the report: one line for each result, then the findings with their fixes, then the verdict.

    Parameters
    ----------
    report, width
        What is told, and in how many columns.
    by
        How the findings are grouped; None: by result for a few results, and by rule for many.
    everything
        Whether all places of a finding are told, or the first ones.
    """
    width = max(_NARROWEST, min(width, _WIDEST))
    parts = list(_parts(report))
    if by is None:
        by = "rule" if sum(1 for _ in report.results()) > _FEW_RESULTS else "result"
    if by != "result":
        groups = [parts] if by == "rule" else _of_submitters(report, parts)
        found = [line for group in groups for line in _by_rule(group, width, everything=everything)]
        return [*_results(report), *found, *_wrap(verdict_line(report), width, "")]
    sections = [
        *_results(report),
        *_findings([part.only(short=False) for part in parts], width, everything=everything),
        *_short([part.only(short=True) for part in parts], width, everything=everything),
    ]
    return [*sections, *_wrap(verdict_line(report), width, "")]


def _results(report: Report) -> Iterator[str]:
    for submitter in report.submitters:
        for system in submitter.systems:
            rows = [_row(result) for result in system.results]
            widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
            if rows:
                yield one_line(f"{submitter.division}/{submitter.name}, {system.name}")
                yield from (
                    _GAP + _GAP.join(cell.ljust(wide) for cell, wide in zip(row, widths, strict=True)).rstrip()
                    for row in rows
                )
                yield ""


def _row(result: ResultReport) -> tuple[str, str, str, str, str]:
    record = result.record
    figure = f"{number(record.result)} {record.unit}" if record.result is not None else "no result"
    inferred = f" from {record.ran}" if record.inferred else ""
    accuracy = f"{record.metric} {record.accuracy}" if record.accuracy else "no accuracy"
    return one_line(record.model), one_line(record.scenario), figure + inferred, one_line(accuracy), result.verdict


def _parts(report: Report) -> Iterator[_Part]:
    yield _Part("the submission", report.findings)
    for submitter in report.submitters:
        yield _Part(f"{submitter.division}/{submitter.name}", submitter.findings)
        for system in submitter.systems:
            yield _Part(f"{submitter.division}/{submitter.name}/results/{system.name}", system.findings)
            for result in system.results:
                yield _Part(result.record.location, result.findings)


def _of_submitters(report: Report, parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    yield list(parts[:1])
    for submitter in report.submitters:
        place = f"{submitter.division}/{submitter.name}"
        yield [part for part in parts if part.place == place or part.place.startswith(f"{place}/")]


def _by_rule(parts: Sequence[_Part], width: int, *, everything: bool) -> Iterator[str]:
    """Yield each rule once: how often it is broken, the first places with what was found there, and what to do."""
    found: dict[tuple[str, str], list[tuple[str, Finding]]] = {}
    for part in parts:
        for finding in part.findings:
            word: str = "short" if _expected_if_short(finding) else finding.severity
            found.setdefault((word, finding.rule), []).append((finding.file or part.place, finding))
    for (word, rule), places in sorted(found.items(), key=lambda each: (_ORDER.index(each[0][0]), -len(each[1]))):
        times = f"{len(places):,} times" if len(places) > 1 else "once"
        yield from _wrap(f"{word}: {catalogue()[rule].says} [{rule}] broken {times}", width, "")
        shown = places if everything else places[:_FIRST_PLACES]
        for place, finding in shown:
            yield f"{_GAP}{one_line(place)}"
            yield from _wrap(f"{finding.what}: expected {finding.expected}; found {finding.found}", width, 2 * _GAP)
        if len(places) > len(shown):
            yield f"{_GAP}and {len(places) - len(shown):,} more; --all shows every one"
        yield from _wrap(f"what to do: {places[0][1].fix}", width, _GAP)
        yield ""


def _findings(parts: Sequence[_Part], width: int, *, everything: bool) -> Iterator[str]:
    """Yield each list of findings once, below all places that have these findings."""
    places: dict[tuple[str, ...], list[str]] = {}
    for part in parts:
        if not part.findings:
            continue
        texts = tuple(_text(finding, part.place, width) for finding in part.findings)
        places.setdefault(texts, []).append(part.place)
    for texts, found in places.items():
        yield from (one_line(place) for place in (found if everything else found[:_MOST_PLACES]))
        if len(found) > _MOST_PLACES and not everything:
            yield f"and {len(found) - _MOST_PLACES:,} more"
        yield from (line for text in texts for line in text.split("\n"))
        yield ""


def _short(parts: Sequence[_Part], width: int, *, everything: bool) -> Iterator[str]:
    if any(part.findings for part in parts):
        yield from _wrap("Expected for a short run, which is not a valid result:", width, "")
        yield ""
        yield from _findings(parts, width, everything=everything)


def _text(finding: Finding, place: str, width: int) -> str:
    file = finding.file.removeprefix(f"{place}/") if finding.file != place else ""
    said = f"{'short' if _expected_if_short(finding) else finding.severity}: {finding.what} [{finding.rule}]"
    whole = f"{said} {file}" if file and len(_GAP) + len(said) + 1 + len(file) <= width else said
    paragraphs = [_wrap(whole, width, _GAP)]
    if file and whole is said:
        paragraphs.append([f"{2 * _GAP}{one_line(file)}"])
    paragraphs.append(_wrap(f"expected: {finding.expected}; found: {finding.found}", width, 2 * _GAP))
    paragraphs.append(_wrap(finding.fix, width, 2 * _GAP))
    return "\n".join(line for paragraph in paragraphs for line in paragraph)


def _expected_if_short(finding: Finding) -> bool:
    return finding.severity == "error" and catalogue()[finding.rule].short


def verdict_line(report: Report) -> str:
    """Return the verdict in one line: round, level, what the level means, verdict, counts."""
    found = list(report.all_findings())
    unjudged = sum(finding.rule == NOT_JUDGED for finding in found)
    errors = sum(finding.severity == "error" for finding in found) - unjudged
    results = sum(1 for _ in report.results())
    counts = ", ".join(
        f"{count:,} {word if count == 1 else word + 's'}"
        for count, word in ((results, "result"), (errors, "error"), (len(found) - errors - unjudged, "note"))
        if count or word == "result"
    )
    counts += f", {unjudged:,} benchmarks not judged" if unjudged else ""
    measured = find_round(report.round).measured_on
    evidence = f"measured on {measured:,} real results" if measured else "measured on no real result"
    official = f"the official checker of {report.round} ({report.checker}), {evidence}"
    meaning = f"agrees with {official}" if report.level == "official" else f"is at least as strict as {official}"
    return f"{report.round}, level {report.level}, which {meaning}: {report.verdict} ({counts})"


def _wrap(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        one_line(text),
        width,
        initial_indent=indent,
        subsequent_indent=indent + _GAP,
        break_long_words=False,
        break_on_hyphens=False,
    )

"""The report about a submission for the terminal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.report.terminal import number
from pytest_mlperf.rules.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_mlperf.rules.check import Report, ResultReport
    from pytest_mlperf.rules.finding import Finding

_GAP = "  "
_NARROWEST = 40
_WIDEST = 120
_MOST_PLACES = 4


class _Part(NamedTuple):
    """One part of the submission and its findings."""

    place: str
    findings: tuple[Finding, ...]

    def only(self, *, short: bool) -> _Part:
        """Return the part with only the findings that are expected for a short run, or only the others."""
        return _Part(self.place, tuple(each for each in self.findings if _expected_if_short(each) == short))


def lines(report: Report, width: int) -> list[str]:
    """Return the report: one line for each result, then the findings with their fixes, then the verdict."""
    width = max(_NARROWEST, min(width, _WIDEST))
    parts = list(_parts(report))
    sections = [
        *_results(report),
        *_findings([part.only(short=False) for part in parts], width),
        *_short([part.only(short=True) for part in parts], width),
    ]
    return [*sections, *_wrap(verdict_line(report), width, "")]


def _results(report: Report) -> Iterator[str]:
    for submitter in report.submitters:
        for system in submitter.systems:
            rows = [_row(result) for result in system.results]
            widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
            if rows:
                yield _plain(f"{submitter.division}/{submitter.name}, {system.name}")
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
    return _plain(record.model), _plain(record.scenario), figure + inferred, _plain(accuracy), result.verdict


def _parts(report: Report) -> Iterator[_Part]:
    yield _Part("the submission", report.findings)
    for submitter in report.submitters:
        yield _Part(f"{submitter.division}/{submitter.name}", submitter.findings)
        for system in submitter.systems:
            yield _Part(f"{submitter.division}/{submitter.name}/results/{system.name}", system.findings)
            for result in system.results:
                yield _Part(result.record.location, result.findings)


def _findings(parts: Sequence[_Part], width: int) -> Iterator[str]:
    """Yield each list of findings once, below all places that have these findings."""
    places: dict[tuple[str, ...], list[str]] = {}
    for part in parts:
        if not part.findings:
            continue
        texts = tuple(_text(finding, part.place, width) for finding in part.findings)
        places.setdefault(texts, []).append(part.place)
    for texts, found in places.items():
        yield from (_plain(place) for place in found[:_MOST_PLACES])
        if len(found) > _MOST_PLACES:
            yield f"and {len(found) - _MOST_PLACES:,} more"
        yield from texts
        yield ""


def _short(parts: Sequence[_Part], width: int) -> Iterator[str]:
    if any(part.findings for part in parts):
        yield from _wrap("Expected for a short run, which is not a valid result:", width, "")
        yield ""
        yield from _findings(parts, width)


def _text(finding: Finding, place: str, width: int) -> str:
    file = finding.file.removeprefix(f"{place}/") if finding.file != place else ""
    said = f"{'short' if _expected_if_short(finding) else finding.severity}: {finding.what} [{finding.rule}]"
    whole = f"{said} {file}" if file and len(_GAP) + len(said) + 1 + len(file) <= width else said
    paragraphs = [_wrap(whole, width, _GAP)]
    if file and whole is said:
        paragraphs.append([f"{2 * _GAP}{_plain(file)}"])
    paragraphs.append(_wrap(f"expected: {finding.expected}; found: {finding.found}", width, 2 * _GAP))
    paragraphs.append(_wrap(finding.fix, width, 2 * _GAP))
    return "\n".join(line for paragraph in paragraphs for line in paragraph)


def _expected_if_short(finding: Finding) -> bool:
    return finding.severity == "error" and catalogue()[finding.rule].short


def verdict_line(report: Report) -> str:
    """Return the verdict in one line: round, level, what the level means, verdict, counts."""
    found = list(report.all_findings())
    errors = sum(finding.severity == "error" for finding in found)
    results = sum(1 for _ in report.results())
    counts = ", ".join(
        f"{count:,} {word if count == 1 else word + 's'}"
        for count, word in ((results, "result"), (errors, "error"), (len(found) - errors, "note"))
        if count or word == "result"
    )
    official = f"the official checker of {report.round} ({report.checker})"
    meaning = f"agrees with {official}" if report.level == "official" else f"is at least as strict as {official}"
    return f"{report.round}, level {report.level}, which {meaning}: {report.verdict} ({counts})"


def _wrap(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        _plain(text),
        width,
        initial_indent=indent,
        subsequent_indent=indent + _GAP,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _plain(text: str) -> str:
    """Return text with control characters replaced, so that it cannot move the cursor."""
    return "".join(character if character.isprintable() else "?" for character in text)

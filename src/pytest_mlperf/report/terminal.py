"""The summary table at the end of the session."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.run.case import CONFORMANCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_mlperf.report.finished import Finished
    from pytest_mlperf.report.progress import Terminal
    from pytest_mlperf.rules.finding import Finding
    from pytest_mlperf.run.result import RunResult

MEBIBYTE = 1 << 20
COLUMNS = ("case", "mode", "result", "target", "verdict", "p50 / p90 / p99 ms", "wall", "memory")
#: The verdicts that are good news.
GOOD = ("VALID", "reached", "TEST PASS", "conforms")


class Row(NamedTuple):
    """The table cells of one result."""

    case: str
    mode: str
    result: str
    target: str
    verdict: str
    latencies: str
    wall: str
    memory: str


def row(result: RunResult) -> Row:
    """Return the table cells of one result."""
    value, target, latencies = "–", "–", "–"
    if result.accuracy is not None:
        accuracy = result.accuracy
        value = f"{accuracy.metric} {accuracy.shown(accuracy.value)}"
        target = accuracy.shown(accuracy.target) if accuracy.target is not None else "–"
    if result.performance is not None:
        figures = result.performance
        if figures.value is not None:
            value = f"{f'{figures.short}: ' if figures.short else ''}{number(figures.value)} {figures.unit}"
        target = figures.bound or "–"
        if figures.latency_ms:
            latencies = " / ".join(number(figures.latency_ms.get(p)) for p in ("p50", "p90", "p99"))
    if result.mode == CONFORMANCE and result.checks:
        good = sum(check.outcome == "passed" for check in result.checks)
        value = f"{good} of {len(result.checks)} checks"
    if result.compliance is not None and result.compliance.reference is not None:
        target = f"as {number(result.compliance.reference)} {result.compliance.unit}"
    return Row(
        case=result.case,
        mode=f"{result.mode} {result.test}" if result.test else result.mode,
        result=value,
        target=target,
        verdict=verdict(result),
        latencies=latencies,
        wall=f"{result.seconds['wall']:.1f} s" if "wall" in result.seconds else "–",
        memory=f"{result.peak_memory_bytes / MEBIBYTE:,.0f} MiB" if result.peak_memory_bytes else "–",
    )


def verdict(result: RunResult) -> str:
    """Return the verdict, with ``(short)`` after that of a short run."""
    short = result.run_length == "short" and result.mode != CONFORMANCE
    return f"{result.verdict} (short)" if short else result.verdict


def number(value: float | None) -> str:
    """Return four significant digits without an exponent."""
    if value is None:
        return "–"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def lacking(results: Sequence[RunResult]) -> list[str]:
    """Return what the runs need for official length, each requirement once, with what was found."""
    return _told((result, finding) for result in results for finding in result.lacks)


def changes(results: Sequence[RunResult]) -> list[str]:
    """Return what makes other tests of the runs, each once, with what it should be."""
    return _told((result, finding) for result in results for finding in result.changes)


def comparisons(results: Sequence[RunResult]) -> list[str]:
    """Return how many results stand how to each baseline."""
    found = [result.comparison for result in results if result.comparison is not None]
    names = {each.baseline: each.commit for each in found}
    return [
        f"compared with {name}{f' ({commit[:10]})' if commit else ''}: "
        + ", ".join(
            f"{count} {verdict}"
            for verdict, count in Counter(each.verdict for each in found if each.baseline == name).items()
        )
        for name, commit in names.items()
    ]


def _told(findings: Iterable[tuple[RunResult, Finding]]) -> list[str]:
    told: dict[str, str] = {}
    for result, finding in findings:
        told.setdefault(f"{result.scenario} {result.mode}: {finding.expected}", finding.found)
    return [f"  {expected} (here: {found})" for expected, found in told.items()]


def title(results: Sequence[RunResult]) -> str:
    """Return the section's title: the editions and the rounds of the runs."""
    editions = sorted({result.edition for result in results})
    followed = sorted({result.round for result in results} - {""})
    rounds = [f"round{'s' * (len(followed) > 1)} {' and '.join(followed)}"] if followed else []
    return "MLPerf results: " + ", ".join([*(f"{edition} edition" for edition in editions), *rounds])


def write_summary(terminal: Terminal, finished: Finished) -> None:
    """Write the section with the session's results."""
    from pytest_mlperf.report.table import table

    results = finished.results
    terminal.write_title(title(results))
    terminal.write_styled(table([row(result) for result in results], terminal.width))
    for line in (*below(results), *finished.notes):
        terminal.write_line(line)
    if finished.directory is not None:
        terminal.write_line(f"LoadGen's logs: {shown(finished.directory)}")


def below(results: Sequence[RunResult]) -> Iterator[str]:
    """Yield what is told below the table."""
    if needs := lacking(results):
        yield "short runs are not MLPerf results; official length (--run-length official) needs:"
        yield from needs
    if changed := changes(results):
        yield "not comparable with other figures; the scenario and the round fix:"
        yield from changed
    yield from comparisons(results)
    yield from (f"note: {note}" for note in dict.fromkeys(note for result in results for note in result.notes))
    for result in results:
        if result.attempts > 1:
            yield f"note: {result.case} {result.mode}: the last of {result.attempts} attempts"


def shown(directory: Path) -> str:
    """Return a path relative to the current directory, if it is below it."""
    try:
        return str(directory.relative_to(Path.cwd()))
    except ValueError:
        return str(directory)

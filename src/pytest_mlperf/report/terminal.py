"""The summary table at the end of the session."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.report.peak import peak_lines
from pytest_mlperf.report.row import rows
from pytest_mlperf.report.table import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_mlperf.report.finished import Finished
    from pytest_mlperf.report.progress import Terminal
    from pytest_mlperf.rules.finding import Finding
    from pytest_mlperf.run.result import RunResult


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
    results = finished.results
    terminal.write_title(title(results))
    terminal.write_styled(table(rows(results), terminal.width))
    for line in (*below(results), *finished.notes):
        terminal.write_line(line)
    for line in logs(finished):
        terminal.write_line(line)


def below(results: Sequence[RunResult]) -> Iterator[str]:
    """Yield what is told below the table."""
    if needs := lacking(results):
        yield "short runs are not MLPerf results; official length (--run-length official) needs:"
        yield from needs
    if changed := changes(results):
        yield "not comparable with other figures; the scenario and the round fix:"
        yield from changed
    yield from peak_lines(results)
    yield from comparisons(results)
    yield from (f"note: {note}" for note in dict.fromkeys(note for result in results for note in result.notes))
    for result in results:
        if result.attempts > 1:
            yield f"note: {result.case} {result.mode}: the last of {result.attempts} attempts"


def logs(finished: Finished) -> Iterator[str]:
    """Yield where LoadGen's logs are; those of other machines may not be here."""
    far = finished.elsewhere
    if finished.directory is not None and (finished.directory not in far.values() or finished.directory.is_dir()):
        yield f"LoadGen's logs: {shown(finished.directory)}"
    for host, place in far.items():
        yield f"LoadGen's logs: {place} on {host}; with --mlperf-output on a shared disk they are here, too"


def shown(directory: Path) -> str:
    """Return a path relative to the current directory, if it is below it."""
    try:
        return str(directory.relative_to(Path.cwd()))
    except ValueError:
        return str(directory)

"""Results to compare, wherever they lie: a file, a session's directory, a baseline or a submission."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.baselines.left import Left, left_by
from pytest_mlperf.errors import BaselineError, MLPerfError, StoredResultsError
from pytest_mlperf.results.document import read_document
from pytest_mlperf.results.held import Held, Key
from pytest_mlperf.results.session_directory import is_session, over, read_session
from pytest_mlperf.rules.log_files import ACCURACY_LOG
from pytest_mlperf.rules.reading.submission import DIVISIONS
from pytest_mlperf.run.repeated import by_repetition, counting, median_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_mlperf.baselines.entry import Entry
    from pytest_mlperf.baselines.store import Baseline
    from pytest_mlperf.results.document import Document
    from pytest_mlperf.run.result import RunResult

_TARBALLS = (".tar", ".tar.gz", ".tgz", ".tar.xz")


@dataclass(frozen=True)
class Source:
    """Results that lie together; ``submitted`` says that they have no case's id, but a benchmark and a scenario."""

    name: str
    held: dict[Key, Held]
    submitted: bool = False

    def by_benchmark(self) -> Source:
        """Return the results by benchmark and scenario, for a comparison with a submission."""
        pairs = [(Key(f"{h.result.benchmark}-{h.result.scenario}", *key[1:]), key, h) for key, h in self.held.items()]
        counts = Counter(short for short, _, _ in pairs)
        return replace(self, held={short if counts[short] == 1 else key: held for short, key, held in pairs})


def find_source(asked: str, root: Path) -> Source:
    """Return the results that a text means: a path, or the name of a baseline.

    Parameters
    ----------
    asked
        A file of --mlperf-json, a directory of a session, a baseline's name or directory, a submission's directory or
        tarball.
    root
        The directory in which baselines are.

    Raises
    ------
    StoredResultsError, BaselineError, ArchiveError
        There is nothing of this name, or it cannot be read.
    """
    path = Path(asked)
    if (path.is_file() and path.name.endswith(_TARBALLS)) or any((path / name).is_dir() for name in DIVISIONS):
        from pytest_mlperf.results.submitted import read_submitted

        return Source(asked, {_key(held.result): held for held in read_submitted(path)}, submitted=True)
    if path.is_file():
        return Source(asked, _of_document(read_document(path)))
    if path.is_dir() and is_session(path):
        return Source(asked, _of_document(read_session(path)))
    from pytest_mlperf.baselines.store import find, home

    try:
        baseline = find(asked, home(root))
    except BaselineError as error:
        raise StoredResultsError(
            f"there are no results {asked}",
            expected="a file of --mlperf-json, a session's directory, a baseline, or a submission",
            found="a directory with other content" if path.is_dir() else "no such file, and no baseline of this name",
            fix="name one that is there; a session's directory is one of those in mlperf-results",
        ) from error
    return Source(asked, _of_baseline(baseline))


def _key(result: RunResult) -> Key:
    return Key(result.case, result.mode, result.test)


def _of_document(document: Document) -> dict[Key, Held]:
    """Return the results of a session; of a case that was run several times the last one, of repetitions the median."""
    groups = [(median_run(runs) or runs[-1], runs) for runs in by_repetition(document.results)]
    return {
        _key(result): Held(
            result,
            lambda result=result: _left(result),  # type: ignore[misc] # the loop's own
            document.commit,
            document.machine,
            tuple(_figures(counting(runs))),
        )
        for result, runs in groups
    }


def _figures(runs: Iterable[RunResult]) -> Iterator[float]:
    for run in runs:
        if run.performance is not None and run.performance.value:
            yield run.performance.value


def _of_baseline(baseline: Baseline) -> dict[Key, Held]:
    entries = (baseline.entry(case, mode) for case, mode in sorted(baseline.cases()))
    return {_key(entry.result): _of_entry(baseline, entry) for entry in entries if entry is not None}


def _of_entry(baseline: Baseline, entry: Entry) -> Held:
    def left() -> Left | str:
        result = entry.result
        if not entry.answers_sha256:
            return "the baseline has no outcomes of it"
        try:
            outcomes = baseline.outcomes(result.case, result.mode)
        except MLPerfError as error:
            return f"{error.what}: {error.found}"
        return Left(outcomes, entry.answers_sha256)

    return Held(entry.result, left, entry.commit, entry.machine, entry.figures)


def _left(result: RunResult) -> Left | str:
    """Return what the run of a result left, if it is still there."""
    from pytest_mlperf.registry import Registry

    if not result.output or not (Path(result.output) / ACCURACY_LOG).is_file():
        return f"its accuracy log is not there ({result.output or 'no directory'})"
    if not Path(result.dataset).is_dir():
        return f"its data set is not there ({result.dataset})"
    try:
        metric = Registry().benchmark(result.benchmark).metric
        return left_by(over(metric, result.accuracy.samples if result.accuracy is not None else 0), result)
    except MLPerfError as error:
        return error.what


def names(keys: Iterable[Key]) -> list[str]:
    """Return the names of cases, as the table has them."""
    return [" ".join(filter(None, key)) for key in sorted(keys)]

"""The directory of a past session: its results.json, or where the session was ended before, what LoadGen's logs say."""

from __future__ import annotations

import re
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from pytest_mlperf import __version__
from pytest_mlperf.errors import MLPerfError, StoredResultsError, raised_elsewhere
from pytest_mlperf.implementations.protocol import RunSpec
from pytest_mlperf.metrics.accuracy_log import Answers
from pytest_mlperf.metrics.base import ScoresParts
from pytest_mlperf.results.document import Document, read_document
from pytest_mlperf.rules.accuracy import Accuracy
from pytest_mlperf.rules.log_files import ACCURACY_LOG
from pytest_mlperf.rules.performance import performance_of
from pytest_mlperf.rules.reading.read import read_run
from pytest_mlperf.run.case import ACCURACY, PERFORMANCE
from pytest_mlperf.run.directories import RESULTS
from pytest_mlperf.run.result import RunResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.metrics.base import Metric

_RUN = "run.json"
_NUMBERED = re.compile(rf"-({ACCURACY}|{PERFORMANCE})(-\d+)?$")


def is_session(directory: Path) -> bool:
    """Return whether a directory is one that a session has left."""
    return (directory / RESULTS).is_file() or any(directory.glob(f"*/{_RUN}"))


def read_session(directory: Path) -> Document:
    """Return the results of the session that a directory is of, which may have been moved since.

    Raises
    ------
    StoredResultsError
        There are none, or they cannot be read.
    """
    if (directory / RESULTS).is_file():
        document = read_document(directory / RESULTS)
        return structs.replace(document, results=tuple(_moved(each, directory) for each in document.results))
    results = tuple(sorted(_rebuilt(directory), key=lambda each: (each.case, each.mode)))
    if not results:
        raise StoredResultsError(
            f"there are no results in {directory}",
            expected=f"{RESULTS}, or directories of runs with {_RUN} and LoadGen's logs",
            found="neither",
            fix="name the directory of a session, such as mlperf-results/20260301-090000",
        )
    return Document(pytest_mlperf=__version__, results=results)


def _moved(result: RunResult, directory: Path) -> RunResult:
    """Return a result with the place where its run's directory is now; that of a reused one is an earlier session's."""
    if result.reused is not None:
        return result
    there = directory / Path(result.output).name
    return structs.replace(result, output=str(there)) if result.output and there.is_dir() else result


def _rebuilt(directory: Path) -> Iterator[RunResult]:
    """Yield what the logs of each run say."""
    for path in sorted(directory.glob(f"*/{_RUN}")):
        try:
            spec = msgspec.json.decode(path.read_bytes(), type=RunSpec)
        except (OSError, msgspec.MsgspecError) as error:
            raise StoredResultsError(
                f"a run cannot be read: {path}",
                expected="the run.json that a session wrote",
                found=f"{type(error).__name__}: {error}",
                fix="remove the directory of this run, or get it again from where it is kept",
            ) from error
        if spec.mode in (ACCURACY, PERFORMANCE) and not spec.audit:
            yield _of_logs(path.parent, spec)


def _of_logs(directory: Path, spec: RunSpec) -> RunResult:
    """Return what a run's logs say. Its rules and its target are not judged: only the session knew all of them."""
    name, edition = _benchmark(spec.benchmark)
    found = RunResult(
        case=_NUMBERED.sub("", directory.name),
        benchmark=name,
        edition=edition,
        implementation="",
        backend=spec.backend_name,
        device=spec.device,
        scenario=spec.scenario,
        mode=spec.mode,
        run_length=spec.run_length,
        verdict="failed",
        round=spec.round.name if spec.round else "",
        output=str(directory),
        precision=spec.precision,
        variant=spec.variant,
        model=spec.model,
        model_sha256=spec.model_sha256,
        dataset=spec.dataset,
    )
    notes = (f"{directory.name}: read from LoadGen's logs; rules and target were not judged",)
    if spec.mode == PERFORMANCE:
        figures = performance_of(spec.scenario, read_run(directory).detail)
        if figures.value is None:
            return structs.replace(found, notes=(*notes, f"{directory.name}: LoadGen's log has no result"))
        verdict = "VALID" if figures.valid else "INVALID"
        return structs.replace(found, verdict=verdict, performance=figures, notes=notes)
    try:
        return structs.replace(found, verdict="not judged", accuracy=_scored(directory, spec), notes=notes)
    except MLPerfError as error:
        return structs.replace(found, notes=(*notes, f"{directory.name}: {error.what}; {error.found}"))


def _scored(directory: Path, spec: RunSpec) -> Accuracy:
    with raised_elsewhere(f"the answers in {directory / ACCURACY_LOG} cannot be scored"):
        benchmark = resolve_name(spec.benchmark)
        metric = over(benchmark.metric, spec.sample_count)
        answers = Answers(directory / ACCURACY_LOG, last=getattr(metric, "last_record_counts", False))
        values = {name: float(value) for name, value in metric.score(answers, Path(spec.dataset)).items()}
        return Accuracy(
            metric=metric.name,
            unit=metric.unit,
            value=values[metric.name],
            limits=(),
            samples=answers.count,
            dataset_size=benchmark.dataset.size or answers.count,
            values=values,
            text=metric.text(values),
        )


def over(metric: Metric, samples: int) -> Metric:
    """Return a metric as it is of the first samples of a data set."""
    return metric.over(samples) if isinstance(metric, ScoresParts) else metric


def _benchmark(reference: str) -> tuple[str, str]:
    """Return the name and the edition of an installed benchmark, by its reference; the reference if there is none."""
    from pytest_mlperf.registry import Registry

    registry = Registry()
    name = next((name for name, point in registry.benchmarks.items() if point.value == reference), "")
    try:
        return (name, registry.benchmark(name).edition) if name else (reference, "")
    except MLPerfError:
        return name, ""

"""From a finished run to its result: the logs are read, the metric is computed, the rules are asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.metrics.accuracy_log import Answers
from pytest_mlperf.rules.accuracy import Accuracy, check_limits
from pytest_mlperf.rules.detail_log import DetailLog, read_detail_log
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.length import Needed, check_accuracy_length, check_performance_length
from pytest_mlperf.rules.log_files import ACCURACY_LOG, DETAIL_LOG
from pytest_mlperf.rules.performance import Performance, performance_of
from pytest_mlperf.rules.validity import check_log, check_validity
from pytest_mlperf.run.result import RunResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.errors import MLPerfError
    from pytest_mlperf.implementations.protocol import RunSpec
    from pytest_mlperf.run.case import Case
    from pytest_mlperf.run.child import Finished


@dataclass(frozen=True)
class Run:
    """What was run, before it has a result."""

    case: Case
    spec: RunSpec
    model_sha256: str
    notes: tuple[str, ...]


def judge(run: Run, finished: Finished) -> RunResult:
    """Return the result of a run that ended well.

    Raises
    ------
    AccuracyLogError, DatasetError
        The accuracy log cannot be scored.
    """
    log = read_detail_log(Path(run.spec.output) / DETAIL_LOG)
    return _accuracy(run, finished, log) if run.case.mode == "accuracy" else _performance(run, finished, log)


def failed(run: Run, error: MLPerfError) -> RunResult:
    """Return the result of a run that has none, for the summary."""
    finding = Finding(
        rule="run",
        severity="error",
        what=error.what,
        expected=error.expected or "a finished run",
        found=error.found,
        fix=error.fix,
    )
    return _result(run, verdict="failed", findings=(finding,), run_length=run.spec.run_length)


def score(run: Run, accuracy_log: Path) -> Accuracy:
    """Return the metric over an accuracy log, against the case's limits.

    Raises
    ------
    AccuracyLogError, DatasetError
        The log cannot be scored.
    """
    plan = run.case.plan
    metric = plan.benchmark.metric
    answers = Answers(accuracy_log)
    values = {name: float(value) for name, value in metric.score(answers, Path(run.spec.dataset)).items()}
    return Accuracy(
        metric=metric.name,
        unit=metric.unit,
        value=values[metric.name],
        limits=plan.limits,
        samples=answers.count,
        dataset_size=plan.dataset_size,
        values=values,
        text=metric.text(values),
    )


def _accuracy(run: Run, finished: Finished, log: DetailLog) -> RunResult:
    accuracy = score(run, Path(run.spec.output) / ACCURACY_LOG)
    broken = (*check_log(log), *_check_samples(run, accuracy.samples))
    missed = tuple(check_limits(accuracy.values, accuracy.limits))
    lacks = tuple(check_accuracy_length(accuracy))
    reached = "reached" if accuracy.comparable else "not comparable"
    return _result(
        run,
        verdict="failed" if broken else "below target" if missed else reached,
        accuracy=accuracy,
        findings=(*broken, *missed, *lacks),
        run_length="short" if lacks else run.spec.run_length,
        finished=finished,
    )


def _check_samples(run: Run, scored: int) -> Iterator[Finding]:
    if scored != run.spec.sample_count:
        yield Finding(
            rule="accuracy-samples",
            severity="error",
            what=f"{ACCURACY_LOG} does not have every sample",
            expected=f"{run.spec.sample_count:,} samples",
            found=f"{scored:,}",
            fix="run again; look at worker.log for what went wrong",
        )


def _performance(run: Run, finished: Finished, log: DetailLog) -> RunResult:
    figures = performance_of(run.case.scenario, log)
    errors = (*check_log(log), *check_validity(run.case.scenario, log))
    official = finished.result.official
    lacks: tuple[Finding, ...] = ()
    if official is not None:
        needed = Needed(
            min_duration_ms=official.min_duration_ms,
            min_query_count=official.min_query_count,
            performance_sample_count=official.performance_sample_count,
        )
        lacks = tuple(check_performance_length(run.case.scenario, log, needed))
    return _result(
        run,
        verdict="VALID" if figures.valid and not errors else "INVALID",
        performance=figures,
        findings=(*errors, *lacks),
        run_length="short" if lacks else run.spec.run_length,
        finished=finished,
    )


def _result(
    run: Run,
    *,
    verdict: str,
    findings: tuple[Finding, ...],
    run_length: str,
    finished: Finished | None = None,
    accuracy: Accuracy | None = None,
    performance: Performance | None = None,
) -> RunResult:
    case, plan, worker = run.case, run.case.plan, finished.result if finished else None
    return RunResult(
        case=case.in_mode(case.mode).id,
        benchmark=case.benchmark,
        edition=plan.benchmark.edition,
        official_name=plan.benchmark.official_name,
        precision=case.precision,
        variant=plan.model.variant,
        input_types=tuple(dict.fromkeys(t.dtype for graph in plan.model.graphs for t in graph.inputs)),
        weight_types=worker.weight_types if worker else (),
        implementation=case.implementation,
        backend=case.backend,
        device=worker.device if worker else case.device,
        scenario=case.scenario,
        mode=case.mode,
        test=case.test,
        run_length=run_length,
        verdict=verdict,
        round=run.spec.round.name if run.spec.round else "",
        accuracy=accuracy,
        performance=performance,
        findings=findings,
        notes=run.notes + (worker.notes if worker else ()),
        output=run.spec.output,
        model=run.spec.model,
        model_sha256=run.model_sha256,
        dataset=run.spec.dataset,
        layout=worker.layout if worker else None,
        versions=worker.versions if worker else {},
        seconds={
            **(worker.seconds if worker else {}),
            **({"wall": finished.wall_seconds} if finished else {}),
        },
        peak_memory_bytes=worker.peak_memory_bytes if worker else 0,
    )

"""Makes the result of a finished run: reads the logs, computes the metric, checks the rules."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.errors import AccuracyLogError
from pytest_mlperf.metrics.accuracy_log import Answers
from pytest_mlperf.rules.accuracy import Accuracy
from pytest_mlperf.rules.asked import Asked, asked_by_round
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.judge import is_short, judge_accuracy_run, judge_performance_run
from pytest_mlperf.rules.log_files import ACCURACY_LOG
from pytest_mlperf.rules.performance import Performance, performance_of
from pytest_mlperf.rules.reading.read import read_run
from pytest_mlperf.run.advice import ADVICE
from pytest_mlperf.run.result import RunResult

if TYPE_CHECKING:
    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.errors import MLPerfError
    from pytest_mlperf.implementations.protocol import OfficialLength, RunSpec
    from pytest_mlperf.rules.reading.submission import Run as LoadGenRun
    from pytest_mlperf.run.case import Case
    from pytest_mlperf.run.child import Finished


@dataclass(frozen=True)
class Run:
    """A run without its result."""

    case: Case
    spec: RunSpec
    model: ModelFile
    model_sha256: str
    notes: tuple[str, ...]


def judge(run: Run, finished: Finished) -> RunResult:
    """Return the result of a finished run.

    Raises
    ------
    AccuracyLogError, DatasetError
        The accuracy log cannot be scored.
    """
    left = read_run(Path(run.spec.output))
    return _accuracy(run, finished, left) if run.case.mode == "accuracy" else _performance(run, finished, left)


def failed(run: Run, error: MLPerfError) -> RunResult:
    """Return a result for a failed run, for the summary."""
    finding = Finding(
        rule="run-finished",
        what=error.what,
        expected=error.expected or "a finished run",
        found=error.found,
        fix=error.fix,
    )
    return _result(run, verdict="failed", findings=(finding,), run_length=run.spec.run_length)


def score(run: Run, accuracy_log: Path) -> Accuracy:
    """Compute the metric of an accuracy log, with the case's limits.

    Raises
    ------
    AccuracyLogError, DatasetError
        The log cannot be scored.
    """
    plan = run.case.plan
    metric = plan.benchmark.metric
    answers = Answers(accuracy_log)
    values = {name: float(value) for name, value in metric.score(answers, Path(run.spec.dataset)).items()}
    try:
        value, text = values[metric.name], metric.text(values)
    except KeyError as missing:
        raise AccuracyLogError(
            f"the metric {metric.name} of {run.case.benchmark} cannot be stated",
            expected=f"a value {missing.args[0]}",
            found=", ".join(values) or "none",
            fix="let the metric's score() return it",
        ) from missing
    return Accuracy(
        metric=metric.name,
        unit=metric.unit,
        value=value,
        limits=plan.limits,
        samples=answers.count,
        dataset_size=plan.dataset_size,
        values=values,
        text=text,
    )


def _asked(run: Run, official: OfficialLength | None) -> Asked:
    """Return the requirements of the round, or of LoadGen's built-in configuration if there is no round.

    The data set's size is the benchmark's: a tiny edition has another data set than the round.
    """
    plan = run.case.plan
    if plan.round is not None:
        by_round = asked_by_round(plan.round, plan.rules, run.case.test)
        return structs.replace(by_round, dataset_size=plan.dataset_size)
    if official is None:
        return Asked(dataset_size=plan.dataset_size)
    offline = run.case.scenario == "Offline"
    return Asked(
        min_duration_ms=official.min_duration_ms,
        min_queries={} if offline else {run.case.scenario: official.min_query_count},
        samples_per_query=official.min_query_count if offline else None,
        performance_sample_count=official.performance_sample_count,
        dataset_size=plan.dataset_size,
    )


def _accuracy(run: Run, finished: Finished, left: LoadGenRun) -> RunResult:
    accuracy = score(run, Path(run.spec.output) / ACCURACY_LOG)
    asked = _asked(run, finished.result.official)
    findings = judge_accuracy_run(
        left, run.case.scenario, asked, accuracy, samples=run.spec.sample_count, advice=ADVICE
    )
    broken = {finding.rule for finding in findings if finding.severity == "error"}
    reached = "reached" if accuracy.comparable else "not comparable"
    return _result(
        run,
        verdict="below target" if broken == {"accuracy-target"} else "failed" if broken else reached,
        accuracy=accuracy,
        findings=findings,
        run_length="short" if is_short(findings) else run.spec.run_length,
        finished=finished,
    )


def _performance(run: Run, finished: Finished, left: LoadGenRun) -> RunResult:
    figures = performance_of(run.case.scenario, left.detail)
    asked = _asked(run, finished.result.official)
    findings = judge_performance_run(left, run.case.scenario, asked, test=run.case.test, advice=ADVICE)
    broken = any(finding.severity == "error" for finding in findings)
    return _result(
        run,
        verdict="VALID" if figures.valid and not broken else "INVALID",
        performance=figures,
        findings=findings,
        run_length="short" if is_short(findings) else run.spec.run_length,
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
        precision=run.model.precision,
        variant=run.model.variant,
        input_types=tuple(dict.fromkeys(t.dtype for graph in run.model.graphs for t in graph.inputs)),
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

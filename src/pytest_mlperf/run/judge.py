"""Makes the result of a finished run: reads the logs, computes the metric, checks the rules."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from pytest_mlperf.errors import AccuracyLogError, ModelError, raised_elsewhere
from pytest_mlperf.implementations.protocol import CHECKS_FILE, Checks
from pytest_mlperf.metrics.accuracy_log import Answers
from pytest_mlperf.rules.accuracy import Accuracy
from pytest_mlperf.rules.asked import Asked, asked_by_round
from pytest_mlperf.rules.checks.case import Measured
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.judge import is_bent, is_short, judge_accuracy_run, judge_performance_run
from pytest_mlperf.rules.log_files import ACCURACY_LOG
from pytest_mlperf.rules.performance import Performance, performance_of
from pytest_mlperf.rules.reading.read import read_run
from pytest_mlperf.run.advice import ADVICE
from pytest_mlperf.run.case import CONFORMANCE
from pytest_mlperf.run.result import RunResult
from pytest_mlperf.secrecy import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.artifacts.content import Content
    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.errors import MLPerfError
    from pytest_mlperf.implementations.protocol import OfficialLength, RunSpec
    from pytest_mlperf.machine.use import MachineUse
    from pytest_mlperf.rules.reading.submission import Run as LoadGenRun
    from pytest_mlperf.run.case import Case
    from pytest_mlperf.run.child import Finished


@dataclass(frozen=True)
class Run:
    """A run without its result; ``data`` is what its data set held before it."""

    case: Case
    spec: RunSpec
    model: ModelFile
    notes: tuple[str, ...]
    data: Content | None = None

    @property
    def dataset_sha256(self) -> str:
        """The digest of the data set's files; empty if nobody says which they are."""
        return self.data.sha256 if self.data is not None else ""


def judge(run: Run, finished: Finished) -> RunResult:
    """Return the result of a finished run.

    Raises
    ------
    AccuracyLogError, DatasetError
        The accuracy log cannot be scored.
    ModelError
        The implementation loaded another model, or does not say which.
    """
    _require_model(run, finished)
    if run.case.mode == CONFORMANCE:
        return _conformance(run, finished)
    left = read_run(Path(run.spec.output))
    return _accuracy(run, finished, left) if run.case.mode == "accuracy" else _performance(run, finished, left)


def _require_model(run: Run, finished: Finished) -> None:
    if finished.result.model_sha256 != run.spec.model_sha256:
        raise ModelError(
            f"the run loaded another model than {run.spec.model}",
            expected=f"SHA-256 {run.spec.model_sha256}",
            found=f"SHA-256 {finished.result.model_sha256}" if finished.result.model_sha256 else "none in result.json",
            fix=f"have the implementation {run.case.implementation} write the digest of what it loaded",
        )


def located(run: Run, error: MLPerfError) -> MLPerfError:
    """Return an error of the conformance suite with the check in which it happened."""
    left = Path(run.spec.output) / CHECKS_FILE
    if run.case.mode != CONFORMANCE or not left.is_file():
        return error
    checks = msgspec.json.decode(left.read_bytes(), type=Checks)
    bad = [f"{check.name} (found: {check.said})" for check in checks.done if check.outcome == "failed"]
    before = f"\nfailed before: {', '.join(bad)}" if bad else ""
    what = f"{error.what}, during {checks.running}" if checks.running else error.what
    return type(error)(what, expected=error.expected, found=error.found, fix=f"{error.fix}{before}")


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
    answers = Answers(accuracy_log, last=getattr(metric, "last_record_counts", False))
    with raised_elsewhere(f"the metric {metric.name} of {run.case.benchmark} cannot be computed"):
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
        limits=plan.limits if _is_the_references_data(run) else (),
        samples=answers.count,
        dataset_size=plan.dataset_size,
        values=values,
        text=text,
    )


def _is_the_references_data(run: Run) -> bool:
    """Return whether the limits may be held against the run: they are not known to be those of other data."""
    known = run.case.plan.benchmark.reference_data(run.spec.sample_count)
    return known is None or known == run.dataset_sha256


def _asked(run: Run, official: OfficialLength | None) -> Asked:
    """Return the requirements of the round, or of LoadGen's built-in configuration if there is no round.

    The data set's size is the benchmark's: a tiny edition has another data set than the round.
    """
    plan = run.case.plan
    if plan.round is not None:
        by_round = asked_by_round(plan.round, plan.benchmark.official_name, run.case.test)
        return structs.replace(by_round, dataset_size=plan.dataset_size)
    if official is None:
        return Asked(dataset_size=plan.dataset_size)
    scenario = run.case.scenario
    offline = scenario == "Offline"
    return Asked(
        min_duration_ms=official.min_duration_ms,
        min_queries={} if offline else {scenario: official.min_query_count},
        percentiles={} if offline else {scenario: official.target_latency_percentile},
        query_sizes={} if offline else {scenario: official.samples_per_query},
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
    other_data = f"{run.case.benchmark} was scored on other data than its reference is known for: {run.spec.dataset}"
    return _result(
        run,
        verdict="below target" if broken == {"accuracy-target"} else "failed" if broken else reached,
        accuracy=accuracy,
        findings=findings,
        run_length="short" if is_short(findings) else run.spec.run_length,
        finished=finished,
        notes=() if _is_the_references_data(run) else (other_data,),
    )


def _performance(run: Run, finished: Finished, left: LoadGenRun) -> RunResult:
    figures = performance_of(run.case.scenario, left.detail)
    asked = _asked(run, finished.result.official)
    measured = Measured(
        clock=finished.result.clock,
        busy=finished.machine.busy if finished.machine is not None and run.spec.require_quiet else (),
    )
    findings = judge_performance_run(
        left, run.case.scenario, asked, test=run.case.test, measured=measured, advice=ADVICE
    )
    broken = any(finding.severity == "error" for finding in findings)
    return _result(
        run,
        verdict="INVALID" if broken or not figures.valid else "not comparable" if is_bent(findings) else "VALID",
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
    notes: tuple[str, ...] = (),
) -> RunResult:
    case, plan, worker = run.case, run.case.plan, finished.result if finished else None
    machine = finished.machine if finished else None
    return RunResult(
        case=case.in_mode(case.mode).id,
        benchmark=case.benchmark,
        edition=plan.benchmark.edition,
        official_name=plan.benchmark.official_name,
        precision=case.precision,
        variant=run.model.variant,
        label=case.label,
        input_types=tuple(dict.fromkeys(t.dtype for graph in run.model.graphs for t in graph.inputs)),
        weight_types=worker.weight_types if worker else (),
        implementation=case.implementation,
        backend=case.backend,
        device=worker.device if worker else case.device,
        scenario=case.scenario,
        mode=case.mode,
        test=case.test,
        repetition=case.repetition.number,
        repetitions=case.repetition.of,
        run_length=run_length,
        verdict=verdict,
        round=run.spec.round.name if run.spec.round else "",
        accuracy=accuracy,
        performance=performance,
        findings=findings,
        notes=(*run.notes, *(worker.notes if worker else ()), *notes, *_busy_notes(run, machine)),
        output=run.spec.output,
        model=without_secrets(run.spec.model),
        model_sha256=worker.model_sha256 if worker else run.spec.model_sha256,
        dataset=run.spec.dataset,
        dataset_sha256=run.dataset_sha256,
        layout=worker.layout if worker else None,
        versions=worker.versions if worker else {},
        seconds={
            **(worker.seconds if worker else {}),
            **({"wall": finished.wall_seconds} if finished else {}),
        },
        peak_memory_bytes=worker.peak_memory_bytes if worker else 0,
        clock=worker.clock if worker else None,
        machine=machine,
        checks=worker.checks if worker else (),
        network=worker.network if worker else None,
        turns=worker.turns if worker else None,
        pilot=worker.pilot if worker else (),
        promise=worker.promise if worker else None,
        process=worker.process if worker else {},
        latencies=worker.latencies if worker else None,
        timeline=worker.timeline if worker else None,
        cluster=worker.cluster if worker else None,
        host=platform.node(),
    )


def _conformance(run: Run, finished: Finished) -> RunResult:
    findings = tuple(
        Finding(
            rule="conformance",
            what=f"{run.case.backend} does not pass the check {check.name}",
            expected=check.expected,
            found=check.said,
            fix=check.fix,
        )
        for check in finished.result.checks
        if check.outcome == "failed"
    )
    verdict = "does not conform" if findings else "conforms"
    return _result(run, verdict=verdict, findings=findings, run_length=run.spec.run_length, finished=finished)


def _busy_notes(run: Run, machine: MachineUse | None) -> Iterator[str]:
    if machine is not None and machine.busy:
        yield f"{run.case.id}: busy machine: {'; '.join(machine.busy)}"

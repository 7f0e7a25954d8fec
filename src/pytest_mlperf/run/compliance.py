"""Judges a finished compliance test against the case's other runs and writes its directory for a submission."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.artifacts.fetching import place as place_file
from pytest_mlperf.errors import RunError
from pytest_mlperf.implementations.protocol import USER_CONF_FILE
from pytest_mlperf.metrics.accuracy_log import copy_entries
from pytest_mlperf.rules.agreement import (
    AnswerAgreement,
    AnswerCounts,
    accuracy_delta,
    compare_answers,
    compare_figures,
    samples_of,
)
from pytest_mlperf.rules.detail_log import read_detail_log
from pytest_mlperf.rules.judge import judge_agreement
from pytest_mlperf.rules.log_files import ACCURACY_LOG, DETAIL_LOG, SUMMARY_LOG
from pytest_mlperf.rules.performance import RESULT_FIELDS
from pytest_mlperf.run.advice import ADVICE
from pytest_mlperf.run.directories import unwritable
from pytest_mlperf.run.judge import judge, score
from pytest_mlperf.run.result import Compliance, RunResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.rules.accuracy import Accuracy
    from pytest_mlperf.rules.agreement import FigureAgreement
    from pytest_mlperf.rules.audit import Audit
    from pytest_mlperf.run.child import Finished
    from pytest_mlperf.run.judge import Run

#: Ratio of accuracies that passes for a benchmark that is in no round.
TOLERANCE = 0.99
BASELINE_LOG = "mlperf_log_accuracy_baseline.json"


@dataclass(frozen=True)
class References:
    """The runs that a compliance test is compared with; ``accuracy`` only if answers are compared."""

    performance: RunResult
    accuracy: RunResult | None = None

    def check(self) -> None:
        """Raise before the test, which may take hours, if a run cannot be used for comparison.

        Raises
        ------
        RunError
            One of them has no result, or the performance run is not valid.
        """
        for result in filter(None, (self.accuracy, self.performance)):
            if result.verdict in ("failed", "INVALID"):
                raise RunError(
                    f"there is no {result.mode} run to compare with",
                    expected=f"a valid {result.mode} run of {result.case}",
                    found=f"{result.verdict}, " + "; ".join(error.what for error in result.errors),
                    fix=f"fix that run first; its files are in {result.output}",
                )

    def check_files(self, tested: RunResult) -> None:
        """Raise if the test ran another model or on another data set than one of them.

        Raises
        ------
        RunError
            Their digests differ.
        """
        for result in filter(None, (self.accuracy, self.performance)):
            for what, expected, found in (
                ("model", result.model_sha256, tested.model_sha256),
                ("data set", result.dataset_sha256, tested.dataset_sha256),
            ):
                if expected != found:
                    raise RunError(
                        f"the {what} is not that of the {result.mode} run which the test is compared with",
                        expected=f"SHA-256 {expected}",
                        found=f"SHA-256 {found}",
                        fix="leave model and data set alone while a session runs, and run it again",
                    )


def needs_answers(test: str) -> bool:
    """Return whether a test compares answers with those of the accuracy run."""
    return test == "TEST01"


def as_tested(run: Run, audit: Audit, performance: RunResult) -> Run:
    """Return the test's run: the performance run with its layout and its user.conf, and the audit.config."""
    spec = structs.replace(
        run.spec,
        mode="performance",
        audit=audit.text,
        layout=performance.layout,
        # An option would win over that user.conf.
        target_qps=performance.peak[-1].rate if performance.peak else run.spec.target_qps,
        user_conf=str(Path(performance.output) / USER_CONF_FILE),
    )
    if audit.seeds is not None and spec.round is not None:
        spec = structs.replace(spec, round=structs.replace(spec.round, **structs.asdict(audit.seeds)))
    return replace(run, spec=spec)


def judge_compliance(run: Run, finished: Finished, references: References) -> RunResult:
    """Return the result of a finished compliance test, and write its directory.

    Raises
    ------
    ModelError, RunError
        The test ran another model, or on another data set.
    AccuracyLogError, DatasetError
        The accuracy log of either run cannot be compared or scored.
    OutputError
        The test's directory cannot be written.
    """
    result, test = judge(run, finished), run.case.test
    references.check_files(result)
    reference_log = read_detail_log(Path(references.performance.output) / DETAIL_LOG)
    figures = compare_figures(
        test, run.case.scenario, reference_log, read_detail_log(Path(run.spec.output) / DETAIL_LOG)
    )
    answers = _compared_answers(run, references.accuracy) if references.accuracy is not None else None
    try:
        directory = _lay_out(run, figures, answers)
    except OSError as error:
        raise unwritable(Path(run.spec.output), "--mlperf-output", error) from error
    findings = (
        *result.findings,
        *judge_agreement(
            test,
            figures,
            answers.agreement if answers is not None else None,
            short=result.run_length == "short",
            advice=ADVICE,
        ),
    )
    judged = structs.replace(
        result,
        findings=findings,
        notes=(*result.notes, *(answers.notes(run) if answers is not None else ())),
        compliance=_compliance(run, result, references, figures, answers, directory),
    )
    comparable = "TEST PASS" if figures.agree and result.verdict != "not comparable" else "not comparable"
    return structs.replace(judged, verdict="TEST FAIL" if judged.errors else comparable)


@dataclass(frozen=True)
class _Answers:
    """TEST01's comparison of the answers; ``baseline`` is set if some differ."""

    counts: AnswerCounts
    compliance: Accuracy
    baseline: Accuracy | None
    allowed: float

    @property
    def delta(self) -> float:
        """The relative difference of the accuracy."""
        return accuracy_delta(self.baseline.value, self.compliance.value) if self.baseline is not None else 0.0

    @property
    def agreement(self) -> AnswerAgreement:
        """The agreement as the rules judge it."""
        return AnswerAgreement(self.counts, self.delta, self.allowed)

    def notes(self, run: Run) -> Iterator[str]:
        """Yield a note for a test whose answers differ but whose accuracy passes."""
        if self.baseline is not None and self.agreement.agree:
            yield (
                f"{run.case.id}: {self.counts.different:,} of {self.counts.matched:,} answers differ from the "
                f"accuracy run; accuracy passes: {self.compliance.shown(self.compliance.value)}, "
                f"accuracy run {self.baseline.shown(self.baseline.value)}"
            )


def _compared_answers(run: Run, accuracy: RunResult) -> _Answers:
    output, whole = Path(run.spec.output), Path(accuracy.output) / ACCURACY_LOG
    counts = compare_answers(whole, output / ACCURACY_LOG)

    baseline = None
    if counts.different:
        copy_entries(whole, samples_of(output / ACCURACY_LOG), output / BASELINE_LOG)
        baseline = score(run, output / BASELINE_LOG)
    compliance = score(run, output / ACCURACY_LOG)
    rules = run.case.plan.rules
    tolerance = rules.tolerance if rules is not None else None
    return _Answers(counts, compliance, baseline, 1 - (tolerance if tolerance is not None else TOLERANCE))


def _compliance(
    run: Run,
    result: RunResult,
    references: References,
    figures: FigureAgreement,
    answers: _Answers | None,
    directory: Path,
) -> Compliance:
    field = RESULT_FIELDS[run.case.scenario]
    measured = references.performance.performance
    return Compliance(
        test=run.case.test,
        directory=str(directory),
        performance_run=references.performance.output,
        accuracy_run=references.accuracy.output if references.accuracy is not None else "",
        reference=measured.value if measured is not None else None,
        tested=result.performance.value if result.performance is not None else None,
        unit=field.unit,
        figures_agree=figures.agree,
        answers=answers.counts.matched if answers is not None else None,
        different=answers.counts.different if answers is not None else None,
        baseline_accuracy=answers.baseline.value if answers is not None and answers.baseline is not None else None,
        compliance_accuracy=answers.compliance.value if answers is not None else None,
    )


def _lay_out(run: Run, figures: FigureAgreement, answers: _Answers | None) -> Path:
    """Write the test's directory as run_verification.py does; it is renamed when complete."""
    output = Path(run.spec.output)
    place, beside = output / run.case.test, output / f"{run.case.test}.part"
    logs = beside / "performance" / "run_1"
    logs.mkdir(parents=True)
    for name in (DETAIL_LOG, SUMMARY_LOG):
        place_file(output / name, logs / name)
    (beside / "verify_performance.txt").write_text(figures.text, "utf-8")
    if answers is not None:
        (beside / "verify_accuracy.txt").write_text(answers.counts.text, "utf-8")
        accuracy = beside / "accuracy"
        accuracy.mkdir()
        place_file(output / ACCURACY_LOG, accuracy / ACCURACY_LOG)
        texts = {"accuracy.txt": answers.compliance}
        if answers.baseline is not None:
            texts |= {"baseline_accuracy.txt": answers.baseline, "compliance_accuracy.txt": answers.compliance}
        for name, scored in texts.items():
            (accuracy / name).write_text(scored.text, "utf-8")
    beside.rename(place)
    return place

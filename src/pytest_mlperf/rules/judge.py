"""Judges one run by the checks that judge a submission's runs; what being short explains is a note."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.rules.accuracy import check_accuracy
from pytest_mlperf.rules.catalogue import catalogue
from pytest_mlperf.rules.checks.agreement import compliance_answers, compliance_figures
from pytest_mlperf.rules.checks.case import Measured, RunCase
from pytest_mlperf.rules.checks.every import check_run
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.log_files import ACCURACY_LOG
from pytest_mlperf.rules.severity import session_weight, weigh

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_mlperf.rules.accuracy import Accuracy
    from pytest_mlperf.rules.agreement import AnswerAgreement, FigureAgreement
    from pytest_mlperf.rules.asked import Asked
    from pytest_mlperf.rules.reading.submission import Run

#: Two runs of a few seconds differ by more than official ones may, for reasons that have nothing to do with the system
#: (on a busy machine a factor of two was seen in MultiStream). Below this one a short run's difference is a note.
SHORT_FACTOR = 3.0
NO_ADVICE: Mapping[str, str] = MappingProxyType({})
NOTHING_MEASURED = Measured()


def judge_performance_run(
    run: Run,
    scenario: str,
    asked: Asked,
    *,
    test: str = "",
    measured: Measured = NOTHING_MEASURED,
    advice: Mapping[str, str] = NO_ADVICE,
) -> tuple[Finding, ...]:
    """Return what a performance run does not meet.

    Parameters
    ----------
    run
        What LoadGen left.
    scenario
        The scenario that was asked for.
    asked
        What the round asks, or where there is none LoadGen.
    test
        The compliance test whose run it is.
    measured
        What was measured beside LoadGen.
    advice
        What the reader can do about a broken rule besides what its finding says, by rule.
    """
    case = RunCase(run, "performance", scenario, asked, test=test, measured=measured)
    found = tuple(check_run(case))
    return weigh(found, partial(session_weight, short=is_short(found)), advice)


def judge_accuracy_run(
    run: Run, scenario: str, asked: Asked, accuracy: Accuracy, *, samples: int, advice: Mapping[str, str] = NO_ADVICE
) -> tuple[Finding, ...]:
    """Return what an accuracy run does not meet: its logs, its answers, and its metric.

    Parameters
    ----------
    run, scenario, asked, advice
        As of a performance run.
    accuracy
        What its answers scored.
    samples
        How many samples it was to answer.
    """
    found = [
        *(
            _with_what_it_is_worth(finding, accuracy)
            for finding in check_run(RunCase(run, "accuracy", scenario, asked))
        ),
        *check_answers(accuracy.samples, samples),
        *check_accuracy(accuracy),
    ]
    return weigh(found, session_weight, advice)


def judge_agreement(
    test: str,
    figures: FigureAgreement,
    answers: AnswerAgreement | None,
    *,
    short: bool,
    advice: Mapping[str, str] = NO_ADVICE,
) -> tuple[Finding, ...]:
    """Return where a compliance test does not agree with the runs that it is about.

    Parameters
    ----------
    test
        ``TEST01``, ``TEST04``, ``TEST05``.
    figures, answers
        How they compare; None where the test compares no answers.
    short
        Whether the runs are short: then a difference that the machine may have made is a note.
    advice
        As of a performance run.
    """
    noise = short and 1 / SHORT_FACTOR < figures.ratio < SHORT_FACTOR
    off = weigh(compliance_figures(test, figures), lambda rule: "note" if noise else session_weight(rule), advice)
    return (*off, *weigh(compliance_answers(answers) if answers is not None else (), session_weight, advice))


def is_short(findings: Iterable[Finding]) -> bool:
    """Say whether a run is shorter, or of less data, than is asked."""
    return any(catalogue()[finding.rule].short for finding in findings)


def is_bent(findings: Iterable[Finding]) -> bool:
    """Say whether a run is another test than its scenario and its round mean."""
    return any(catalogue()[finding.rule].bends for finding in findings)


def check_answers(scored: int, samples: int) -> Iterator[Finding]:
    """Yield a finding when the accuracy log does not answer every sample of the run."""
    if scored != samples:
        yield Finding(
            rule="accuracy-answers",
            what=f"{ACCURACY_LOG} does not have every sample",
            expected=f"{samples:,} samples",
            found=f"{scored:,}",
            fix="repeat the run",
            file=ACCURACY_LOG,
        )


def _with_what_it_is_worth(finding: Finding, accuracy: Accuracy) -> Finding:
    """Say of the accuracy of a part what it was held against: that of the whole proves nothing about a part."""
    if finding.rule != "accuracy-samples" or accuracy.samples >= accuracy.dataset_size:
        return finding
    held = "the reference on the same part" if accuracy.comparable else "the target of the whole"
    return msgspec.structs.replace(finding, what=f"{finding.what}, and was held against {held}")

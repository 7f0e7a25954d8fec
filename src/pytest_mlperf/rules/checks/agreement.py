"""Whether a compliance test agrees with the runs that it is about, while their full logs are at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.log_files import ACCURACY_LOG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.rules.agreement import AnswerAgreement, FigureAgreement

#: Which way a figure may not be off, and what it means where it is.
_MEANS = {
    "TEST01": ("within {:.0%} of", "the system may work differently while its answers are looked at"),
    "TEST04": ("at most {:.0%} faster than", "the system may keep what it knows of a sample: turn that off"),
    "TEST05": ("at most {:.0%} slower than", "the system may be tuned to the round's seeds"),
}


def compliance_answers(answers: AnswerAgreement) -> Iterator[Finding]:
    """Yield a finding when the answers of TEST01 are neither the accuracy run's nor as good."""
    counts = answers.counts
    if answers.agree:
        return
    if counts.missing or not counts.matched:
        found = f"{counts.missing:,} of {counts.performance_entries:,} answers are to other samples"
    else:
        found = f"{counts.different:,} of {counts.matched:,} differ, and the accuracy by {answers.delta:.2%}"
    yield Finding(
        rule="compliance-accuracy",
        what="answers in performance mode are not those of the accuracy run",
        expected=f"the same bytes, or an accuracy within {answers.allowed:.2g} of the accuracy run's on these samples",
        found=found,
        fix="find out what the system does otherwise in performance mode, and repeat the test",
        file=ACCURACY_LOG,
    )


def compliance_figures(test: str, figures: FigureAgreement) -> Iterator[Finding]:
    """Yield a finding when a test's figure is too far from the performance run's."""
    if figures.agree:
        return
    expected, meaning = _MEANS[test]
    yield Finding(
        rule="compliance-performance",
        what=f"{test} does not agree with the performance run",
        expected=expected.format(figures.tolerance) + " the performance run",
        found=figures.refusal or f"{figures.worst:.0%} off",
        fix=f"run both on a machine that does nothing else; {meaning}",
        file="verify_performance.txt",
    )

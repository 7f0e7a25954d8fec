"""Checks what may be part of a submission of a division."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_mlperf.errors import SubmissionError
from pytest_mlperf.rules.reading.submission import DIVISIONS

if TYPE_CHECKING:
    from pytest_mlperf.submission.plan import Result, SubmissionPlan

#: No space, no dot at the start, no path separator.
_NAME = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9_.+-]*")


def check_plan(plan: SubmissionPlan) -> None:
    """Raise if the plan is not allowed in its division.

    Raises
    ------
    SubmissionError
        The first problem found.
    """
    if plan.division not in DIVISIONS:
        raise SubmissionError(
            f"there is no division {plan.division}",
            expected=f"one of {', '.join(DIVISIONS)}",
            found=f"{plan.division}",
            fix="choose one of these with --division",
        )
    _check_name(plan.submitter, "--submitter")
    _check_name(plan.system, "--hw-name")
    if not plan.results:
        raise SubmissionError(
            "there is nothing to submit",
            expected="at least one result with accuracy and performance",
            found="none",
            fix="select cases of both modes: leave --mode out",
        )
    places: dict[object, Result] = {}
    for result in plan.results:
        _check_result(plan, result)
        other = places.setdefault(plan.place(result), result)
        if other is not result:
            raise _two_in_a_place(plan, other, result)


def _check_name(name: str, option: str) -> None:
    if not _NAME.fullmatch(name):
        raise SubmissionError(
            f"{name!r} cannot be the name of a submission's directory",
            expected="letters, digits and _ . + -, with no dot at the start",
            found=(", ".join(sorted({repr(c) for c in name if not _NAME.fullmatch(c)})) or "nothing"),
            fix=f"give another name with {option}",
        )


def _check_result(plan: SubmissionPlan, result: Result) -> None:
    if result.performance.edition == "tiny" and plan.division != "open":
        raise SubmissionError(
            f"{result.model} cannot be submitted in {plan.division}",
            expected="the official model on the official data set",
            found="a tiny edition, which is for testing only",
            fix="use --division open, or run the official edition",
        )
    if not result.performance.official_name:
        raise SubmissionError(
            f"{result.model} cannot be submitted",
            expected="a benchmark with the official_name of one of MLPerf's",
            found="no official_name",
            fix="set official_name in the benchmark's description, and use --division open",
        )
    for run, mode, figures in (
        (result.accuracy, "accuracy", result.accuracy.accuracy),
        (result.performance, "performance", result.performance.performance),
    ):
        if run.mode != mode or figures is None:
            raise SubmissionError(
                f"{result.model} {result.scenario} has no {mode} run",
                expected=f"a finished run of mode {mode}",
                found=f"{run.mode}, {run.verdict}",
                fix="fix the failed run, and run the case in both modes: leave --mode out",
            )
    sides = {(run.benchmark, run.scenario, run.backend, run.device) for run in (result.accuracy, result.performance)}
    if len(sides) != 1:
        found = " and ".join(sorted(" ".join(side) for side in sides))
        raise SubmissionError(
            f"accuracy and performance of {result.model} are not from the same case",
            expected="the same benchmark, scenario, backend and device",
            found=found,
            fix="use both runs of one case",
        )
    _check_same_files(result)


def _check_same_files(result: Result) -> None:
    if result.accuracy.model_sha256 != result.performance.model_sha256:
        raise SubmissionError(
            f"accuracy and performance of {result.model} {result.scenario} ran different model files",
            expected=f"SHA-256 {result.accuracy.model_sha256}",
            found=f"{result.performance.model_sha256}",
            fix="run both modes with one --model-path",
        )
    if result.accuracy.dataset_sha256 != result.performance.dataset_sha256:
        raise SubmissionError(
            f"accuracy and performance of {result.model} {result.scenario} ran on different data sets",
            expected=f"SHA-256 {result.accuracy.dataset_sha256}",
            found=f"{result.performance.dataset_sha256}",
            fix="run both modes with one --dataset-path and one --dataset-size",
        )


def _two_in_a_place(plan: SubmissionPlan, one: Result, other: Result) -> SubmissionError:
    return SubmissionError(
        f"two results have the same place {plan.place(one)}",
        expected="one result for a model and a scenario",
        found=f"{one.performance.case} and {other.performance.case}",
        fix="select one with --backend, --device or --implementation, or submit them as two systems with --hw-name",
    )

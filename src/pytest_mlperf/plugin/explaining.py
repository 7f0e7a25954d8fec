"""Explains accuracy runs that fail for their accuracy, and puts the cause into their findings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.errors import BaselineError, OptionError
from pytest_mlperf.plugin.given import reference_of
from pytest_mlperf.rules.log_files import ACCURACY_LOG
from pytest_mlperf.run.case import ACCURACY

if TYPE_CHECKING:
    from pytest_mlperf.baselines.compare import Before
    from pytest_mlperf.metrics.outcomes import Outcomes
    from pytest_mlperf.run.case import Case
    from pytest_mlperf.run.result import RunResult

#: The rules of a run's accuracy.
_EXPLAINED = frozenset(("accuracy-target", "no-regression", "stated-reference"))


def needs_explaining(result: RunResult) -> bool:
    """Return whether a run failed for its accuracy, and nobody has said why."""
    return result.mode == ACCURACY and not result.explanation and any(e.rule in _EXPLAINED for e in result.errors)


def explained(case: Case, result: RunResult, before: Before | None) -> RunResult:
    """Return a result with an explanation beside its log, and with the cause in the last finding about its accuracy.

    Parameters
    ----------
    case, result
        A case, and its result, which failed for its accuracy.
    before
        What it was compared with; None if it was not, and then it is held against its reference.
    """
    from pytest_mlperf.explain.explain import explain
    from pytest_mlperf.explain.explanation import DIRECTORY, FILE, cause_text
    from pytest_mlperf.explain.failure import Failure

    directory = Path(result.output)
    outcomes = _outcomes(before)
    failure = Failure(
        case.plan.benchmark,
        directory / ACCURACY_LOG,
        Path(result.dataset),
        values=result.accuracy.values if result.accuracy is not None else {},
        before=outcomes,
        before_values=before.result.accuracy.values if before is not None and before.result.accuracy else {},
        same_model=before is not None and before.result.model_sha256 == result.model_sha256 != "",
        reference=_reference(case) if outcomes is None else None,
    )
    found = explain(failure, directory)
    file = directory / DIRECTORY / FILE
    if not file.exists():
        return structs.replace(result, notes=(*result.notes, *(f"not explained: {note}" for note in found.notes)))
    where = f"{len(found.samples)} samples that lost most: {file.parent}"
    words = "\n".join((cause_text(found), *found.notes, *([where] if found.samples else [])))
    last = max(place for place, finding in enumerate(result.findings) if finding.rule in _EXPLAINED)
    findings = list(result.findings)
    findings[last] = structs.replace(findings[last], fix=f"{words}\n{findings[last].fix}")
    return structs.replace(result, findings=tuple(findings), explanation=str(file))


def _outcomes(before: Before | None) -> Outcomes | None:
    """Return the outcomes of what a run was compared with; None if there are none."""
    try:
        return before.outcomes() if before is not None else None
    except BaselineError:  # the comparison has said so
        return None


def _reference(case: Case) -> float | None:
    """Return what the metric should reach; None if nobody states it."""
    try:
        return reference_of(case)
    except OptionError:
        return None

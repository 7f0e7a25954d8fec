"""What a comparison means for a result: an error for what is worse, a note for what cannot be decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.run.case import PERFORMANCE

if TYPE_CHECKING:
    from pytest_mlperf.gate.comparison import Comparison
    from pytest_mlperf.run.result import RunResult


def with_comparison(result: RunResult, found: Comparison, *, fix: str, undecided_fails: bool) -> RunResult:
    """Return a result with a comparison; what is worse fails it, and what cannot be decided is noted.

    Parameters
    ----------
    result, found
        The result and how it stands to the baseline.
    fix
        What the user can do about one that is worse.
    undecided_fails
        Whether what the samples cannot decide is an error.
    """
    result = structs.replace(result, comparison=found)
    if found.verdict == "worse" or (found.verdict == "undecided" and undecided_fails):
        finding = Finding(
            rule="no-regression",
            what=f"{result.case} {result.mode} {'is worse than' if found.verdict == 'worse' else 'may be worse than'}"
            f" the baseline {found.baseline}",
            expected=f"{_change(result, found.allowed)} at most",
            found=told(result, found),
            fix=fix if found.verdict == "worse" else _more(result, found),
        )
        return structs.replace(result, findings=(*result.findings, finding), verdict=found.verdict)
    if found.verdict in ("undecided", "not comparable"):
        note = f"{result.case} {result.mode}: {found.verdict}: {told(result, found)}"
        return structs.replace(result, notes=(*result.notes, note))
    return result


def told(result: RunResult, found: Comparison) -> str:
    """Return a comparison in words."""
    if found.verdict == "not comparable":
        return found.reason
    commit = f" ({found.commit[:10]})" if found.commit else ""
    figures = f"{found.figure} {_number(found.now)} after {_number(found.before)}{commit}"
    if found.drop is None or found.lower is None or found.upper is None:
        return figures
    bounds = f"{_number(found.lower)} to {_number(found.upper)}"
    sure = 100 * (1 - (found.alpha or 0))
    where = "in the long run" if result.mode == PERFORMANCE else "on all data"
    change = _change(result, found.drop)
    interval = f"{figures}: {change}, {where} {bounds} with {sure:.4g} % certainty at each end"
    return f"{interval}; {_more(result, found)}" if found.verdict == "undecided" else interval


def _change(result: RunResult, value: float) -> str:
    if result.mode == PERFORMANCE:
        return f"{_number(abs(value))} % {'slower' if value >= 0 else 'faster'}"
    unit = result.accuracy.unit if result.accuracy is not None else ""
    return f"a drop of {_number(value)}{' points' if unit == '%' else ''}"


def _more(result: RunResult, found: Comparison) -> str:
    what = "rounds" if result.mode == PERFORMANCE else "samples"
    if found.needed is None:
        return f"more {what} would tell"
    return f"{found.needed:,} {what} would tell, here are {found.samples:,}"


def _number(value: float | None) -> str:
    return f"{value:.4g}" if value is not None else "–"

"""The runs of each case of a session, and which of several is submitted."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_mlperf.run.case import ACCURACY, CONFORMANCE, PERFORMANCE
from pytest_mlperf.run.repeated import median_run, worst_run
from pytest_mlperf.run.result import RunResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass
class Pair:
    """The runs of one case.

    Attributes
    ----------
    accuracy
        The accuracy run.
    performances
        The performance runs by their repetition.
    compliance
        The directories of the compliance tests, by test.
    compared
        The directories of the performance runs that these were compared with.
    """

    accuracy: RunResult | None = None
    performances: dict[int, RunResult] = field(default_factory=dict)
    compliance: dict[str, Path] = field(default_factory=dict)
    compared: set[str] = field(default_factory=set)

    @property
    def performance(self) -> RunResult | None:
        """The performance run that is submitted, of several never the best.

        It is the run that the compliance tests were compared with; without any, the one with the median figure.
        """
        runs = list(self.performances.values())
        tested = [run for run in runs if run.output in self.compared]
        return next(iter(tested), None) or (median_run(runs) or worst_run(runs) if runs else None)

    @property
    def notes(self) -> Iterator[str]:
        """What is told of the performance run: which of several it is, and if it is an earlier session's."""
        run = self.performance
        if run is not None and run.repetitions > 1:
            tested = run.output in self.compared
            which = "which the compliance tests were compared with" if tested else "which has the median figure"
            yield f"{run.case}: run {run.repetition} of {run.repetitions} is packed, {which}"
        if run is not None and run.reused is not None:
            yield f"{run.case}: the performance run is that of {run.reused.session}, which ended {run.reused.finished}"

    @property
    def incomplete(self) -> str:
        """The error about a missing run; empty if the case is complete."""
        for mode, run, there in (
            (ACCURACY, self.accuracy, self.accuracy and self.accuracy.accuracy),
            (PERFORMANCE, self.performance, self.performance and self.performance.performance),
        ):
            if there is None:
                found = f"a run with the verdict {run.verdict}" if run is not None else "none"
                return (
                    f"a submission needs both runs of a case\nexpected: a finished {mode} run; found: {found}\n"
                    "see the failed item, or select both modes"
                )
        return ""


def pairs_of(results: Iterable[Mapping[str, Any]]) -> dict[str, Pair]:
    """Return the runs by case; where a case ran in several tests, the last run counts."""
    pairs: dict[str, Pair] = {}
    for result in msgspec.convert(
        [each for each in results if each["mode"] != CONFORMANCE and not each.get("label")], list[RunResult]
    ):
        pair = pairs.setdefault(result.case.removesuffix(f"-{result.test}"), Pair())
        if result.mode == ACCURACY:
            pair.accuracy = result
        elif result.mode == PERFORMANCE:
            pair.performances[result.repetition] = result
        elif result.compliance is not None:
            pair.compliance[result.test] = Path(result.compliance.directory)
            pair.compared.add(result.compliance.performance_run)
    return dict(sorted(pairs.items()))

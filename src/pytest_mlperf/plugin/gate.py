"""Holds results against a baseline, or against another model, and saves them: --mlperf-compare, --mlperf-save."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.baselines.compare import Allowed, Before, compare_accuracy, compare_performance, compare_turns
from pytest_mlperf.baselines.finding import with_comparison
from pytest_mlperf.baselines.left import Left, left_by
from pytest_mlperf.errors import BaselineError, OptionError
from pytest_mlperf.gate.verdict import corrected
from pytest_mlperf.run.case import ACCURACY, PERFORMANCE
from pytest_mlperf.run.directories import require_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_mlperf.baselines.entry import Entry
    from pytest_mlperf.baselines.stated import Stated
    from pytest_mlperf.baselines.store import Baseline
    from pytest_mlperf.gate.comparison import Comparison
    from pytest_mlperf.machine.fingerprint import Fingerprint
    from pytest_mlperf.plugin.options import Settings
    from pytest_mlperf.registry import Registry
    from pytest_mlperf.run.case import Case
    from pytest_mlperf.run.result import RunResult

_OF_BASELINES = ("--mlperf-update-baseline",)
_OF_COMPARISONS = ("--mlperf-undecided", "--mlperf-max-accuracy-drop", "--mlperf-max-slowdown")
APPROVE = "look at what was changed; --mlperf-update-baseline approves it"
LOOK = "look at what was changed"


class Gate:
    """The comparisons of a session.

    Parameters
    ----------
    settings
        The options in force.
    root
        The directory in which baselines are.
    stated
        What the project states of its cases.
    comparisons
        Returns how many results are compared in the session: the share of false alarms is that of all of them together.
    """

    def __init__(
        self, settings: Settings, root: Path, stated: Sequence[Stated], comparisons: Callable[[], int]
    ) -> None:
        self._settings = settings
        self._root = root
        self._stated = stated
        self._comparisons = comparisons
        self._allowed = Allowed(settings.max_accuracy_drop, settings.max_slowdown)
        self._old: dict[str, Before] = {}
        self._befores: dict[str, Before] = {}
        self._added: set[tuple[str, str]] = set()

    @cached_property
    def compared(self) -> Baseline | None:
        """The baseline that results are compared with; raises BaselineError if it is not there.

        --mlperf-update-baseline makes it if it is not there.
        """
        from pytest_mlperf.baselines.store import LATEST, PLACE, Baseline, find

        name = self._settings.compare
        if name is None:
            return None
        place = self._root / PLACE / name
        makes = self._settings.update_baseline is not None and name != LATEST and Path(name).name == name
        return Baseline(name, place) if makes and not place.exists() else find(name, self._root)

    @cached_property
    def saved(self) -> Baseline | None:
        """The baseline that results are saved in."""
        from pytest_mlperf.baselines.store import PLACE, Baseline

        name = self._settings.save
        return Baseline(name, self._root / PLACE / name) if name is not None else None

    @cached_property
    def machine(self) -> Fingerprint:
        """What the machine of the session is."""
        from pytest_mlperf.machine.fingerprint import read_fingerprint

        return read_fingerprint()

    @cached_property
    def commit(self) -> str:
        """The commit that is checked out."""
        from pytest_mlperf.baselines.store import commit_of

        return commit_of(self._root)

    def check(self) -> None:
        """Raise before the runs if there is no baseline to compare with, or none can be saved.

        Raises
        ------
        OptionError
            An option of the command line has no meaning without a comparison.
        BaselineError
            The baseline is not there.
        OutputError
            It cannot be written.
        """
        from pytest_mlperf.baselines.store import PLACE

        settings = self._settings
        if settings.compare is None:
            self._refuse(_OF_BASELINES, "--mlperf-compare NAME")
            if not settings.compare_model:
                self._refuse(_OF_COMPARISONS, "--mlperf-compare NAME, or --mlperf-compare-model FILE,")
        _ = self.compared
        for flag, given in (("--mlperf-save", settings.save), ("--mlperf-update-baseline", settings.update_baseline)):
            if given is not None:
                require_directory(self._root / PLACE, flag)

    def _refuse(self, flags: tuple[str, ...], needed: str) -> None:
        """Raise OptionError if one of these flags is on the command line."""
        given = self._settings.given
        for flag in flags:
            if flag in given and given[flag].origin == "command line":
                raise OptionError(
                    f"{flag} says what is done about a comparison, and there is none",
                    expected=f"{needed} beside it",
                    found=f"{flag} alone",
                    fix="name the baseline with --mlperf-compare, or save one with --mlperf-save",
                )

    def hold(self, case: Case, result: RunResult, run_old: Callable[[], RunResult]) -> RunResult:
        """Compare a finished run with the baseline or the other model, and save it, as the options say.

        Parameters
        ----------
        case, result
            A case and its result. One of another mode, or that failed, is neither compared nor saved.
        run_old
            Runs the case with the model of --mlperf-compare-model.

        Returns
        -------
        RunResult
            The result with the comparison, and with an error if it is worse.

        Raises
        ------
        BaselineError
            The baseline is not there or cannot be read.
        OutputError
            The baseline cannot be written.
        """
        if result.mode not in (ACCURACY, PERFORMANCE) or case.label or result.verdict == "failed":
            return result
        result = self._as_stated(result)
        if self.compared is None and self.saved is None and case.plan.old is None:
            return result
        left = left_by(case.plan.benchmark.metric, result) if result.mode == ACCURACY else Left()
        if case.plan.old is not None and (result.mode == PERFORMANCE or self.compared is None):
            result = self._held(result, self._with_model(case, case.plan.old, result, left, run_old), LOOK)
        elif self.compared is not None:
            result = self._with_baseline(self.compared, case, result, left)
        if self.saved is not None and not result.errors:
            self._save(self.saved, result, left)
        return result

    def stale(self, registry: Registry) -> Iterator[str]:
        """Yield a line for each case of the baseline that cannot be run any more: what it is of is not installed."""
        if self.compared is None:
            return
        for case, mode in sorted(self.compared.cases()):
            try:
                entry = self.compared.entry(case, mode)
            except BaselineError:  # its own item tells that
                continue
            if entry is not None and (gone := _gone(entry.result, registry)):
                yield f"stale in {self.compared.name}: {case} {mode}: there is no {gone} here"

    def _as_stated(self, result: RunResult) -> RunResult:
        """Return a result with what breaks the figures that the project states."""
        if not self._stated:
            return result
        from pytest_mlperf.baselines.stated import hold

        findings, notes = hold(result, self._stated, self.machine.processor)
        return structs.replace(
            result,
            findings=(*result.findings, *findings),
            notes=(*result.notes, *notes),
            verdict="not as stated" if findings and not result.errors else result.verdict,
        )

    def _held(self, result: RunResult, found: Comparison, fix: str) -> RunResult:
        return with_comparison(result, found, fix=fix, undecided_fails=self._settings.undecided == "fail")

    def before(self, case: Case) -> Before | None:
        """Return what the accuracy of a case was compared with; None if it was not."""
        return self._befores.get(case.id)

    @property
    def _alpha(self) -> float:
        return corrected(self._comparisons())

    def _with_model(
        self, case: Case, old: Path, result: RunResult, left: Left, run_old: Callable[[], RunResult]
    ) -> Comparison:
        """Return how a result stands to that of another model, which is run in the same session."""
        if result.mode == PERFORMANCE:
            return compare_turns(old.name, result, self._allowed, self._alpha)
        # The answers of a model do not depend on the scenario.
        key = case.id.replace(case.scenario, "")
        if key not in self._old:
            earlier = run_old()
            its = left_by(case.plan.benchmark.metric, earlier)
            self._old[key] = Before(old.name, "", earlier, its.sha256, lambda: its.outcomes)
        return self._accuracy(self._old[key], case, result, left)

    def _with_baseline(self, baseline: Baseline, case: Case, result: RunResult, left: Left) -> RunResult:
        """Return the result with how it stands to the baseline; put it there where the user approves."""
        update = self._settings.update_baseline
        entry = baseline.entry(result.case, result.mode)
        if entry is None:
            if update is not None and not result.errors:
                self._save(baseline, result, left)
                self._added.add((result.case, result.mode))
            what = "added to" if update is not None else "not in"
            return structs.replace(result, notes=(*result.notes, f"{case.id} {case.mode}: {what} {baseline.name}"))
        found = self._compared(baseline, entry, case, result, left)
        its_own = (result.case, result.mode) in self._added  # an earlier repetition of this session
        if (update == "all" or its_own) and not result.errors:
            self._save(baseline, result, left)
            found = structs.replace(found, verdict="approved") if found.verdict == "worse" else found
        return self._held(result, found, APPROVE)

    def _compared(self, baseline: Baseline, entry: Entry, case: Case, result: RunResult, left: Left) -> Comparison:
        if result.mode == PERFORMANCE:
            return compare_performance(baseline.name, entry, result, self.machine, self._allowed, self._alpha)
        before = Before(
            baseline.name,
            entry.commit,
            entry.result,
            entry.answers_sha256,
            lambda: baseline.outcomes(result.case, result.mode),
        )
        return self._accuracy(before, case, result, left)

    def _accuracy(self, before: Before, case: Case, result: RunResult, left: Left) -> Comparison:
        found = compare_accuracy(before, result, left, self._allowed, self._alpha)
        if found.drop is not None:
            self._befores[case.id] = before
        return found

    def _save(self, baseline: Baseline, result: RunResult, left: Left) -> None:
        from pytest_mlperf.run.directories import unwritable

        try:
            baseline.save(result, left.outcomes, left.sha256, self.machine, self.commit)
        except OSError as error:
            raise unwritable(baseline.directory, "--mlperf-save", error) from error


def _gone(result: RunResult, registry: Registry) -> str:
    """Return what of a result's case is not installed; empty if all of it is."""
    parts = (
        ("benchmark", result.benchmark, registry.benchmarks),
        ("backend", result.backend, registry.backends),
        ("implementation", result.implementation, registry.implementations),
    )
    return next((f"{what} {name}" for what, name, there in parts if name not in there), "")

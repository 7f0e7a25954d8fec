"""Saves results as a baseline, and holds results against one: --mlperf-save and --mlperf-compare."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec import structs

from pytest_mlperf.baselines.compare import Allowed, compare_accuracy, compare_performance
from pytest_mlperf.errors import OptionError
from pytest_mlperf.gate.comparison import Comparison
from pytest_mlperf.gate.verdict import corrected
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.log_files import ACCURACY_LOG
from pytest_mlperf.run.case import ACCURACY, PERFORMANCE

if TYPE_CHECKING:
    from pytest_mlperf.baselines.entry import Entry
    from pytest_mlperf.baselines.fingerprint import Fingerprint
    from pytest_mlperf.baselines.store import Baseline
    from pytest_mlperf.metrics.outcomes import Outcomes
    from pytest_mlperf.plugin.options import Settings
    from pytest_mlperf.run.case import Case
    from pytest_mlperf.run.result import RunResult

_OF_COMPARISONS = (
    "--mlperf-update-baseline",
    "--mlperf-undecided",
    "--mlperf-max-accuracy-drop",
    "--mlperf-max-slowdown",
)
APPROVE = "look at what was changed; --mlperf-update-baseline approves it"


class Left(NamedTuple):
    """What an accuracy run left: the outcomes of its samples, if the metric gives them, and a digest of its answers."""

    outcomes: Outcomes | None
    sha256: str


class Gate:
    """The baselines of a session.

    Parameters
    ----------
    settings
        The options in force.
    root
        The directory in which baselines are.
    comparisons
        How many results are compared in the session: the share of false alarms is that of all of them together.
    """

    def __init__(self, settings: Settings, root: Path, comparisons: int) -> None:
        self._settings = settings
        self._root = root
        self._alpha = corrected(comparisons)
        self._allowed = Allowed(settings.max_accuracy_drop, settings.max_slowdown)

    @cached_property
    def compared(self) -> Baseline | None:
        """The baseline that results are compared with; raises BaselineError if it is not there."""
        return chosen(self._settings, self._root)

    @cached_property
    def saved(self) -> Baseline | None:
        """The baseline that results are saved in."""
        from pytest_mlperf.baselines.store import PLACE, Baseline

        name = self._settings.save
        return Baseline(name, self._root / PLACE / name) if name is not None else None

    @cached_property
    def machine(self) -> Fingerprint:
        """What the machine of the session is."""
        from pytest_mlperf.baselines.fingerprint import read_fingerprint

        return read_fingerprint()

    @cached_property
    def commit(self) -> str:
        """The commit that is checked out."""
        from pytest_mlperf.baselines.store import commit_of

        return commit_of(self._root)

    def hold(self, case: Case, result: RunResult) -> RunResult:
        """Compare a finished run with the baseline, and save it, as the options say.

        Parameters
        ----------
        case, result
            A case and its result. One of another mode, or that failed, is neither compared nor saved.

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
        compared, saved = self.compared, self.saved
        if compared is None and saved is None:
            return result
        left = left_by(case, result) if result.mode == ACCURACY else Left(None, "")
        if compared is not None:
            result = self._compare(compared, case, result, left)
        if saved is not None and not result.errors:
            self._save(saved, result, left)
        return result

    def _compare(self, baseline: Baseline, case: Case, result: RunResult, left: Left) -> RunResult:
        """Return the result with how it stands to the baseline; put it there where the user approves."""
        update = self._settings.update_baseline
        entry = baseline.entry(result.case, result.mode)
        if entry is None:
            if update is not None and not result.errors:
                self._save(baseline, result, left)
            what = "added to" if update is not None else "not in"
            return structs.replace(result, notes=(*result.notes, f"{case.id} {case.mode}: {what} {baseline.name}"))
        found = self._comparison(baseline, entry, result, left)
        if update == "all" and not result.errors:
            self._save(baseline, result, left)
            found = structs.replace(found, verdict="approved") if found.verdict == "worse" else found
        return with_comparison(result, found, undecided_fails=self._settings.undecided == "fail")

    def _comparison(self, baseline: Baseline, entry: Entry, result: RunResult, left: Left) -> Comparison:
        if result.mode == PERFORMANCE:
            return compare_performance(baseline.name, entry, result, self.machine, self._allowed, self._alpha)
        if entry.answers_sha256 == left.sha256 and entry.result.dataset_sha256 == result.dataset_sha256:
            return _same(baseline.name, entry, result)
        outcomes = left.outcomes
        if outcomes is None:
            return _same(baseline.name, entry, result, reason="the metric does not say what it is made of")
        return compare_accuracy(
            baseline.name,
            entry,
            result,
            lambda: (baseline.outcomes(result.case, result.mode), outcomes),
            self._allowed,
            self._alpha,
        )

    def _save(self, baseline: Baseline, result: RunResult, left: Left) -> None:
        from pytest_mlperf.run.directories import unwritable

        try:
            baseline.save(result, left.outcomes, left.sha256, self.machine, self.commit)
        except OSError as error:
            raise unwritable(baseline.directory, "--mlperf-save", error) from error


def chosen(settings: Settings, root: Path) -> Baseline | None:
    """Return the baseline of --mlperf-compare, which --mlperf-update-baseline makes if it is not there.

    Raises
    ------
    BaselineError
        It is not there.
    """
    from pytest_mlperf.baselines.store import LATEST, PLACE, Baseline, find

    name = settings.compare
    if name is None:
        return None
    place = root / PLACE / name
    if settings.update_baseline is not None and name != LATEST and Path(name).name == name and not place.exists():
        return Baseline(name, place)
    return find(name, root)


def left_by(case: Case, result: RunResult) -> Left:
    """Return what an accuracy run left in its log."""
    from pytest_mlperf.metrics.accuracy_log import Answers, answers_sha256
    from pytest_mlperf.metrics.outcomes import GivesOutcomes

    metric = case.plan.benchmark.metric
    log = Path(result.output) / ACCURACY_LOG
    last = getattr(metric, "last_record_counts", False)
    outcomes = None
    if isinstance(metric, GivesOutcomes):
        outcomes = metric.outcomes(Answers(log, last=last), Path(result.dataset))
    return Left(outcomes, answers_sha256(Answers(log, last=last)))


def check_options(settings: Settings) -> None:
    """Raise OptionError if an option of the command line has no meaning without a comparison."""
    if settings.compare is not None:
        return
    for flag in _OF_COMPARISONS:
        if flag in settings.given and settings.given[flag].origin == "command line":
            raise OptionError(
                f"{flag} says what is done about a comparison, and there is none",
                expected="--mlperf-compare NAME beside it",
                found=f"{flag} alone",
                fix="name the baseline with --mlperf-compare, or save one with --mlperf-save",
            )


def with_comparison(result: RunResult, found: Comparison, *, undecided_fails: bool) -> RunResult:
    """Return a result with a comparison; what is worse fails it, and what cannot be decided is noted."""
    result = structs.replace(result, comparison=found)
    if found.verdict == "worse" or (found.verdict == "undecided" and undecided_fails):
        finding = Finding(
            rule="no-regression",
            what=f"{result.case} {result.mode} {'is worse than' if found.verdict == 'worse' else 'may be worse than'}"
            f" the baseline {found.baseline}",
            expected=f"{_change(result, found.allowed)} at most",
            found=told(result, found),
            fix=APPROVE if found.verdict == "worse" else _more_samples(found),
        )
        verdict = "worse" if found.verdict == "worse" else "undecided"
        return structs.replace(result, findings=(*result.findings, finding), verdict=verdict)
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
    what = _change(result, found.drop)
    sure = 100 * (1 - (found.alpha or 0))
    interval = f"{figures}: {what}, on all data {bounds} with {sure:.4g} % certainty at each end"
    return f"{interval}; {_more_samples(found)}" if found.verdict == "undecided" else interval


def _change(result: RunResult, value: float) -> str:
    if result.mode == PERFORMANCE:
        return f"{_number(value)} % slower"
    unit = result.accuracy.unit if result.accuracy is not None else ""
    return f"a drop of {_number(value)}{' points' if unit == '%' else ''}"


def _more_samples(found: Comparison) -> str:
    if found.needed is None:
        return "more samples would tell"
    return f"{found.needed:,} samples would tell, here are {found.samples:,}"


def _number(value: float) -> str:
    return f"{value:.4g}"


def _same(name: str, entry: Entry, result: RunResult, reason: str = "") -> Comparison:
    """Return the comparison of answers that are the same, or that only their values can be compared of."""
    old, new = entry.result.accuracy, result.accuracy
    assert old is not None and new is not None  # noqa: S101 - both are accuracy runs
    return Comparison(
        baseline=name,
        commit=entry.commit,
        figure=new.metric,
        unit=new.unit,
        before=old.value,
        now=new.value,
        allowed=0.0,
        verdict="not comparable" if reason else "same",
        reason=reason,
        samples=new.samples,
        drop=None if reason else 0.0,
    )

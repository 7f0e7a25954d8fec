"""What a dashboard must be, and what it is given: for ours, and for those of other packages."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from pytest_mlperf.errors import OptionError
from pytest_mlperf.report.flat import by_case, figures, identity, part_of
from pytest_mlperf.run.result import RunResult

if TYPE_CHECKING:
    from collections.abc import Iterable


class CaseRuns(msgspec.Struct, frozen=True, kw_only=True):
    """A case with its runs: accuracy, performance, and compliance tests.

    Attributes
    ----------
    name
        The case's id; with the label of what a test ran in place of the case's own model.
    runs
        The results, by what they are: ``accuracy``, ``performance``, ``TEST01``.
    """

    name: str
    runs: dict[str, RunResult]

    @property
    def config(self) -> dict[str, Any]:
        """What identifies the runs: what is the same for all of them, and under ``accuracy`` and so on what is not."""
        known = {part: identity(result) for part, result in self.runs.items()}
        first, *others = known.values()
        common = {name: value for name, value in first.items() if all(each.get(name) == value for each in others)}
        own = {
            part: {name: value for name, value in each.items() if name not in common} for part, each in known.items()
        }
        return {**common, **{part: each for part, each in own.items() if each}}

    @property
    def metrics(self) -> dict[str, float]:
        """Every figure, by run and name: ``accuracy/F1``, ``performance/samples_per_second``."""
        return {
            f"{part}/{name}": value for part, result in self.runs.items() for name, value in figures(result).items()
        }

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdict of each run, and how it stands to a baseline: ``accuracy/verdict``, ``accuracy/comparison``."""
        found = {f"{part}/verdict": result.verdict for part, result in self.runs.items()}
        compared = {
            f"{part}/comparison": result.comparison.verdict
            for part, result in self.runs.items()
            if result.comparison is not None
        }
        return found | compared

    @property
    def latencies(self) -> dict[str, dict[float, float]]:
        """The latencies in ms by percentile, of each run that has some: ``{"performance": {50.0: 1.2, ...}}``."""
        found = {
            part: {float(name.removeprefix("p")): value for name, value in result.performance.latency_ms.items()}
            for part, result in self.runs.items()
            if result.performance is not None
        }
        return {part: dict(sorted(each.items())) for part, each in found.items() if each}

    @property
    def tags(self) -> list[str]:
        """Words to find it by."""
        first = next(iter(self.runs.values()))
        return [first.benchmark, first.backend, first.device, first.scenario, first.edition, first.run_length]


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """What a dashboard is given: a finished session, without secrets.

    Attributes
    ----------
    session, started
        The session's name, and its start in ISO 8601.
    command, options
        Its command line, and the options in force that are set, by flag.
    commit
        What is checked out, with a plus sign if files differ from it; empty outside a repository.
    machine
        What the machine is, as far as speed depends on it.
    results
        The result of every run.
    directory
        The directory with the logs of the runs.
    submission
        The files of the submission, with --mlperf-submit.
    submission_verdict
        ``OK``, ``short``, or how many errors it has; empty without a submission.
    """

    session: str
    started: str
    command: tuple[str, ...]
    options: dict[str, str]
    commit: str
    machine: dict[str, Any]
    results: tuple[RunResult, ...]
    directory: str
    submission: tuple[str, ...] = ()
    submission_verdict: str = ""

    @property
    def cases(self) -> list[CaseRuns]:
        """The results by case."""
        return [
            CaseRuns(name=name, runs={part_of(result): result for result in runs})
            for name, runs in by_case(self.results)
        ]

    @property
    def surroundings(self) -> dict[str, Any]:
        """What is the same for all results of the session, for a configuration."""
        return {
            "session": self.session,
            "started": self.started,
            "command": " ".join(self.command),
            "options": self.options,
            "commit": self.commit,
            "machine": self.machine,
        }


class Dashboard(Protocol):
    """A dashboard: an object that an entry point in the group ``pytest_mlperf.dashboards`` names.

    It is loaded by every session that publishes to it, before anything runs, so its module imports nothing heavy.
    """

    def require(self) -> None:
        """Raise OptionError if it cannot be used here: a package or a setting is missing.

        It is asked before the runs.
        """

    def publish(self, publication: Publication) -> Iterable[str]:
        """Publish, and return or yield where it can be seen.

        It is called in a process of its own, after all else is written, and is ended when its time is up. Whatever it
        raises is reported below the table of results, and changes no outcome.
        """


def require_package(package: str, extra: str) -> None:
    """Raise OptionError if a package is not installed.

    Parameters
    ----------
    package, extra
        The package's import name, and the extra of pytest-mlperf that installs what the dashboard needs.
    """
    spec = find_spec(package)
    if spec is not None and spec.origin is not None:  # a directory of that name, such as W&B leaves, is no package
        return
    raise OptionError(
        f"--mlperf-dashboard {extra} needs the package {package}",
        expected=f"{package} in the session's own environment",
        found="it is not installed",
        fix=f"pip install 'pytest-mlperf[{extra}]'",
    )

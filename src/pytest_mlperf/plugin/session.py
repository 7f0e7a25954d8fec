"""The state of one pytest session: settings, cases, cache and results."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf import __version__
from pytest_mlperf.errors import OptionError, SubmissionError
from pytest_mlperf.plugin import OF_GATE, ini_key
from pytest_mlperf.plugin.options import Settings, read_settings
from pytest_mlperf.registry import Registry
from pytest_mlperf.run.case import ACCURACY, MODES, PERFORMANCE, Plan
from pytest_mlperf.run.directories import require_directory, require_file, session_directory

if TYPE_CHECKING:
    from datetime import datetime

    from pytest_mlperf.artifacts.store import Store
    from pytest_mlperf.baselines.stated import Stated
    from pytest_mlperf.errors import MLPerfError
    from pytest_mlperf.plugin.attempts import ResultCollector
    from pytest_mlperf.plugin.gate import Gate
    from pytest_mlperf.plugin.matrix import Matrix
    from pytest_mlperf.plugin.provision import Provider
    from pytest_mlperf.report.finished import Finished
    from pytest_mlperf.run.budget import Budget
    from pytest_mlperf.run.case import Case
    from pytest_mlperf.run.paces import Expectation
    from pytest_mlperf.submission.submit import Submitted

#: Two Ctrl-C within this many seconds stop the session; a single one ends the current run.
DOUBLE_INTERRUPT_SECONDS = 3.0


@dataclass
class MLPerfSession:
    """The state that the hooks and the fixtures share.

    Attributes
    ----------
    config
        pytest's.
    started
        When the session started; with pytest-xdist, when the controller started.
    key
        Names the session, and all processes that belong to it, with a text that no other session has.
    results
        The result of every run, as JSON-like dictionaries; on an xdist controller also those of the workers.
    wanted
        The cases that were selected.
    unreported, published
        Why reports could not be written, and where what was published can be seen.
    test_files
        The test files with results.
    submitted
        The submission, with --mlperf-submit.
    named
        The backends that tests name: their environments may be made, as with an option.
    refused
        An error found by an xdist worker at collection; each item fails with it.
    """

    config: pytest.Config
    started: datetime
    key: str
    results: list[dict[str, Any]] = field(default_factory=list)
    wanted: frozenset[Case] = frozenset()
    unreported: list[MLPerfError] = field(default_factory=list)
    published: list[str] = field(default_factory=list)
    test_files: set[Path] = field(default_factory=set)
    submitted: Submitted | None = None
    refused: MLPerfError | None = None
    registry: Registry = field(default_factory=Registry)
    named: set[str] = field(default_factory=set)
    _interrupted: float = float("-inf")

    @cached_property
    def settings(self) -> Settings:
        """The settings; reading them may raise OptionError or UserConfError."""
        return read_settings(self.config, self.registry)

    @cached_property
    def matrix(self) -> Matrix:
        """The cases."""
        from pytest_mlperf.plugin.matrix import Matrix

        return Matrix(self.registry, self.settings)

    @cached_property
    def provider(self) -> Provider:
        """Provides what the selected cases need."""
        from pytest_mlperf.plugin.provision import Provider

        return Provider(self.config, self.settings, self.store, self.wanted, self.named)

    @cached_property
    def home(self) -> Path:
        """The directory in which baselines are: the current one, or one above it that has some."""
        from pytest_mlperf.baselines.store import home

        return home(self.config.invocation_params.dir)

    @cached_property
    def stated(self) -> tuple[Stated, ...]:
        """What the project states of its cases; raises OptionError if that cannot be read."""
        from pytest_mlperf.baselines.stated import read_stated

        return read_stated(self.config.rootpath / "pyproject.toml")

    @cached_property
    def gate(self) -> Gate:
        """Saves results as a baseline, and compares them with one."""
        from pytest_mlperf.plugin.gate import Gate

        def compared() -> int:
            return sum(case.mode in (ACCURACY, PERFORMANCE) for case in self.wanted)

        return Gate(self.settings, self.home, self.stated, compared)

    @cached_property
    def collector(self) -> ResultCollector:
        """Takes the results from test reports."""
        from pytest_mlperf.plugin.attempts import ResultCollector

        return ResultCollector(self.results, self.test_files, self.config.rootpath)

    @cached_property
    def directory(self) -> Path:
        """The directory for the logs of this session's runs, made when it is first asked for."""
        return session_directory(self.settings.output, self.started, self.key)

    @cached_property
    def references(self) -> Path:
        """The directory that records the reference runs of compliance tests, each machine its own."""
        return self.directory / ".references" / platform.node()

    @cached_property
    def budget(self) -> Budget | None:
        """The time for the session's runs; None if that is not limited."""
        from pytest_mlperf.run.budget import Budget

        minutes = self.settings.time_budget
        if minutes is None:
            return None
        ends = self.started.timestamp() + 60 * minutes
        return Budget(ends, self.directory / ".begun", self.wanted, self.expect)

    def expect(self, case: Case) -> Expectation:
        """Return how long a case takes, as far as earlier runs on this machine tell."""
        from pytest_mlperf.loadgen.user_conf import given_user_conf
        from pytest_mlperf.run.paces import Expectation, key, read_paces

        settings = self.settings
        conf = given_user_conf(settings.user_conf)
        return Expectation(
            case=case,
            options=settings.run_options,
            given=conf.settings(case.plan.benchmark.loadgen_model, case.scenario),
            paces=tuple(read_paces(self.store.root).get(key(case), ())),
        )

    @cached_property
    def store(self) -> Store:
        """The cache."""
        from pytest_mlperf.artifacts.layout import default_cache_dir
        from pytest_mlperf.artifacts.sources import Network
        from pytest_mlperf.artifacts.store import Store

        settings = self.settings
        network = Network(offline=settings.offline, mirror=settings.mirror)
        return Store(settings.cache or default_cache_dir({}), __version__, network)

    def finished(self) -> Finished:
        """Return what there is to report."""
        from pytest_mlperf.report.finished import Finished, ordered
        from pytest_mlperf.secrecy import arguments_without_secrets

        words = map(str, self.config.invocation_params.args)
        return Finished(
            results=ordered(self.results),
            command=("pytest", *arguments_without_secrets(list(words))),
            started=self.started,
            root=self.home,
            notes=tuple(self.gate.stale(self.registry)) if self.settings.compare is not None else (),
            items=tuple(self.collector.items()),
            submitted=self.submitted,
            own_directory=self.directory if all(each.get("reused") for each in self.results) and self.results else None,
        )

    def is_reference(self, case: Case) -> bool:
        """Return whether a compliance test of the session compares with this case's run."""
        return self.settings.compliance_wanted and bool(case.plan.rules and case.plan.rules.compliance)

    def check_selection(self) -> None:
        """Raise if the options select no case, although each of their values exists.

        Raises
        ------
        OptionError
            No case has all these values.
        """
        selection = self.settings.selection
        variant = f"variant {self.settings.variant}" if self.settings.variant else ""
        if not any(self.matrix.cases(mode) for mode in selection.mode or MODES):
            given = ", ".join(filter(None, (str(selection), f"precision {self.settings.precision}", variant)))
            raise OptionError(
                "the options select no case",
                expected="a benchmark, backend, device, scenario, precision and variant that go together",
                found="; ".join((given, *self.matrix.not_collected())),
                fix="leave one of the options out; list the cases with pytest --collect-only -q",
            )

    def check_submission(self) -> None:
        """Raise before the runs if the options cannot lead to a submission.

        Raises
        ------
        OptionError
            An option is missing or conflicts with another one.
        SubmissionError
            --submission-dir is not a submission.
        """
        settings = self.settings
        if not settings.submit:
            return
        if settings.submitter is None:
            raise OptionError(
                "--mlperf-submit needs a submitter",
                expected="the organisation that submits",
                found="none",
                fix="name it with --submitter NAME (or mlperf_submitter in the ini file)",
            )
        modes = settings.selection.mode
        if modes and not {"accuracy", "performance"} <= set(modes):
            raise OptionError(
                "a submission needs both modes of each case",
                expected="accuracy and performance",
                found=f"--mode {','.join(modes)}",
                fix="leave --mode out",
            )
        from pytest_mlperf.submission.change import logs_directory
        from pytest_mlperf.submission.system import read_overrides
        from pytest_mlperf.submission.tree import check_is_submission

        if settings.system is not None:
            read_overrides(settings.system)
        if settings.submission_dir is not None:
            check_is_submission(settings.submission_dir)
            require_directory(settings.submission_dir.parent, "--submission-dir")
            require_directory(logs_directory(settings.submission_dir), "--submission-dir")

    def check_gate(self) -> None:
        """Raise before the runs if results cannot be compared or saved as the options say; see `Gate.check`."""
        if OF_GATE & self.settings.given.keys():
            self.gate.check()

    def check_cases(self) -> None:
        """Raise before the runs if the selected cases conflict with the options or with each other.

        Raises
        ------
        OptionError
            A path without a benchmark's name is given for several, a submission's cases have no common round, or
            what pyproject.toml states of cases cannot be read.
        SubmissionError
            A tiny edition is selected for a division other than open.
        UserConfError
            A user.conf would be ignored, or would bend a run of official length.
        """
        benchmarks = sorted({case.benchmark for case in self.wanted if case.benchmark})
        for flag in ("--model-path", "--endpoint", "--dataset-path", "--mlperf-compare-model"):
            given = getattr(self.settings, ini_key(flag).removeprefix("mlperf_"))
            unnamed = [each.place for each in given if not each.benchmark]
            if unnamed and len(benchmarks) > 1:
                raise OptionError(
                    f"{flag} {unnamed[-1]} is given for several benchmarks",
                    expected="one selected benchmark, or a path with the benchmark's name",
                    found=", ".join(benchmarks),
                    fix=f"write {flag} {benchmarks[-1]}={unnamed[-1]}, or select one with --model",
                )
        _ = self.stated
        from pytest_mlperf.plugin.fixed_settings import check_fixed_settings

        check_fixed_settings(self.wanted, self.settings, self.registry)
        if self.settings.submit:
            self._check_for_submission()

    def _check_for_submission(self) -> None:
        plans = {case.benchmark: case.decided for case in self.wanted if isinstance(case.decided, Plan)}
        tiny = sorted(name for name, plan in plans.items() if plan.benchmark.edition == "tiny")
        if tiny and self.settings.division != "open":
            raise SubmissionError(
                f"{', '.join(tiny)} cannot be submitted in {self.settings.division}",
                expected="official editions",
                found="a tiny edition, which is for testing only",
                fix="use --division open, or select the official edition",
            )
        names = {name: plan.round.name if plan.round is not None else "none" for name, plan in sorted(plans.items())}
        if len(set(names.values())) > 1 or "none" in names.values():
            from pytest_mlperf.rules.round import newest_round

            common = newest_round({plan.benchmark.official_name for plan in plans.values()})
            raise OptionError(
                "all results of a submission must be from one round",
                expected="a round that has every selected benchmark",
                found=", ".join(f"{name}: {each}" for name, each in names.items()),
                fix=f"add --round {common.name}" if common and "none" not in names.values() else "select others",
            )

    def check_places(self) -> None:
        """Raise before the runs, which may take hours, if their results could not be written.

        Raises
        ------
        OutputError
            The results or a report could not be written.
        OptionError, EntryPointError
            A dashboard lacks something.
        """
        if self.config.getoption("collectonly"):
            return
        require_directory(self.settings.output, "--mlperf-output")
        if self.settings.json is not None:
            require_file(self.settings.json, "--mlperf-json")
        if self.settings.csv is not None:
            require_file(self.settings.csv, "--mlperf-csv")
        for name in self.settings.dashboard:
            self.registry.dashboard(name).require()
        if self.settings.html is not None:
            require_file(self.settings.html, "--mlperf-html")
        if xml := self.config.getoption("xmlpath", None):
            require_file(Path(os.path.expandvars(xml)).expanduser(), "--junitxml", replaced=False)
        if self.settings.submit:
            require_directory(Path(self.config.invocation_params.dir), option="")

    def interrupted_again(self) -> bool:
        """Record a Ctrl-C; return whether it is the second within `DOUBLE_INTERRUPT_SECONDS`."""
        now = time.monotonic()
        again = now - self._interrupted < DOUBLE_INTERRUPT_SECONDS
        self._interrupted = now
        return again


SESSION = pytest.StashKey[MLPerfSession]()

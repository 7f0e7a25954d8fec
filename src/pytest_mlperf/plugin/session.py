"""What one pytest session knows: its settings, its cases, its cache, and the results so far."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf import __version__
from pytest_mlperf.errors import OptionError, SubmissionError
from pytest_mlperf.plugin.options import Settings, read_settings
from pytest_mlperf.registry import Registry
from pytest_mlperf.run.case import MODES, Plan
from pytest_mlperf.run.directories import require_directory, require_file, session_directory

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from pytest_mlperf.artifacts.store import Store
    from pytest_mlperf.errors import MLPerfError
    from pytest_mlperf.plugin.matrix import Matrix
    from pytest_mlperf.plugin.provision import Provider
    from pytest_mlperf.run.case import Case
    from pytest_mlperf.submission.submit import Submitted

#: Two Ctrl-C within so many seconds stop the session; one alone ends the run that it meets.
DOUBLE_INTERRUPT_SECONDS = 3.0


@dataclass
class MLPerfSession:
    """The one object that the hooks and the fixtures share.

    Attributes
    ----------
    config
        pytest's.
    started
        When; with pytest-xdist, when the controller did.
    results
        Of every run of the session, on the controller also those of the workers, as JSON-like dictionaries.
    wanted
        The cases that were selected.
    unreported
        Why --mlperf-json could not be written at the end, if so.
    test_files
        The files of the tests that gave results.
    submitted
        What became of the results at the end, with --mlperf-submit.
    refused
        An error found by an xdist worker at collection; each item fails with it.
    """

    config: pytest.Config
    started: datetime
    results: list[dict[str, Any]] = field(default_factory=list)
    wanted: frozenset[Case] = frozenset()
    unreported: MLPerfError | None = None
    test_files: set[Path] = field(default_factory=set)
    submitted: Submitted | None = None
    refused: MLPerfError | None = None
    registry: Registry = field(default_factory=Registry)
    _interrupted: float = float("-inf")

    @cached_property
    def settings(self) -> Settings:
        """The options in force; reading them may raise OptionError or UserConfError."""
        return read_settings(self.config, self.registry)

    @cached_property
    def matrix(self) -> Matrix:
        """Which cases there are."""
        from pytest_mlperf.plugin.matrix import Matrix

        return Matrix(self.registry, self.settings)

    @cached_property
    def provider(self) -> Provider:
        """What gets the selected cases what they need."""
        from pytest_mlperf.plugin.provision import Provider

        return Provider(self.config, self.settings, self.store, self.wanted)

    @cached_property
    def directory(self) -> Path:
        """Where this session's runs leave their logs; made with the first run."""
        return session_directory(self.settings.output, self.started)

    @cached_property
    def references(self) -> Path:
        """Where the runs that compliance tests are about are known; sessions of the same second share `directory`."""
        return self.directory / f".references-{self.started:%f}"

    @cached_property
    def store(self) -> Store:
        """The cache."""
        from pytest_mlperf.artifacts.layout import default_cache_dir
        from pytest_mlperf.artifacts.sources import Network
        from pytest_mlperf.artifacts.store import Store

        settings = self.settings
        network = Network(offline=settings.offline, mirror=settings.mirror)
        return Store(settings.cache or default_cache_dir({}), __version__, network)

    def is_reference(self, case: Case) -> bool:
        """Say whether a compliance test of the session is about this case's run."""
        return self.settings.compliance_wanted and bool(case.plan.rules and case.plan.rules.compliance)

    def check_selection(self) -> None:
        """Refuse options that select nothing, though each of their values exists.

        Raises
        ------
        OptionError
            No case has all the values.
        """
        selection = self.settings.selection
        variant = f"variant {self.settings.variant}" if self.settings.variant else ""
        if not any(self.matrix.cases(mode) for mode in selection.mode or MODES):
            raise OptionError(
                "the options select no case",
                expected="a benchmark, backend, device, scenario, precision and variant that go together",
                found=", ".join(filter(None, (str(selection), f"precision {self.settings.precision}", variant))),
                fix="leave one of the options out; pytest --collect-only -q shows the cases",
            )

    def check_submission(self) -> None:
        """Refuse what cannot end in a submission, before the runs.

        Raises
        ------
        OptionError
            An option is missing, or does not go with the others.
        SubmissionError
            --submission-dir is something else.
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
        from pytest_mlperf.submission.system import read_overrides
        from pytest_mlperf.submission.tree import check_is_submission

        if settings.system is not None:
            read_overrides(settings.system)
        if settings.submission_dir is not None:
            check_is_submission(settings.submission_dir)
            require_directory(settings.submission_dir.parent, "--submission-dir")

    def check_cases(self) -> None:
        """Refuse selected cases that do not go with the options, or with each other, before they run.

        Raises
        ------
        OptionError
            A path that names no benchmark is given for several; cases of a submission are of no common round.
        SubmissionError
            A tiny edition is meant for another division than open.
        """
        benchmarks = sorted({case.benchmark for case in self.wanted if case.benchmark})
        for flag, given in (("--model-path", self.settings.model_path), ("--dataset-path", self.settings.dataset_path)):
            unnamed = [each.place for each in given if not each.benchmark]
            if unnamed and len(benchmarks) > 1:
                raise OptionError(
                    f"{flag} {unnamed[-1]} is given for several benchmarks",
                    expected="one selected benchmark, or the name of the one that it is for",
                    found=", ".join(benchmarks),
                    fix=f"say {flag} {benchmarks[-1]}={unnamed[-1]}, or select one with --model",
                )
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
                "a submission is of one round",
                expected="a round that has every selected benchmark",
                found=", ".join(f"{name}: {each}" for name, each in names.items()),
                fix=f"add --round {common.name}" if common and "none" not in names.values() else "select others",
            )

    def check_places(self) -> None:
        """Refuse places for results before the runs, whose hours would be lost.

        Raises
        ------
        OutputError
            The results or the report could not be written.
        """
        if self.config.getoption("collectonly"):
            return
        require_directory(self.settings.output, "--mlperf-output")
        if self.settings.json is not None:
            require_file(self.settings.json, "--mlperf-json")

    def interrupted_again(self) -> bool:
        """Note a Ctrl-C; say whether it is the second in a moment."""
        now = time.monotonic()
        again = now - self._interrupted < DOUBLE_INTERRUPT_SECONDS
        self._interrupted = now
        return again


SESSION = pytest.StashKey[MLPerfSession]()
RESULT = pytest.StashKey[dict[str, Any]]()

"""What one pytest session knows: its settings, the cases' descriptions, the cache, and the results so far."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf import __version__
from pytest_mlperf.errors import OptionError, SubmissionError
from pytest_mlperf.plugin.options import Settings, read_settings
from pytest_mlperf.run.case import COMPLIANCE, MODES, Case, Registry
from pytest_mlperf.run.directories import require_directory, require_file, session_directory

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from pytest_mlperf.artifacts.recipe import Recipe
    from pytest_mlperf.artifacts.store import Store
    from pytest_mlperf.benchmarks.base import MissingFile, Remote
    from pytest_mlperf.environments.provide import Needs
    from pytest_mlperf.errors import MLPerfError
    from pytest_mlperf.rules.audit import Audit
    from pytest_mlperf.rules.round import Round
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
        Why no case can run, as far as a worker of pytest-xdist found out, who cannot refuse the session.
    unfetched
        Why what was to be fetched or made could not be had: other items do not try again.
    """

    config: pytest.Config
    started: datetime
    results: list[dict[str, Any]] = field(default_factory=list)
    wanted: frozenset[Case] = frozenset()
    unreported: MLPerfError | None = None
    test_files: set[Path] = field(default_factory=set)
    submitted: Submitted | None = None
    refused: MLPerfError | None = None
    unfetched: dict[Recipe, MLPerfError] = field(default_factory=dict)
    registry: Registry = field(default_factory=Registry)
    _interrupted: float = float("-inf")
    _cached: dict[Recipe, bool] = field(default_factory=dict)

    @cached_property
    def settings(self) -> Settings:
        """The options in force; reading them may raise OptionError or UserConfError."""
        return read_settings(self.config, self.registry)

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

    @cached_property
    def nothing_can_run(self) -> bool:
        """Whether none of the cases that were selected has its files and its runtime: that is an error, no skip."""
        return bool(self.wanted) and not any(map(self._can_run, self.wanted))

    @property
    def missing_is_error(self) -> bool:
        """Whether what a case lacks fails its item and does not skip it: nothing else can run, or all is submitted."""
        return self.settings.submit or self.nothing_can_run

    def check_selection(self) -> None:
        """Refuse options that select nothing, though each of their values exists.

        Raises
        ------
        OptionError
            No case has all the values.
        """
        selection = self.settings.selection
        if not any(selection.keeps(case) for mode in MODES for case in self.cases(mode)):
            raise OptionError(
                "the options select no case",
                expected="a benchmark, backend, device and scenario that go together",
                found=str(selection),
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
        """Refuse cases that no one submission takes, before they run.

        Raises
        ------
        OptionError
            They are of no common round.
        SubmissionError
            A tiny edition is meant for another division than open.
        """
        tiny = sorted(name for name in self._benchmarks if self.registry.benchmark(name).edition == "tiny")
        if tiny and self.settings.division != "open":
            raise SubmissionError(
                f"{', '.join(tiny)} cannot be submitted in {self.settings.division}",
                expected="official editions",
                found="a tiny edition, which is for trying",
                fix="use --division open, or select the official edition",
            )
        rounds = {case.benchmark: self.round_of(case) for case in self.wanted}
        names = {name: each.name if each is not None else "none" for name, each in sorted(rounds.items())}
        if len(set(names.values())) > 1 or "none" in names.values():
            found = ", ".join(f"{name}: {each}" for name, each in names.items())
            raise OptionError(
                "a submission is of one round",
                expected="a round that has every selected benchmark",
                found=found,
                fix="select benchmarks of one round, or name it with --round",
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

    def cases(self, mode: str) -> list[Case]:
        """Return every case of a mode; in compliance mode one for each test that the round asks, if they are wanted."""
        cases = self.registry.cases(mode)
        if mode != COMPLIANCE:
            return cases
        if not self.settings.compliance_wanted:
            return []
        return [replace(case, test=test) for case in cases for test in self.compliance_tests(case)]

    def compliance_tests(self, case: Case) -> tuple[str, ...]:
        """Return the compliance tests that the case's round asks of its benchmark in a closed submission."""
        found = self.round_of(case)
        if found is None:
            return ()
        return found.benchmarks[self.registry.benchmark(case.benchmark).official_name].compliance

    def audit(self, case: Case) -> Audit:
        """Return what the case's compliance test changes in a performance run."""
        from pytest_mlperf.rules.audit import audit_of

        return audit_of(case.test, self.registry.benchmark(case.benchmark).official_name, self.round_of(case))

    def is_reference(self, case: Case) -> bool:
        """Say whether a compliance test of the session is about this case's run."""
        return self.settings.compliance_wanted and bool(self.compliance_tests(case))

    def round_of(self, case: Case) -> Round | None:
        """Return the round that a case is run by, or None: its benchmark is in none.

        Raises
        ------
        OptionError
            The round of --round does not have the benchmark.
        """
        from pytest_mlperf.run.round_in_force import round_in_force

        named = {each: self.registry.benchmark(each).official_name for each in {case.benchmark, *self._benchmarks}}
        return round_in_force(named[case.benchmark], frozenset(named.values()), self.settings.round)

    @property
    def _benchmarks(self) -> frozenset[str]:
        # While items are being made nothing is wanted yet, and the round says which compliance tests there are.
        return frozenset(case.benchmark for case in self.wanted) or frozenset(self.settings.selection.model)

    def marks(self, case: Case) -> tuple[str, str]:
        """Return the marks of a case's item."""
        return self.registry.benchmark(case.benchmark).edition, case.mode

    def missing(self, case: Case) -> list[MissingFile | Remote]:
        """Return the official files that a case needs and that are neither given, nor here, nor to be fetched."""
        from pytest_mlperf.benchmarks.base import MissingFile, Remote

        benchmark = self.registry.benchmark(case.benchmark)
        model_format = self.registry.backend(case.backend).model_format
        count = self.settings.sample_count(benchmark.dataset_size)
        found = (
            benchmark.find_model(model_format, self.settings.model_path),
            benchmark.find_dataset(self.settings.dataset_path, count),
        )
        return [
            file
            for file in found
            if isinstance(file, MissingFile)
            or (isinstance(file, Remote) and not self.settings.fetch and not self._is_cached(file.recipe))
        ]

    def python_needs(self, case: Case) -> Needs:
        """Return what a case needs of an interpreter; one may be made for a backend that the user named."""
        from pytest_mlperf.environments.provide import Needs
        from pytest_mlperf.environments.pythons import Wanted

        settings, backend = self.settings, self.registry.backend(case.backend)
        return Needs(
            backend=backend.name,
            device=case.device,
            requirements=backend.requirements,
            wanted=Wanted(settings.python_version or (), settings.python_version_min or ()),
            venv=settings.venv,
            compiler=settings.loadgen_compiler,
            loadgen_src=settings.loadgen_src,
            install=settings.fetch or case.backend in settings.selection.backend,
        )

    def _can_run(self, case: Case) -> bool:
        """Say whether a case has its files and its runtime, or may have them fetched."""
        from pytest_mlperf.environments.provide import environment

        if self.missing(case):
            return False
        needs = self.python_needs(case)
        return needs.may_install or (recipe := environment(needs)) is None or self._is_cached(recipe)

    def _is_cached(self, recipe: Recipe) -> bool:
        if recipe not in self._cached:  # looking at thousands of images again for every case takes seconds
            self._cached[recipe] = self.store.find(recipe) is not None
        return self._cached[recipe]

    def interrupted_again(self) -> bool:
        """Note a Ctrl-C; say whether it is the second in a moment."""
        now = time.monotonic()
        again = now - self._interrupted < DOUBLE_INTERRUPT_SECONDS
        self._interrupted = now
        return again


SESSION = pytest.StashKey[MLPerfSession]()
RESULT = pytest.StashKey[dict[str, Any]]()

"""What one pytest session knows: its settings, the cases' descriptions, the cache, and the results so far."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf import __version__
from pytest_mlperf.cases import MODES, Case, Registry
from pytest_mlperf.directories import require_directory, require_file, session_directory
from pytest_mlperf.errors import OptionError
from pytest_mlperf.options import Settings, read_settings

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from pytest_mlperf.artifacts.store import Store
    from pytest_mlperf.benchmarks.base import MissingFile
    from pytest_mlperf.errors import MLPerfError

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
    missing_is_error
        True when nothing of what was selected can run for want of files.
    unreported
        Why --mlperf-json could not be written at the end, if so.
    """

    config: pytest.Config
    started: datetime
    results: list[dict[str, Any]] = field(default_factory=list)
    missing_is_error: bool = False
    unreported: MLPerfError | None = None
    registry: Registry = field(default_factory=Registry)
    _interrupted: float = float("-inf")

    @cached_property
    def settings(self) -> Settings:
        """The options in force; reading them may raise OptionError or UserConfError."""
        return read_settings(self.config, self.registry)

    @cached_property
    def directory(self) -> Path:
        """Where this session's runs leave their logs; made with the first run."""
        return session_directory(self.settings.output, self.started)

    @cached_property
    def store(self) -> Store:
        """The cache."""
        from pytest_mlperf.artifacts.layout import default_cache_dir
        from pytest_mlperf.artifacts.store import Store

        return Store(self.settings.cache or default_cache_dir({}), __version__)

    def check_selection(self) -> None:
        """Refuse options that select nothing, though each of their values exists.

        Raises
        ------
        OptionError
            No case has all the values.
        """
        selection = self.settings.selection
        if not any(selection.keeps(case) for mode in MODES for case in self.registry.cases(mode)):
            raise OptionError(
                "the options select no case",
                f"found: no benchmark, backend, device and scenario go together in {selection}",
                "leave one of the options out; pytest --collect-only -q shows the cases",
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

    def marks(self, case: Case) -> tuple[str, str]:
        """Return the marks of a case's item."""
        return self.registry.benchmark(case.benchmark).edition, case.mode

    def missing(self, case: Case) -> list[MissingFile]:
        """Return the official files that a case needs and that are neither given nor known."""
        from pytest_mlperf.benchmarks.base import MissingFile

        benchmark = self.registry.benchmark(case.benchmark)
        model_format = self.registry.backend(case.backend).model_format
        count = self.settings.sample_count(benchmark.dataset_size)
        found = (
            benchmark.find_model(model_format, self.settings.model_path),
            benchmark.find_dataset(self.settings.dataset_path, count),
        )
        return [file for file in found if isinstance(file, MissingFile)]

    def interrupted_again(self) -> bool:
        """Note a Ctrl-C; say whether it is the second in a moment."""
        now = time.monotonic()
        again = now - self._interrupted < DOUBLE_INTERRUPT_SECONDS
        self._interrupted = now
        return again


SESSION = pytest.StashKey[MLPerfSession]()
RESULT = pytest.StashKey[dict[str, Any]]()

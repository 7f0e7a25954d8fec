"""Finds, builds or fetches what the cases need, and keeps it from being removed until the session ends."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.backends.base import REMOTE, Traits
from pytest_mlperf.backends.gpus import on_machine
from pytest_mlperf.errors import (
    CacheError,
    DatasetError,
    EntryPointError,
    FetchError,
    MLPerfError,
    OfflineError,
    RequirementError,
)
from pytest_mlperf.origin import MissingFile, Remote
from pytest_mlperf.plugin.contents import Contents
from pytest_mlperf.plugin.option_table import CACHE_VARIABLE
from pytest_mlperf.printable import one_line
from pytest_mlperf.run.case import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Set
    from typing import NoReturn

    from pytest_mlperf.artifacts.locks import Holder
    from pytest_mlperf.artifacts.recipe import LocalRecipe, Recipe
    from pytest_mlperf.artifacts.store import Artifact, Store
    from pytest_mlperf.environments.installed import Python
    from pytest_mlperf.environments.provide import Needs
    from pytest_mlperf.plugin.options import Settings
    from pytest_mlperf.rules.round import Round
    from pytest_mlperf.run.case import Case


class Provider:
    """Provides what the selected cases need; skips an item if something is missing and must not be fetched.

    Parameters
    ----------
    config
        pytest's, to write to its terminal.
    settings, store
        The options in force, and the cache.
    wanted
        The selected cases. If none of them can run, their items fail instead of being skipped.
    named
        Backends that tests name, beside those of the options.
    """

    def __init__(
        self, config: pytest.Config, settings: Settings, store: Store, wanted: Set[Case], named: Set[str] = frozenset()
    ) -> None:
        self._config = config
        self._settings = settings
        self.store = store
        self._wanted = wanted
        self._named = named
        self._uses = ExitStack()
        self._cached: dict[Recipe, bool] = {}
        self._failed: dict[Recipe, MLPerfError] = {}
        self._nothing_runs: bool | None = None
        self.contents = Contents()

    def close(self) -> None:
        """Release the artifacts in use, so that they may be removed from the cache."""
        self._uses.close()

    def require(self, case: Case) -> Plan:
        """Return a case's plan. If it cannot be loaded, skip the item, or fail it if the user named it.

        Raises
        ------
        MLPerfError
            The case cannot be run with these options.
        """
        decided = case.decided
        if not isinstance(decided, EntryPointError):
            return case.plan
        if self._missing_is_error or self._settings.selection.names(case) or case.backend in self._named:
            raise decided
        pytest.skip(str(decided))

    def telling(self, case: Case) -> Callable[[LocalRecipe], Path]:
        """Return a function that makes an artifact that takes long, and says so."""

        def make(recipe: LocalRecipe) -> Path:
            from pytest_mlperf.report.progress import Terminal

            if recipe not in self._failed:
                Terminal(self._config).write_line(f"  making {recipe.name}, to be kept in the cache")
            return self._make(recipe, case).path

        return make

    def dataset(self, case: Case) -> Path:
        """Return the directory of a case's data set."""
        path = self.obtain(case.plan.dataset, case)
        if not path.is_dir():
            raise DatasetError(
                f"{path} is not a directory",
                expected="the directory of a data set",
                found="a file" if path.exists() else "nothing",
                fix="check the path given with --dataset-path",
            )
        return path

    def python(self, case: Case) -> Python:
        """Return a Python interpreter with the packages that the case's backend needs."""
        from pytest_mlperf.environments.provide import from_store, provide

        needs = self.python_needs(case)
        get = from_store(self.store, self.telling(case), install=needs.may_install)

        def get_and_hold(recipe: LocalRecipe) -> Path:
            get(recipe)
            return self.get(recipe, case)

        try:
            return provide(needs, get_and_hold)
        except RequirementError as error:
            if needs.may_install or self._missing_is_error:
                raise
            pytest.skip(str(error))

    def versions(self, case: Case, python: Python) -> dict[str, str]:
        """Return the versions of the packages that a case runs with in an interpreter; see `versions_of`."""
        from packaging.requirements import Requirement

        from pytest_mlperf.environments.distributions import versions_of
        from pytest_mlperf.environments.installed import LOADGEN_REQUIREMENT

        needs = self.python_needs(case)
        names = [Requirement(each).name for each in (*needs.requirements, *needs.also, LOADGEN_REQUIREMENT)]
        return versions_of(names, python.executable)

    def python_needs(self, case: Case) -> Needs:
        """Return what a case needs from an interpreter; an environment may be made if the user named the backend."""
        from pytest_mlperf.environments.provide import Needs
        from pytest_mlperf.environments.pythons import Wanted

        settings, traits = self._settings, Traits.of(case.plan.backend)
        return Needs(
            backend=case.backend,
            device=case.device,
            requirements=case.plan.backend.requirements,
            also=(*traits.also_requires, *case.plan.benchmark.dataset.requirements),
            wanted=Wanted(settings.python_version or (), settings.python_version_min or (), traits.python),
            venv=settings.venv,
            compiler=settings.loadgen_compiler,
            loadgen_src=settings.loadgen_src,
            install=settings.fetch or case.backend in settings.selection.backend or case.backend in self._named,
            implementation=case.implementation or "python",
            of_implementation=getattr(case.plan.implementation, "also_requires", ()),
        )

    def obtain(self, source: Path | Recipe | Remote | MissingFile, case: Case) -> Path:
        """Return the path of a model or data set; skip the item if it is missing."""
        if isinstance(source, Path):
            return source
        if isinstance(source, MissingFile):
            self._without(source, case)
        recipe = source.recipe if isinstance(source, Remote) else source
        if isinstance(source, Remote) and not self._settings.fetch and self.store.find(recipe) is None:
            self._without(source, case)
        return self.get(recipe, case)

    def get(self, recipe: Recipe, case: Case) -> Path:
        """Return the path of an artifact, made if necessary; it is not removed before the session ends."""
        while True:
            artifact = self.store.find(recipe) or self._make(recipe, case)
            if self._uses.enter_context(self.store.use(artifact)):  # False if it was removed in between
                self.contents.note(recipe, artifact)
                return artifact.path

    def missing(self, case: Case) -> list[MissingFile | Remote]:
        """Return the official files that a case needs and that are not given, not cached and may not be fetched."""
        return [
            source
            for source in (case.plan.model.origin, case.plan.dataset)
            if isinstance(source, MissingFile)
            or (isinstance(source, Remote) and not self._settings.fetch and not self._is_cached(source.recipe))
        ]

    def checker(self, round_: Round) -> Path:
        """Return a checkout of mlcommons/inference with a round's official checker: given, cached or fetched.

        Raises
        ------
        RequirementError
            There is no checkout, and none may be fetched.
        """
        from pytest_mlperf.submission.checker_source import checker_recipe

        if self._settings.inference_src is not None:
            return self._settings.inference_src
        recipe = checker_recipe(round_)
        artifact = self.store.find(recipe)
        if artifact is None:
            if not self._settings.fetch:
                raise RequirementError(
                    "the official checker is missing",
                    expected=f"mlcommons/inference, {round_.checker}",
                    found="none in the cache",
                    fix="name a checkout with --mlperf-inference-src, or add --mlperf-fetch",
                )
            artifact = self.store.get(recipe)
        entries = [path for path in artifact.path.iterdir() if path.is_dir()]
        return entries[0] if len(entries) == 1 else artifact.path

    @contextmanager
    def device(self, device: str, *, alone: bool) -> Iterator[None]:
        """Lock a device: exclusively for a performance run, shared for anything else."""
        from pytest_mlperf.run.device import hold_device

        # What waits for an endpoint's answers is this machine's processor.
        held = "cpu" if device == REMOTE else on_machine(device, os.environ)
        with hold_device(held, self.tell(f"waiting for the device {held}"), alone=alone):
            yield

    def tell(self, what: str) -> Callable[[Holder | None], None]:
        """Return a function that writes to the terminal what the session is waiting for."""

        def tell(holder: Holder | None) -> None:
            from pytest_mlperf.report.progress import Terminal

            Terminal(self._config).write_line(f"  {what}: in use by {holder or 'another run'}")

        return tell

    @property
    def _missing_is_error(self) -> bool:
        """Whether an item with missing files fails instead of being skipped: no case can run, or all are submitted."""
        if self._nothing_runs is None:
            self._nothing_runs = bool(self._wanted) and not any(map(self._can_run, self._wanted))
        return self._settings.submit or self._nothing_runs

    def _can_run(self, case: Case) -> bool:
        """Return whether a case has its files and its runtime, or may fetch them."""
        from pytest_mlperf.environments.provide import environment

        if not isinstance(case.decided, Plan) or self.missing(case):
            return False
        needs = self.python_needs(case)
        return needs.may_install or (recipe := environment(needs)) is None or self._is_cached(recipe)

    def _is_cached(self, recipe: Recipe) -> bool:
        if recipe not in self._cached:  # checking thousands of images for every case takes seconds
            self._cached[recipe] = self.store.find(recipe) is not None
        return self._cached[recipe]

    def _without(self, found: MissingFile | Remote, case: Case) -> NoReturn:
        """Skip an item with a missing file, or fail it if no case can run."""
        missing = "; ".join(map(str, self.missing(case) or [found]))
        if self._missing_is_error:
            raise RequirementError(
                f"{case.benchmark} cannot run",
                expected="its model and its data set",
                found=f"missing: {missing}",
                fix="give the files with these options, or run the -tiny edition",
            )
        pytest.skip(one_line(f"{case.benchmark} needs {missing}"))

    def _make(self, recipe: Recipe, case: Case) -> Artifact:
        """Make or fetch an artifact, once, and not during a performance run."""
        from pytest_mlperf.report.progress import show_fetch

        if recipe in self._failed:
            raise self._failed[recipe]
        with self.device(case.device, alone=False), show_fetch(self._config) as on_progress:
            store = replace(self.store, network=replace(self.store.network, on_progress=on_progress))
            try:
                return store.get(recipe, on_wait=self.tell(f"waiting for {recipe.name}"))
            except (FetchError, RequirementError) as error:
                self._failed[recipe] = _advised(error)
                raise self._failed[recipe] from error
            except CacheError as error:
                raise _advised(error) from error


def _advised(error: MLPerfError) -> MLPerfError:
    """Return an error of the cache with the options that can fix it."""
    if isinstance(error, OfflineError):
        hint = "\nleave out --mlperf-offline, or name a directory with --mlperf-mirror DIR"
    elif isinstance(error, FetchError):
        hint = "\nname a mirror with --mlperf-mirror URL|DIR, if there is one"
    elif isinstance(error, CacheError):
        hint = f" (--mlperf-cache DIR or {CACHE_VARIABLE} names the cache)"
    else:
        hint = ""
    fix = f"{error.fix.rstrip('.')}{hint}".lstrip()
    return type(error)(error.what, expected=error.expected, found=error.found, fix=fix)

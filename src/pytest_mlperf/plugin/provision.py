"""Finds, builds or fetches what the cases need, and keeps it from being removed until the session ends."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pytest_mlperf.artifacts.recipe import KnownContent
from pytest_mlperf.backends.base import REMOTE, Traits
from pytest_mlperf.errors import (
    CacheError,
    DatasetError,
    EntryPointError,
    FetchError,
    MLPerfError,
    ModelError,
    OfflineError,
    RequirementError,
)
from pytest_mlperf.origin import Derived, MissingFile, Remote, Tool, Url
from pytest_mlperf.plugin.option_table import CACHE_VARIABLE
from pytest_mlperf.printable import one_line
from pytest_mlperf.run.case import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence, Set
    from typing import NoReturn

    from pytest_mlperf.artifacts.content import Content
    from pytest_mlperf.artifacts.locks import Holder
    from pytest_mlperf.artifacts.recipe import LocalRecipe, Recipe
    from pytest_mlperf.artifacts.store import Artifact, Store
    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.environments.installed import Python
    from pytest_mlperf.environments.provide import Needs
    from pytest_mlperf.plugin.options import Settings
    from pytest_mlperf.rules.round import Round
    from pytest_mlperf.run.case import Case

ONNX = "onnx"


class FoundModel(NamedTuple):
    """A model's path or address, its entry in the benchmark's ``models``, and notes for the user.

    ``reference`` is the ONNX file with the same graphs, with which ONNX Runtime gives the same answers; None if there
    is no such file.
    """

    path: Path | str
    file: ModelFile
    notes: tuple[str, ...] = ()
    reference: Path | None = None


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
        self._store = store
        self._wanted = wanted
        self._named = named
        self._uses = ExitStack()
        self._cached: dict[Recipe, bool] = {}
        self._failed: dict[Recipe, MLPerfError] = {}
        self._nothing_runs: bool | None = None
        self._artifacts: dict[Path, tuple[Recipe, Artifact]] = {}
        self._contents: dict[tuple[Path, int], Content] = {}

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

    def model(self, case: Case) -> FoundModel:
        """Return a case's model: a file, a directory, or an address."""
        file = case.plan.model
        if isinstance(file.source, Derived):
            return self._derived(file, file.source, case)
        if isinstance(file.source, Url):
            return FoundModel(file.source.address, file)
        path = self._model_path(file.source, file, case)
        return FoundModel(path, file, reference=path if file.format == ONNX else None)

    def _derived(self, file: ModelFile, derived: Derived, case: Case) -> FoundModel:
        """Return a model file made from another one; if that fails, the file to run instead.

        A directory that the user gives for one that is made from a file is taken as it is.
        """
        if file.directory and isinstance(derived.source, Path) and derived.source.is_dir():
            return FoundModel(derived.source, file)
        if derived.ready is not None:
            return FoundModel(
                derived.ready, file, reference=derived.source if isinstance(derived.source, Path) else None
            )
        original = self._original(file, derived, case)
        try:
            path = self._made(file, derived, original, case)
        except ModelError as error:
            if file.instead is None or Traits.of(case.plan.backend).refuses(file.instead):
                raise
            return FoundModel(original, file.instead, (f"{case.benchmark} runs as {file.instead}: {error.what}",))
        made, what = (path, "the model") if file.directory else next((each, each.name) for each in path.iterdir())
        reference = original if derived.source_format == ONNX else made if file.format == ONNX else None
        return FoundModel(made, file, (f"{what} was made from {original}",), reference)

    def _original(self, file: ModelFile, derived: Derived, case: Case) -> Path:
        """Return the path of the file that another one is made from; it is made first if necessary."""
        form, inner = replace(file, directory=bool(derived.source_files)), derived.source
        if not isinstance(inner, Derived):
            return self._model_path(inner, form, case)
        made = self._made(file, inner, self._original(file, inner, case), case)
        return made if form.directory else next(made.iterdir())

    def _made(self, file: ModelFile, derived: Derived, original: Path, case: Case) -> Path:
        """Return the directory of what is made from `original`."""
        form = derived.source_format or file.format
        sha256 = self._sha256(original, form, derived.source_files or [graph.file for graph in file.graphs])
        return self.get(derived.recipe(original, sha256, self._tool(derived.tool, case)), case)

    def _tool(self, tool: Tool | None, case: Case) -> str:
        """Return the interpreter with a tool's packages: that of an environment of the cache, made if necessary."""
        if tool is None:
            return sys.executable
        from pytest_mlperf.environments.provide import from_store, tool_environment
        from pytest_mlperf.environments.venv import executable

        recipe = tool_environment(tool.requirements, tool.python)
        from_store(self._store, self._telling(case), install=True)(recipe)
        return str(executable(self.get(recipe, case)))

    def _telling(self, case: Case) -> Callable[[LocalRecipe], Path]:
        """Return a function that makes an artifact that takes long, and says so."""

        def make(recipe: LocalRecipe) -> Path:
            from pytest_mlperf.report.progress import Terminal

            if recipe not in self._failed:
                Terminal(self._config).write_line(f"  making {recipe.name}, to be kept in the cache")
            return self._make(recipe, case).path

        return make

    def _model_path(self, source: Path | Recipe | Remote | MissingFile, file: ModelFile, case: Case) -> Path:
        path = self._obtain(source, case)
        if not file.directory and not isinstance(source, Path):
            [path] = path.iterdir()
        if path.is_dir() if file.directory else path.is_file():
            return path
        there = "a directory" if path.is_dir() else "a file" if path.exists() else "nothing"
        raise ModelError(
            f"{path} is not a {'directory' if file.directory else 'file'}",
            expected=f"a model of the form {file}",
            found=there,
            fix="check the path given with --model-path",
        )

    def model_sha256(self, path: Path | str, file: ModelFile) -> str:
        """Return the digest of all files of a model; empty for an address.

        Raises
        ------
        ModelError
            A file cannot be read.
        CacheError
            The model is from the cache, and was changed there.
        """
        return "" if isinstance(path, str) else self._sha256(path, file.format, [graph.file for graph in file.graphs])

    def _sha256(self, path: Path, form: str, graphs: Sequence[str]) -> str:
        from pytest_mlperf.backends.model_content import model_content

        directory = path if path in self._artifacts else path.parent
        return self._content(directory, (path, 0), lambda: model_content(path, form, graphs)).sha256

    def data(self, case: Case, directory: Path, count: int) -> Content | None:
        """Return the hashed files of the first `count` samples of a data set; None if nobody says which they are.

        Raises
        ------
        DatasetError
            A file is missing or cannot be read.
        CacheError
            The data set is from the cache, and was changed there.
        """
        from pytest_mlperf.datasets.data_content import data_content

        dataset, (_, artifact) = case.plan.benchmark.dataset, self._artifacts.get(directory, (None, None))
        recorded = [file.path for file in artifact.manifest.files] if artifact is not None else None
        try:
            content = self._content(
                directory, (directory, count), lambda: data_content(dataset, directory, count, recorded)
            )
        except DatasetError as error:
            if artifact is not None and (fault := artifact.fault()) is not None:
                raise artifact.damaged(fault) from error
            raise
        return content if content.files else None

    def _content(self, directory: Path, key: tuple[Path, int], read: Callable[[], Content]) -> Content:
        """Return what some files hold; they are read once in a session, and again if they were changed."""
        if (content := self._contents.get(key)) is None or content.change() is not None:
            content = read()
            self._require_recorded(directory, content)
            self._contents[key] = content
        return content

    def _require_recorded(self, directory: Path, content: Content) -> None:
        """Raise if a file of an artifact is not what its manifest lists, or what its recipe knows."""
        if directory not in self._artifacts:
            return
        recipe, artifact = self._artifacts[directory]
        recorded = {file.path: file.sha256 for file in artifact.manifest.files}
        for file in content.files:
            if file.sha256 != recorded.get(file.name):
                raise artifact.damaged(f"{file.name} has SHA-256 {file.sha256}, not {recorded.get(file.name)}")
        found = {file.name: file.sha256 for file in content.files}
        if isinstance(recipe, KnownContent) and (fault := recipe.fault(directory, found)) is not None:
            raise artifact.damaged(fault)

    def dataset(self, case: Case) -> Path:
        """Return the directory of a case's data set."""
        path = self._obtain(case.plan.dataset, case)
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
        get = from_store(self._store, self._telling(case), install=needs.may_install)

        def get_and_hold(recipe: LocalRecipe) -> Path:
            get(recipe)
            return self.get(recipe, case)

        try:
            return provide(needs, get_and_hold)
        except RequirementError as error:
            if needs.may_install or self._missing_is_error:
                raise
            pytest.skip(str(error))

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
        )

    def get(self, recipe: Recipe, case: Case) -> Path:
        """Return the path of an artifact, made if necessary; it is not removed before the session ends."""
        while True:
            artifact = self._store.find(recipe) or self._make(recipe, case)
            if self._uses.enter_context(self._store.use(artifact)):  # False if it was removed in between
                self._artifacts[artifact.path] = recipe, artifact
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
        artifact = self._store.find(recipe)
        if artifact is None:
            if not self._settings.fetch:
                raise RequirementError(
                    "the official checker is missing",
                    expected=f"mlcommons/inference, {round_.checker}",
                    found="none in the cache",
                    fix="name a checkout with --mlperf-inference-src, or add --mlperf-fetch",
                )
            artifact = self._store.get(recipe)
        entries = [path for path in artifact.path.iterdir() if path.is_dir()]
        return entries[0] if len(entries) == 1 else artifact.path

    @contextmanager
    def device(self, device: str, *, alone: bool) -> Iterator[None]:
        """Lock a device: exclusively for a performance run, shared for anything else."""
        from pytest_mlperf.run.device import hold_device

        # What waits for an endpoint's answers is this machine's processor.
        held = "cpu" if device == REMOTE else device
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
            self._cached[recipe] = self._store.find(recipe) is not None
        return self._cached[recipe]

    def _obtain(self, source: Path | Recipe | Remote | MissingFile, case: Case) -> Path:
        """Return the path of a model or data set; skip the item if it is missing."""
        if isinstance(source, Path):
            return source
        if isinstance(source, MissingFile):
            self._without(source, case)
        recipe = source.recipe if isinstance(source, Remote) else source
        if isinstance(source, Remote) and not self._settings.fetch and self._store.find(recipe) is None:
            self._without(source, case)
        return self.get(recipe, case)

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
            store = replace(self._store, network=replace(self._store.network, on_progress=on_progress))
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

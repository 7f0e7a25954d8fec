"""What a case needs from the cache and the machine: found, made or fetched, held; and the device, leased."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.errors import CacheError, FetchError, MLPerfError, OfflineError, RequirementError
from pytest_mlperf.plugin.options import CACHE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NoReturn

    from pytest_mlperf.artifacts.locks import Holder
    from pytest_mlperf.artifacts.recipe import LocalRecipe, Recipe
    from pytest_mlperf.artifacts.store import Artifact
    from pytest_mlperf.benchmarks.base import MissingFile, Remote
    from pytest_mlperf.environments.installed import Python
    from pytest_mlperf.plugin.session import MLPerfSession
    from pytest_mlperf.rules.round import Round
    from pytest_mlperf.run.case import Case


def obtain(
    session: MLPerfSession,
    found: Path | Recipe | Remote | MissingFile,
    case: Case,
    error: type[MLPerfError],
    uses: ExitStack,
) -> Path:
    """Return the path of what a benchmark said where to find; skip the item when it is not here."""
    from pytest_mlperf.benchmarks.base import MissingFile, Remote

    if isinstance(found, Path):
        return found
    if isinstance(found, MissingFile):
        _without(session, found, case, error)
    recipe = found.recipe if isinstance(found, Remote) else found

    def make() -> Artifact:
        if isinstance(found, Remote) and not session.settings.fetch:
            _without(session, found, case, error)
        return make_artifact(session, recipe, case)

    return hold(session, recipe, uses, make)


def provide_python(session: MLPerfSession, case: Case, uses: ExitStack) -> Python:
    """Return an interpreter that has what a case's backend needs; skip the item where it is not to be had unasked."""
    from pytest_mlperf.environments.provide import from_store, provide

    needs = session.python_needs(case)

    def make(recipe: LocalRecipe) -> Path:
        from pytest_mlperf.report.progress import Terminal

        if recipe not in session.unfetched:
            Terminal(session.config).write_line(f"  making {recipe.name}; it is kept in the cache")
        return make_artifact(session, recipe, case).path

    get = from_store(session.store, make, install=needs.may_install)

    def get_and_hold(recipe: LocalRecipe) -> Path:
        get(recipe)
        return hold(session, recipe, uses, lambda: make_artifact(session, recipe, case))

    try:
        return provide(needs, get_and_hold)
    except RequirementError as error:
        if needs.may_install or session.missing_is_error:
            raise
        pytest.skip(str(error))


def hold(session: MLPerfSession, recipe: Recipe, uses: ExitStack, make: Callable[[], Artifact]) -> Path:
    """Return the place of an artifact that nothing removes before the session's end."""
    while True:
        artifact = session.store.find(recipe) or make()
        if uses.enter_context(session.store.use(artifact)):  # False where a removal came between the two
            return artifact.path


def _without(session: MLPerfSession, found: MissingFile | Remote, case: Case, error: type[MLPerfError]) -> NoReturn:
    """Skip an item that lacks a file, or fail it where all do."""
    missing = "; ".join(map(str, session.missing(case) or [found]))
    if session.missing_is_error:
        raise error(
            f"{case.benchmark} cannot run",
            expected="its model and its data set",
            found=f"missing: {missing}",
            fix="name the files, or run its -tiny edition",
        )
    pytest.skip(f"{case.benchmark} needs {missing}")


def make_artifact(session: MLPerfSession, recipe: Recipe, case: Case) -> Artifact:
    """Have the cache make or fetch an artifact; a performance run must not be disturbed by it."""
    from pytest_mlperf.report.progress import show_fetch

    if recipe in session.unfetched:
        raise session.unfetched[recipe]
    with device_lease(session.config, case, alone=False), show_fetch(session.config) as on_progress:
        store = replace(session.store, network=replace(session.store.network, on_progress=on_progress))
        try:
            return store.get(recipe, on_wait=tell(session.config, f"waiting for {recipe.name}"))
        except CacheError as error:
            advice = f"{error.fix} Its place is given with --mlperf-cache DIR or {CACHE_VARIABLE}."
            raise CacheError(error.what, expected=error.expected, found=error.found, fix=advice.lstrip()) from error
        except FetchError as error:
            offline = "Leave out --mlperf-offline, or name a directory with --mlperf-mirror DIR."
            hint = offline if isinstance(error, OfflineError) else "A mirror is named with --mlperf-mirror URL|DIR."
            session.unfetched[recipe] = type(error)(
                error.what, expected=error.expected, found=error.found, fix=f"{error.fix}\n{hint}"
            )
            raise session.unfetched[recipe] from error
        except RequirementError as error:
            session.unfetched[recipe] = error
            raise


def find_checker(session: MLPerfSession, round_: Round) -> Path:
    """Return a checkout of mlcommons/inference that has a round's official checker: named, cached or fetched.

    Raises
    ------
    RequirementError
        There is none, and none may be fetched.
    """
    from pytest_mlperf.submission.checker_source import checker_recipe

    if session.settings.inference_src is not None:
        return session.settings.inference_src
    recipe = checker_recipe(round_)
    artifact = session.store.find(recipe)
    if artifact is None:
        if not session.settings.fetch:
            raise RequirementError(
                "the official checker is not here",
                expected=f"mlcommons/inference, {round_.checker}",
                found="none in the cache",
                fix="name a checkout with --mlperf-inference-src, or add --mlperf-fetch",
            )
        artifact = session.store.get(recipe)
    entries = [path for path in artifact.path.iterdir() if path.is_dir()]
    return entries[0] if len(entries) == 1 else artifact.path


@contextmanager
def device_lease(config: pytest.Config, case: Case, *, alone: bool) -> Iterator[None]:
    """Hold the case's device: alone for a performance run, together with others for anything else."""
    from pytest_mlperf.artifacts.locks import lease

    path = Path(tempfile.gettempdir(), "pytest-mlperf-leases", f"{case.device}.lock")
    on_wait = tell(config, f"waiting for the device {case.device}")
    with ExitStack() as stack:
        try:
            stack.enter_context(lease(path, mode=0o666, shared=not alone, on_wait=on_wait))
        except CacheError as error:
            fix = "make it a directory in which you may write, or name another place with the variable TMPDIR"
            raise CacheError(
                f"cannot lease the device {case.device}: {error.what}",
                expected=error.expected,
                found=error.found,
                fix=fix,
            ) from error
        yield


def tell(config: pytest.Config, what: str) -> Callable[[Holder | None], None]:
    """Return what tells the user, on the terminal, whom the session waits for."""

    def tell(holder: Holder | None) -> None:
        from pytest_mlperf.report.progress import Terminal

        Terminal(config).write_line(f"  {what}: in use by {holder or 'another run'}")

    return tell

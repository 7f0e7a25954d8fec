"""What a case needs from the cache and the machine: found, made or fetched, held; and the device, leased."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.errors import CacheError, FetchError, MLPerfError, OfflineError
from pytest_mlperf.options import CACHE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NoReturn

    from pytest_mlperf.artifacts.locks import Holder
    from pytest_mlperf.artifacts.recipe import Recipe
    from pytest_mlperf.artifacts.store import Artifact
    from pytest_mlperf.benchmarks.base import MissingFile, Remote
    from pytest_mlperf.cases import Case
    from pytest_mlperf.session import MLPerfSession


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
            f"missing: {missing}",
            "name the files, or run its -tiny edition",
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
            raise CacheError(error.what, error.found, advice.lstrip()) from error
        except FetchError as error:
            offline = "Leave out --mlperf-offline, or name a directory with --mlperf-mirror DIR."
            hint = offline if isinstance(error, OfflineError) else "A mirror is named with --mlperf-mirror URL|DIR."
            session.unfetched[recipe] = type(error)(error.what, error.found, f"{error.fix}\n{hint}")
            raise session.unfetched[recipe] from error


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
            raise CacheError(f"cannot lease the device {case.device}: {error.what}", error.found, fix) from error
        yield


def tell(config: pytest.Config, what: str) -> Callable[[Holder | None], None]:
    """Return what tells the user, on the terminal, whom the session waits for."""

    def tell(holder: Holder | None) -> None:
        from pytest_mlperf.report.progress import Terminal

        Terminal(config).write_line(f"  {what}: in use by {holder or 'another run'}")

    return tell

"""What --mlperf-plan says of --mlperf-reuse: which cases have a result of an earlier session, and why others run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from pytest_mlperf.errors import CacheError, MLPerfError
from pytest_mlperf.plugin.fixtures import options_of
from pytest_mlperf.plugin.given import given
from pytest_mlperf.plugin.models import find_model
from pytest_mlperf.plugin.provision import Provider
from pytest_mlperf.run.case import PERFORMANCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_mlperf.artifacts.recipe import Recipe
    from pytest_mlperf.implementations.protocol import OtherModel
    from pytest_mlperf.plugin.session import MLPerfSession
    from pytest_mlperf.run.case import Case


class _Finds(Provider):
    """Provides what is there; makes and fetches nothing."""

    def _make(self, recipe: Recipe, case: Case) -> NoReturn:
        del case
        raise CacheError(f"{recipe.name} is not made yet", found="none in the cache", fix="run the session")


def foreseen(session: MLPerfSession, cases: Iterable[tuple[pytest.Item, Case]]) -> Iterator[tuple[Case, str, bool]]:
    """Yield each case, what --mlperf-reuse means for it, and whether it need not run; empty for one that it is not for.

    It is seen as far as that is possible without making anything: fixtures of the project are not looked at.
    """
    provider = _Finds(session.config, session.settings, session.store, session.wanted, session.named)
    for item, case in cases:
        if case.mode != PERFORMANCE:
            yield case, "", False
            continue
        try:
            said, reused = _looked_up(session, provider, item, case)
        except MLPerfError as error:
            said, reused = f"runs: {error.what}", False
        except pytest.skip.Exception as skipped:
            said, reused = f"does not run: {skipped.msg}", False
        yield case, f"{case.title} {case.mode}: {said}", reused
    provider.close()


def _looked_up(session: MLPerfSession, provider: Provider, item: pytest.Item, case: Case) -> tuple[str, bool]:
    from pytest_mlperf.implementations.base import Program
    from pytest_mlperf.run.reuse import Earlier, Found, said
    from pytest_mlperf.run.runner import look_up
    from pytest_mlperf.run.surroundings import Provided

    model, dataset, python = find_model(provider, case), provider.dataset(case), provider.python(case)
    built = python.loadgen.built if python.loadgen is not None else ""
    provided = Provided(
        program=Program((python.executable,), loadgen_built=built),
        model=model.path if isinstance(model.path, str) else str(model.path.absolute()),
        model_sha256=model.sha256,
        model_file=model.file,
        dataset=dataset,
        data=lambda count: provider.contents.data(case.plan.benchmark.dataset, dataset, count),
        old=_other(session, provider, case),
        versions=lambda: provider.versions(case, python),
    )
    found = look_up(case, options_of(item, session, case), provided, Earlier(session.settings.output))
    if isinstance(found, Found) and found.result.reused is not None:
        return said(found.result.reused), True
    return f"runs: {found.reason}" if not isinstance(found, Found) else "", False


def _other(session: MLPerfSession, provider: Provider, case: Case) -> OtherModel | None:
    """Return the model that the case is timed in turns with, as far as a run depends on it."""
    from pytest_mlperf.implementations.protocol import OtherModel

    if case.plan.old is None:
        return None
    found = find_model(provider, given(session, case, case.plan.old, None))
    return OtherModel(path=str(found.path), sha256=found.sha256)

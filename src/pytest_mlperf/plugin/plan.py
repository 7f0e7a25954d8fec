"""The output of --mlperf-plan: the files that the cases need, bytes to fetch, disk space, estimated time."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.errors import CacheError, RequirementError
from pytest_mlperf.origin import MissingFile, Remote, Url
from pytest_mlperf.run.budget import needs_of, run_key, share
from pytest_mlperf.run.case import ACCURACY, PERFORMANCE, Plan
from pytest_mlperf.secrecy import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_mlperf.artifacts.recipe import Recipe
    from pytest_mlperf.plugin.options import Settings
    from pytest_mlperf.plugin.session import MLPerfSession
    from pytest_mlperf.run.case import Case


@dataclass(frozen=True)
class Need:
    """One file, data set or environment: what it is, whether it is here, and the bytes to fetch."""

    what: str
    state: str
    to_fetch: int = 0


def files_of(session: MLPerfSession, case: Case) -> tuple[Need, ...]:
    """Return a case's model and data set, and its environment if it is not the session's."""
    if not isinstance(case.decided, Plan):
        return (Need(case.id, str(case.decided).partition("\n")[0]),)
    environment = _environment(session, case)
    model, dataset = case.decided.model.origin, case.decided.dataset
    return (*environment, _need(session, "model", model), _need(session, "data set", dataset))


def lines(session: MLPerfSession, cases: Sequence[Case]) -> Iterator[str]:
    """Yield the lines of the plan."""
    from pytest_mlperf.run.peak_runs import has_peak

    needed: dict[Need, None] = {}
    for case in cases:
        needed.update(dict.fromkeys(files_of(session, case)))
    needs, minutes = needs_of(cases, session.expect), session.settings.time_budget
    shares = {} if minutes is None else {name: share(60 * minutes, needs, name) for name in needs}
    options = session.settings.run_options
    for case in cases:
        search = ", after the search for its peak" if has_peak(case, options) else ""
        yield f"{case.title} {case.mode}: {', '.join(_promise(session, case, needs, shares))}{search}"
    yield "needs:"
    yield from (f"  {need.what}: {need.state}" for need in needed)
    yield from session.matrix.not_collected()
    total = sum(need.to_fetch for need in needed)
    yield f"to fetch: {total / 1e6:,.0f} MB" if total else "to fetch: nothing"
    yield f"free in the cache {session.store.root}: {_free(session.store.root) / 1e9:,.0f} GB"
    known = [min(seconds, shares.get(name, math.inf)) for name, seconds in needs.items() if seconds < math.inf]
    yield f"time: {_minutes(sum(known))} for {len(known)} of {len(cases)} runs, from earlier runs on this machine"
    if minutes is not None:
        yield f"time budget: {minutes:g} min"


def _promise(
    session: MLPerfSession, case: Case, needs: Mapping[str, float], shares: Mapping[str, float]
) -> Iterator[str]:
    """Yield how long a case takes, and whether it is as long as its round asks."""
    seconds = needs.get(run_key(case), math.inf)
    allowed = shares.get(run_key(case), math.inf)
    if seconds <= allowed < math.inf or (seconds < math.inf and allowed == math.inf):
        yield _minutes(seconds)
    elif allowed < math.inf:
        yield f"at most {_minutes(allowed).removeprefix('about ')}"
    if seconds == math.inf:
        yield "no earlier run"
    if isinstance(case.decided, Plan) and case.mode in (ACCURACY, PERFORMANCE):
        yield from _length(session.settings, case, fits=None if seconds == math.inf and shares else seconds <= allowed)


def _length(settings: Settings, case: Case, *, fits: bool | None) -> Iterator[str]:
    """Yield whether a run satisfies its round; nothing where only the run can tell."""
    plan = case.plan
    whole = plan.benchmark.edition == "official" and plan.sample_count >= plan.dataset_size
    changed = settings.test_query_count is not None or settings.min_duration is not None
    can = settings.run_length == "official" and whole and not (case.mode == PERFORMANCE and changed)
    if can and fits and plan.round is not None:
        yield f"satisfies {plan.round.name}"
    elif can and fits is None:
        yield "official length if it fits"
    elif plan.round is not None:
        yield f"short of {plan.round.name}"


def _environment(session: MLPerfSession, case: Case) -> tuple[Need, ...]:
    from pytest_mlperf.environments.provide import environment

    needs = session.provider.python_needs(case)
    try:
        recipe = environment(needs)
        artifact = session.store.find(recipe) if recipe is not None else None
    except (RequirementError, CacheError) as error:
        return (Need(f"Python for {case.backend}", f"missing, {error.what}"),)
    if recipe is None:
        return ()
    if artifact is not None:
        state = f"in the cache, {artifact.manifest.size / 1e6:,.1f} MB"
    elif needs.may_install:
        state = "made by the first run; pip or uv fetches its packages"
    else:
        state = f"missing; made with --backend {case.backend} or --mlperf-fetch"
    return (Need(f"environment {recipe.name}", state),)


def _need(session: MLPerfSession, kind: str, found: Path | Recipe | Remote | MissingFile | Url) -> Need:
    if isinstance(found, Url):
        what = "an endpoint" if "://" in found.address else "a function"
        return Need(f"{kind} {without_secrets(found.address)}", what)
    if isinstance(found, Path):
        return Need(f"{kind} {found}", "here" if found.exists() else "not found: check the path")
    if isinstance(found, MissingFile):
        return Need(f"{kind} {found.what}", f"missing, {found.size}; give it with {found.option}")
    recipe = found.recipe if isinstance(found, Remote) else found
    try:
        artifact = session.store.find(recipe)
    except CacheError as error:
        return Need(f"{kind} {recipe.name}", f"missing, {error.what}")
    if artifact is not None:
        return Need(f"{kind} {recipe.name}", f"in the cache, {artifact.manifest.size / 1e6:,.1f} MB")
    if isinstance(found, Remote):
        return Need(f"{kind} {found.what}", f"to fetch with --mlperf-fetch, {found.size}", found.size_bytes)
    return Need(f"{kind} {recipe.name}", "made by the first run, in seconds")


def _free(cache: Path) -> int:
    there = next(place for place in (cache, *cache.parents) if place.is_dir())
    return shutil.disk_usage(there).free


def _minutes(seconds: float) -> str:
    return f"about {seconds / 60:.1f} min" if seconds >= 60 else f"about {seconds:.0f} s"

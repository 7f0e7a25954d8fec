"""Which environment a case's worker runs in: the session's own where it serves, else one in the cache."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from pytest_mlperf.environments.compiler import find_compiler
from pytest_mlperf.environments.installed import LOADGEN_REQUIREMENT, LoadGen, Python, installed_version
from pytest_mlperf.environments.loadgen import LoadGenRecipe, find_checkout, wheel
from pytest_mlperf.environments.pythons import Wanted, choose, running
from pytest_mlperf.environments.requirements import LOADGEN, environment_requirements, loadgen_version, without
from pytest_mlperf.environments.venv import VenvRecipe, executable, version_in
from pytest_mlperf.errors import OfflineError, RequirementError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_mlperf.artifacts.recipe import LocalRecipe
    from pytest_mlperf.artifacts.store import Store
    from pytest_mlperf.environments.pythons import Interpreter
    from pytest_mlperf.errors import MLPerfError

    Get = Callable[[LocalRecipe], Path]


@dataclass(frozen=True)
class Needs:
    """What a case's backend needs, and what the user has asked for.

    Attributes
    ----------
    backend, device, requirements
        The case's; any one of the requirements serves.
    wanted
        Which Python.
    venv
        The name of a virtual environment to use, whatever the session's own environment has.
    compiler, loadgen_src
        Build LoadGen with that compiler, from that checkout.
    install
        Whether an environment may be made for it: the user named the backend, or has what is missing fetched.
    """

    backend: str
    device: str
    requirements: tuple[str, ...]
    wanted: Wanted
    venv: str | None = None
    compiler: str | None = None
    loadgen_src: Path | None = None
    install: bool = False

    @property
    def builds_loadgen(self) -> bool:
        """Whether LoadGen is to be built from source."""
        return self.compiler is not None or self.loadgen_src is not None

    @property
    def may_install(self) -> bool:
        """Whether the user asked for anything that may need another environment: nothing is installed unasked."""
        return self.install or self.wanted != Wanted() or self.venv is not None or self.builds_loadgen


def provide(needs: Needs, get: Get) -> Python:
    """Return an interpreter with everything that the worker needs: the session's own, else one of the cache.

    Parameters
    ----------
    needs
        What it is for.
    get
        Returns an artifact's directory, made where it is not in the cache.

    Raises
    ------
    RequirementError
        No Python fits, or what the session's own environment lacks cannot be had, or must not be.
    OfflineError
        From `get`, where the session's own environment was not meant.
    """
    interpreter = choose(needs.wanted, os.environ)
    own = _means_own(needs, interpreter)
    lacking = lack(needs) if own else None
    if own and lacking is None:
        return Python(sys.executable, platform.python_version())
    try:
        return _in_cache(*_recipes(needs, interpreter), get)
    except (OfflineError, RequirementError) as error:
        if lacking is None:
            raise
        raise _explained(error, lacking, needs) from error


def lack(needs: Needs) -> RequirementError | None:
    """Return what the session's own environment lacks, in the words of an error; None where it serves."""
    try:
        installed_version(needs.requirements, f"the backend {needs.backend}")
        installed_version([LOADGEN_REQUIREMENT], "LoadGen")
    except RequirementError as error:
        return error
    return None


def environment(needs: Needs) -> VenvRecipe | None:
    """Return how the environment that a case needs is made, but for wheels built here; None where the own serves.

    Raises
    ------
    RequirementError
        No Python fits, or there is no such compiler or checkout.
    """
    interpreter = choose(needs.wanted, os.environ)
    if _means_own(needs, interpreter) and lack(needs) is None:
        return None
    return _recipes(needs, interpreter)[0]


def _means_own(needs: Needs, interpreter: Interpreter) -> bool:
    return interpreter == running() and needs.venv is None and not needs.builds_loadgen


def _recipes(needs: Needs, interpreter: Interpreter) -> tuple[VenvRecipe, LoadGenRecipe | None]:
    label = needs.venv or Requirement(needs.requirements[0]).name
    recipe = VenvRecipe(interpreter, label, environment_requirements(needs.requirements, needs.device))
    if not needs.builds_loadgen:
        return recipe, None
    checkout = find_checkout(needs.loadgen_src) if needs.loadgen_src else None
    build = LoadGenRecipe(interpreter, find_compiler(needs.compiler), loadgen_version(), checkout)
    rest = without(recipe.requirements, LOADGEN)
    return replace(recipe, requirements=rest, wheel_keys=(str(build.key()),)), build


def _in_cache(recipe: VenvRecipe, build: LoadGenRecipe | None, get: Get) -> Python:
    if build is not None:
        recipe = replace(recipe, wheels=(str(wheel(get(build))),))
    place = get(recipe)
    loadgen = LoadGen(version_in(place, LOADGEN) or "", build.built if build else "")
    return Python(str(executable(place)), recipe.interpreter.version, loadgen, foreign=True)


def _explained(error: MLPerfError, lacking: RequirementError, needs: Needs) -> RequirementError:
    """Return the error of an environment that could not be had, with the reason why it was wanted."""
    if needs.may_install and not isinstance(error, OfflineError):
        return RequirementError(
            error.what, expected=error.expected, found=f"{error.found}\nwanted because {lacking.what}", fix=error.fix
        )
    how = "leave out --mlperf-offline once" if needs.may_install else f"--backend {needs.backend}"
    return RequirementError(
        lacking.what,
        expected=lacking.expected,
        found=lacking.found,
        fix=f"{lacking.fix}, or have an environment made for it in the cache: {how}",
    )


def from_store(store: Store, obtain: Get, *, install: bool) -> Get:
    """Return what takes an artifact from `store`, or has `obtain` make it.

    Parameters
    ----------
    store
        The cache; its network says whether it may be used.
    obtain
        Makes what is not there.
    install
        Whether anything may be made.

    Raises
    ------
    OfflineError
        From the returned function: it is not there, and the network must not be used.
    RequirementError
        From the returned function: it is not there, and nothing may be made.
    """

    def get(recipe: LocalRecipe) -> Path:
        if (artifact := store.find(recipe)) is not None:
            return artifact.path
        if not install:
            raise RequirementError(
                f"{recipe.name} is not in the cache", expected=str(store.path(recipe)), found="nothing"
            )
        if store.network.offline:
            raise OfflineError(
                f"offline, and {recipe.name} is not in the cache",
                expected=f"{store.path(recipe)}",
                found="nothing",
                fix="run once with the network, or install what the backend needs into this session's environment",
            )
        return obtain(recipe)

    return get

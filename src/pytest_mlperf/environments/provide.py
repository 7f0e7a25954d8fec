"""Chooses the environment of a case's worker: the session's own if it has all packages, else one in the cache."""

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
from pytest_mlperf.environments.requirements import LOADGEN, environment_requirements, loadgen_version, pinned, without
from pytest_mlperf.environments.venv import VenvRecipe, executable, version_in
from pytest_mlperf.errors import OfflineError, RequirementError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_mlperf.artifacts.recipe import LocalRecipe
    from pytest_mlperf.artifacts.store import Store
    from pytest_mlperf.environments.pythons import Interpreter
    from pytest_mlperf.errors import MLPerfError

    Get = Callable[[LocalRecipe], Path]


@dataclass(frozen=True)
class Needs:
    """What a case's backend needs, and the user's options.

    Attributes
    ----------
    backend, device, requirements
        The case's backend and device, and the backend's alternative requirements.
    also
        More packages, all of which are needed: the backend's, and those that the data set is read with.
    wanted
        The wanted Python version.
    venv
        The name of a virtual environment to use instead of the session's own environment.
    compiler, loadgen_src
        Build LoadGen with that compiler, from that checkout.
    install
        Whether an environment may be made: the user named the backend, or gave --mlperf-fetch.
    implementation, of_implementation
        The case's implementation, and the packages that it needs.
    """

    backend: str
    device: str
    requirements: tuple[str, ...]
    wanted: Wanted
    also: tuple[str, ...] = ()
    venv: str | None = None
    compiler: str | None = None
    loadgen_src: Path | None = None
    install: bool = False
    implementation: str = ""
    of_implementation: tuple[str, ...] = ()

    @property
    def builds_loadgen(self) -> bool:
        """Whether LoadGen is built from source."""
        return self.compiler is not None or self.loadgen_src is not None

    @property
    def may_install(self) -> bool:
        """Whether an option allows making an environment; nothing is installed without one."""
        chosen = self.wanted.version or self.wanted.minimum
        return self.install or bool(chosen) or self.venv is not None or self.builds_loadgen


def provide(needs: Needs, get: Get) -> Python:
    """Return an interpreter with everything that the worker needs: the session's own, else one of the cache.

    Parameters
    ----------
    needs
        The needs of the case.
    get
        Returns an artifact's directory; the artifact is made if it is not in the cache.

    Raises
    ------
    RequirementError
        No Python fits, or a missing package cannot or must not be installed.
    OfflineError
        From `get`, if the session's own environment could not be used anyway.
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
    """Return the error about what the session's own environment lacks; None if it lacks nothing."""
    try:
        installed_version(needs.requirements, f"the backend {needs.backend}")
        for requirement in needs.also:
            installed_version([requirement], f"the backend {needs.backend}, or its data set,")
        for requirement in needs.of_implementation:
            installed_version([requirement], f"the implementation {needs.implementation}")
        installed_version([LOADGEN_REQUIREMENT], "LoadGen")
    except RequirementError as error:
        return error
    return None


def environment(needs: Needs) -> VenvRecipe | None:
    """Return the recipe of the environment that a case needs, without wheels built from source; None for the session's.

    Raises
    ------
    RequirementError
        No Python fits, or there is no such compiler or checkout.
    """
    interpreter = choose(needs.wanted, os.environ)
    if _means_own(needs, interpreter) and lack(needs) is None:
        return None
    return _recipes(needs, interpreter)[0]


def tool_environment(requirements: Sequence[str], python: str) -> VenvRecipe:
    """Return the recipe of an environment with a tool's packages.

    Parameters
    ----------
    requirements
        The packages. If there is a pinned set for the first one, that set is installed.
    python
        The versions of Python that they support, as a version specifier; empty for any.

    Raises
    ------
    RequirementError
        No Python fits.
    """
    interpreter = choose(Wanted(specifier=python), os.environ)
    name = Requirement(requirements[0]).name
    return VenvRecipe(interpreter, name, pinned(name) or tuple(requirements))


def _means_own(needs: Needs, interpreter: Interpreter) -> bool:
    return interpreter == running() and needs.venv is None and not needs.builds_loadgen


def _recipes(needs: Needs, interpreter: Interpreter) -> tuple[VenvRecipe, LoadGenRecipe | None]:
    label = needs.venv or Requirement(needs.requirements[0]).name
    also = (*needs.also, *needs.of_implementation)
    recipe = VenvRecipe(interpreter, label, environment_requirements(needs.requirements, needs.device, also))
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
    """Return the error of an environment that could not be made, with the reason why it is needed."""
    if needs.may_install and not isinstance(error, OfflineError):
        return RequirementError(
            error.what, expected=error.expected, found=f"{error.found}\nneeded because {lacking.what}", fix=error.fix
        )
    how = "leave out --mlperf-offline once" if needs.may_install else f"--backend {needs.backend}"
    return RequirementError(
        lacking.what,
        expected=lacking.expected,
        found=lacking.found,
        fix=f"{lacking.fix}, or let an environment be made in the cache: {how}",
    )


def from_store(store: Store, obtain: Get, *, install: bool) -> Get:
    """Return a function that finds an artifact in `store`, or makes it with `obtain`.

    Parameters
    ----------
    store
        The cache; its ``network`` says whether the network may be used.
    obtain
        Makes an artifact that is not in the cache.
    install
        Whether anything may be made.

    Raises
    ------
    OfflineError
        From the returned function: the artifact is not in the cache, and the network must not be used.
    RequirementError
        From the returned function: the artifact is not in the cache, and nothing may be made.
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

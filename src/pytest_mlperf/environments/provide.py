"""Which environment a case's worker runs in: the session's own where it serves, else one in the cache."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
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
    fetch
        Whether what is missing may be fetched.
    """

    backend: str
    device: str
    requirements: tuple[str, ...]
    wanted: Wanted
    venv: str | None = None
    compiler: str | None = None
    loadgen_src: Path | None = None
    fetch: bool = False

    @property
    def builds_loadgen(self) -> bool:
        """Whether LoadGen is to be built from source."""
        return self.compiler is not None or self.loadgen_src is not None

    @property
    def may_install(self) -> bool:
        """Whether the user asked for anything that may need another environment: nothing is installed unasked."""
        return self.fetch or self.wanted != Wanted() or self.venv is not None or self.builds_loadgen


def provide(needs: Needs, get: Get) -> Python:
    """Return an interpreter with everything that the worker needs; make an environment where that is asked for.

    Parameters
    ----------
    needs
        What it is for.
    get
        Returns an artifact's directory, made where it is not in the cache.

    Raises
    ------
    RequirementError
        No Python fits, the session's environment lacks something and no other was asked for, or what was asked
        for cannot be installed or built.
    """
    if not needs.may_install:
        installed_version(needs.requirements, f"the backend {needs.backend}")
        return Python(sys.executable, platform.python_version())
    interpreter = choose(needs.wanted, os.environ)
    own = interpreter == running() and needs.venv is None and not needs.builds_loadgen
    if own and _serves(needs):
        return Python(sys.executable, platform.python_version())
    requirements = environment_requirements(needs.requirements, needs.device)
    label = needs.venv or Requirement(needs.requirements[0]).name
    recipe, built = VenvRecipe(interpreter, label, requirements), ""
    if needs.builds_loadgen:
        checkout = find_checkout(needs.loadgen_src) if needs.loadgen_src else None
        build = LoadGenRecipe(interpreter, find_compiler(needs.compiler), loadgen_version(), checkout)
        built = build.built
        file = str(wheel(get(build)))
        recipe = VenvRecipe(interpreter, label, without(requirements, LOADGEN), (file,), (str(build.key()),))
    place = get(recipe)
    version = version_in(place, LOADGEN) or ""
    return Python(str(executable(place)), interpreter.version, LoadGen(version, built), foreign=True)


def from_store(store: Store, obtain: Get) -> Get:
    """Return what takes an artifact from `store`, or, where the network may be used, has `obtain` make it.

    Raises
    ------
    OfflineError
        From the returned function: it is not there, and the network must not be used.
    """

    def get(recipe: LocalRecipe) -> Path:
        if (artifact := store.find(recipe)) is not None:
            return artifact.path
        if store.network.offline:
            raise OfflineError(
                f"offline, and {recipe.name} is not in the cache",
                f"expected: {store.path(recipe)}; found: nothing",
                "run once with the network, or install what the backend needs into this session's environment",
            )
        return obtain(recipe)

    return get


def _serves(needs: Needs) -> bool:
    try:
        installed_version(needs.requirements, f"the backend {needs.backend}")
        installed_version([LOADGEN_REQUIREMENT], "LoadGen")
    except RequirementError:
        return False
    return True

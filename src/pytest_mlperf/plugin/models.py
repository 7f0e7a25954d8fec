"""Finds the model of a case: a file that is given, shipped or fetched, or one that is made from another, by a tool."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.backends.base import Traits
from pytest_mlperf.errors import ModelError
from pytest_mlperf.origin import Derived, MissingFile, Remote, Tool, Url

if TYPE_CHECKING:
    from pytest_mlperf.artifacts.recipe import Recipe
    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.plugin.provision import Provider
    from pytest_mlperf.run.case import Case

ONNX = "onnx"


@dataclass(frozen=True)
class Model:
    """A model's file, directory or address, and its SHA-256, which is empty for an address.

    Attributes
    ----------
    path, sha256
        Where it is, and the digest of all its files.
    file
        Its entry in the benchmark's ``models``.
    notes
        What the user should know of how it came about.
    reference
        The ONNX file with the same graphs, with which ONNX Runtime gives the same answers; None if there is none.
    """

    path: Path | str
    sha256: str
    file: ModelFile
    notes: tuple[str, ...] = ()
    reference: Path | None = None


def find_model(provider: Provider, case: Case) -> Model:
    """Return a case's model, fetched or made if necessary.

    Raises
    ------
    ModelError
        It is not there, cannot be read or cannot be made.
    CacheError
        It is from the cache, and was changed there.
    """
    file = case.plan.model
    if isinstance(file.source, Derived):
        return _derived(provider, file, file.source, case)
    if isinstance(file.source, Url):
        return Model(file.source.address, "", file)
    path = _path(provider, file.source, file, case)
    return _found(provider, path, file, reference=path if file.format == ONNX else None)


def _found(
    provider: Provider, path: Path, file: ModelFile, notes: tuple[str, ...] = (), reference: Path | None = None
) -> Model:
    return Model(path, _sha256(provider, path, file), file, notes, reference)


def _sha256(provider: Provider, path: Path, file: ModelFile) -> str:
    return provider.contents.model_sha256(path, file.format, [graph.file for graph in file.graphs])


def _derived(provider: Provider, file: ModelFile, derived: Derived, case: Case) -> Model:
    """Return a model file made from another one; if that fails, the file to run instead.

    A directory that the user gives for one that is made from a file is taken as it is.
    """
    if file.directory and isinstance(derived.source, Path) and derived.source.is_dir():
        return _found(provider, derived.source, file)
    if derived.ready is not None:
        reference = derived.source if isinstance(derived.source, Path) else None
        return _found(provider, derived.ready, file, reference=reference)
    original = _original(provider, file, derived, case)
    try:
        path = _made(provider, file, derived, original, case)
    except ModelError as error:
        if file.instead is None or Traits.of(case.plan.backend).refuses(file.instead):
            raise
        notes = (f"{case.benchmark} runs as {file.instead}: {error.what}",)
        return _found(provider, original, file.instead, notes)
    made, what = (path, "the model") if file.directory else next((each, each.name) for each in path.iterdir())
    reference = original if derived.source_format == ONNX else made if file.format == ONNX else None
    return _found(provider, made, file, (f"{what} was made from {original}",), reference)


def _original(provider: Provider, file: ModelFile, derived: Derived, case: Case) -> Path:
    """Return the path of the file that another one is made from; it is made first if necessary."""
    form, inner = replace(file, directory=bool(derived.source_files)), derived.source
    if not isinstance(inner, Derived):
        return _path(provider, inner, form, case)
    made = _made(provider, file, inner, _original(provider, file, inner, case), case)
    return made if form.directory else next(made.iterdir())


def _made(provider: Provider, file: ModelFile, derived: Derived, original: Path, case: Case) -> Path:
    """Return the directory of what is made from `original`."""
    graphs = derived.source_files or [graph.file for graph in file.graphs]
    sha256 = provider.contents.model_sha256(original, derived.source_format or file.format, graphs)
    return provider.get(derived.recipe(original, sha256, _tool(provider, derived.tool, case)), case)


def _tool(provider: Provider, tool: Tool | None, case: Case) -> str:
    """Return the interpreter with a tool's packages: that of an environment of the cache, made if necessary."""
    if tool is None:
        return sys.executable
    from pytest_mlperf.environments.provide import from_store, tool_environment
    from pytest_mlperf.environments.venv import executable

    recipe = tool_environment(tool.requirements, tool.python)
    from_store(provider.store, provider.telling(case), install=True)(recipe)
    return str(executable(provider.get(recipe, case)))


def _path(provider: Provider, source: Path | Recipe | Remote | MissingFile, file: ModelFile, case: Case) -> Path:
    path = provider.obtain(source, case)
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

"""The code that a run uses, as a digest: that of a package, or of a module with what it imports from beside it."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.environments.sources import place
from pytest_mlperf.errors import RequirementError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

#: What decides how a package works.
_CODE = frozenset((".py", ".so", ".toml", ".json", ".txt", ".cc", ".h"))
#: In the files of these, a module has beside it what has nothing to do with it.
_SHARED = frozenset(("site-packages", "dist-packages"))
#: With these a module imports what its text does not name; of the first two, other objects have methods (``eval``).
_DYNAMIC = frozenset(("exec", "eval", "__import__", "import_module", "run_path", "run_module"))
_DYNAMIC_METHODS = _DYNAMIC - {"exec", "eval"}


class Stamped(NamedTuple):
    """A file as it was looked at."""

    path: Path
    modified_ns: int
    size: int


def package_sha256(name: str) -> str:
    """Return the digest of a package's modules and tables; empty for a single module, which may import any file."""
    source = _place(name)
    return _files_sha256(source, _stamped(_of_package(source))) if source is not None and source.is_dir() else ""


def code_sha256(name: str) -> str:
    """Return the digest of a package; of a single module that of its file and of those beside it that it imports.

    It is empty for a module of which that cannot be told: one that is installed among others, or imports by name.
    """
    source = _place(name)
    if source is None or source.is_dir():
        return package_sha256(name)
    if _SHARED.intersection(source.parts):
        return ""
    files = _of_module(source)
    return _files_sha256(source.parent, _stamped(files)) if files else ""


def _place(name: str) -> Path | None:
    try:
        return place(name)
    except RequirementError:
        return None


def _of_package(source: Path) -> Iterator[Path]:
    for path in source.rglob("*"):
        if path.suffix in _CODE and "__pycache__" not in path.parts:
            yield path


def _of_module(module: Path) -> set[Path]:
    """Return a module's file and those in its directory that it imports, and that these import; empty if not known."""
    found, waiting = {module}, [module]
    while waiting:
        path = waiting.pop()
        if path.suffix != ".py":
            continue
        imported = _imported(path)
        if imported is None:
            return set()
        beside = [module.parent / name for name in imported]
        there = {path for path in (each.with_suffix(".py") for each in beside) if path.is_file()}
        there.update(path for each in beside if each.is_dir() for path in _of_package(each))
        waiting += there - found
        found |= there
    return found


def _imported(path: Path) -> set[str] | None:
    """Return the top-level names that a file imports; None if its text does not tell."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return None
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
        elif _is_dynamic(node):
            return None
    return names


def _is_dynamic(node: ast.AST) -> bool:
    called = node.func if isinstance(node, ast.Call) else None
    if isinstance(called, ast.Name):
        return called.id in _DYNAMIC
    return isinstance(called, ast.Attribute) and called.attr in _DYNAMIC_METHODS


def _stamped(paths: Iterable[Path]) -> tuple[Stamped, ...]:
    return tuple(Stamped(path, status.st_mtime_ns, status.st_size) for path in sorted(paths) if (status := path.stat()))


@cache
def _files_sha256(source: Path, files: tuple[Stamped, ...]) -> str:
    """Return the digest of files, which are read once as long as neither their times nor their sizes change."""
    digest = hashlib.sha256()
    for path, _, _ in files:
        digest.update(str(path.relative_to(source)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()

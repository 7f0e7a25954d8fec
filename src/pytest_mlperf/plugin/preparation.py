"""Makes what a backend needs of a model before it loads it, in the cache."""

from __future__ import annotations

from dataclasses import replace
from inspect import isclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.backends.base import Prepares
from pytest_mlperf.errors import raised_elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.plugin.session import MLPerfSession
    from pytest_mlperf.run.case import Case


def prepare(
    session: MLPerfSession, case: Case, path: Path | str, sha256: str, file: ModelFile, interpreter: Callable[[], str]
) -> Path | None:
    """Return the directory of what the case's backend makes of a model; None if it makes nothing.

    Parameters
    ----------
    session, case
        The session and the case.
    path, sha256, file
        The model's path or address, its digest, and its entry in the benchmark's ``models``.
    interpreter
        Returns the Python with the backend's packages.
    """
    if not hasattr(case.plan.backend, "preparation"):  # most backends are made in the run's process alone
        return None
    with raised_elsewhere(f"the backend {case.backend} cannot prepare its model"):
        backend = case.plan.backend() if isclass(case.plan.backend) else case.plan.backend
        if not isinstance(backend, Prepares) or not isinstance(path, Path):
            return None
        options = session.settings.run_options.backend_options
        wanted = replace(file, precision=session.settings.precision)
        recipe, notice = backend.preparation(path, sha256, wanted, options, interpreter(), case.device)
    if session.store.find(recipe) is None:
        from pytest_mlperf.report.progress import Terminal

        Terminal(session.config).write_line(f"  {notice}; kept in the cache")
    return session.provider.get(recipe, case)

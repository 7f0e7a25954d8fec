"""Loads the backend and the model of a run."""

from __future__ import annotations

import sys
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from pytest_mlperf.backends.base import Prepares
from pytest_mlperf.backends.function import as_backend
from pytest_mlperf.errors import RequirementError
from pytest_mlperf.printable import said

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_mlperf.backends.base import Backend, Model
    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.implementations.protocol import RunSpec
    from pytest_mlperf.worker.model_files import ModelFiles


def make_backend(spec: RunSpec) -> Backend:
    """Return the backend of a run.

    Raises
    ------
    RequirementError
        Its module cannot be imported here.
    """
    sys.path.extend(path for path in spec.import_paths if path not in sys.path)
    try:
        backend = as_backend(resolve_name(spec.backend))
    except (ImportError, AttributeError, TypeError) as error:
        raise RequirementError(
            f"the run's process cannot import {spec.backend}",
            expected="a function or a class of backends, in a module that can be imported by its name",
            found=said(error),
            fix="put it into a module beside the tests or into a package, with all that it imports",
        ) from error
    if spec.prepared and isinstance(backend, Prepares):
        backend.prepared = Path(spec.prepared)
    return backend


def loader(spec: RunSpec, backend: Backend, file: ModelFile, files: ModelFiles) -> Callable[[int], Model]:
    """Return a function that loads the model, each inference using so many threads."""
    name = spec.backend_name or spec.backend.partition(":")[2]

    def load(threads: int) -> Model:
        try:
            model = backend.load(files.place, file, spec.device, threads, spec.backend_options)
        finally:  # a change explains a failure better than the runtime does
            files.check()
        if model.device != spec.device:
            raise RequirementError(
                f"{name} did not run on {spec.device}",
                expected=spec.device,
                found=model.device,
                fix=f"install a build of {name} for {spec.device}, or choose another --device",
            )
        if (ran := getattr(model, "precision", spec.precision)) != spec.precision:
            raise RequirementError(
                f"{name} did not run in {spec.precision}",
                expected=spec.precision,
                found=ran,
                fix=f"choose another --precision, or an option of {name} with --backend-option",
            )
        return model

    return load

"""The outcomes of samples in a file: numpy's .npz, whose arrays hold numbers and texts only."""

from __future__ import annotations

import zipfile
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlperf.artifacts.disk import replacing
from pytest_mlperf.errors import BaselineError
from pytest_mlperf.metrics.average_precision import Matches
from pytest_mlperf.metrics.outcomes import Errors, Right, Scores

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.metrics.outcomes import Outcomes

_KINDS: dict[str, type[Outcomes]] = {kind.__name__.lower(): kind for kind in (Right, Scores, Errors, Matches)}


def write_outcomes(path: Path, outcomes: Outcomes) -> None:
    """Write outcomes; a file that is there is replaced as a whole."""
    arrays = {field.name: getattr(outcomes, field.name) for field in fields(outcomes)}
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, kind=np.array(type(outcomes).__name__.lower()), **arrays)


def read_outcomes(path: Path) -> Outcomes:
    """Return the outcomes in a file.

    Raises
    ------
    BaselineError
        It cannot be read, or is not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        kind = _KINDS[str(arrays.pop("kind"))]
        return kind(**arrays)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise BaselineError(
            f"the outcomes of a baseline cannot be read: {path}",
            expected="the file that --mlperf-save wrote",
            found=f"{type(error).__name__}: {error}",
            fix="save the baseline again, or get the file again from where it is kept",
        ) from error

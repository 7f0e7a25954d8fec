"""Where an accuracy run keeps its answers, so that the same run goes on after a crash: a file for each case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.run.case import ACCURACY
from pytest_mlperf.run.code import package_sha256
from pytest_mlperf.run.inputs import Inputs, inputs_of

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.run.judge import Run

#: Beside the sessions' directories.
DIRECTORY = ".unfinished"


def unfinished_file(run: Run, sessions: Path) -> Path | None:
    """Return the file that keeps a run's answers; None if the next run of the case could not rely on them.

    Its name says what the answers are of: the case with its options, the model's and the data set's digests, and the
    code of this package, the benchmark and the backend. The run's process adds the versions of the runtime.

    Parameters
    ----------
    run
        A run, whose data set was read.
    sessions
        The directory in which sessions have theirs.
    """
    if run.spec.mode != ACCURACY:
        return None
    # The warm-up's effort, the search for a peak and the time budget are nothing to an accuracy run's answers. Nobody
    # asked for these: the code must be known for certain.
    inputs = inputs_of(run, without=("tune", "find_peak", "budget"), code_of=package_sha256)
    return sessions / DIRECTORY / f"{inputs.sha256}.answers" if isinstance(inputs, Inputs) else None

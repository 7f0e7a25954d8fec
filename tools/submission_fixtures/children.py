"""All runs side by side, each in a child process: they sleep for ten minutes, so they cost next to nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from submission_fixtures.bases import runs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from submission_fixtures.bases import Run

SECONDS_BETWEEN_STARTS = 0.3


def run_all(program: Path, directory: Path) -> None:
    """Do the runs that `directory` does not hold yet; SystemExit names those that failed.

    The accuracy runs are done one after another: they do not wait, and ask for a whole core each.
    """
    wanted = [run for run in runs() if not (directory / run.folder).exists()]
    sleeping = []
    for run in wanted:
        if run.kind != "accuracy":
            sleeping.append((run, _start(program, directory, run)))
            time.sleep(SECONDS_BETWEEN_STARTS)
    codes = [(run, _start(program, directory, run).wait()) for run in wanted if run.kind == "accuracy"]
    codes += [(run, child.wait()) for run, child in sleeping]
    _complain([run for run, code in codes if code])


def _start(program: Path, directory: Path, run: Run) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, program, "child", run.folder, directory / run.folder])


def _complain(failed: Sequence[Run]) -> None:
    if failed:
        raise SystemExit("these runs failed:\n" + "\n".join(run.folder for run in failed))

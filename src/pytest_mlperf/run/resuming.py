"""Where an accuracy run keeps its answers, so that the same run goes on after a crash: a file for each case."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from pytest_mlperf.backends.base import REMOTE
from pytest_mlperf.backends.model_file import FUNCTION
from pytest_mlperf.environments.sources import place
from pytest_mlperf.errors import RequirementError
from pytest_mlperf.run.case import ACCURACY

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.run.judge import Run

#: Beside the sessions' directories.
DIRECTORY = ".unfinished"
#: What a run's answers do not depend on.
_OTHER = {
    "output": "",
    "timeout": None,
    "rerun": False,
    "require_quiet": False,
    "tune": "quick",
    "budget": None,
    "unfinished": "",
}


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
    spec = run.spec
    known = spec.model_sha256 and run.dataset_sha256 and run.model.format != FUNCTION
    if spec.mode != ACCURACY or run.case.device == REMOTE or run.case.implementation != "python" or not known:
        return None
    packages = (
        "pytest_mlperf",
        *sorted({reference.partition(":")[0].partition(".")[0] for reference in (spec.benchmark, spec.backend)}),
    )
    code = [_code_sha256(name) for name in dict.fromkeys(packages)]
    if not all(code):
        return None
    of = (
        run.case.id,
        run.dataset_sha256,
        msgspec.json.encode(structs.replace(spec, **_OTHER)),
        *code,
    )
    name = hashlib.sha256(repr(of).encode()).hexdigest()
    return sessions / DIRECTORY / f"{name}.answers"


@cache
def _code_sha256(package: str) -> str:
    """Return the digest of a package's modules; empty for a single module, which may import any other file."""
    try:
        source = place(package)
    except RequirementError:
        return ""
    if not source.is_dir():
        return ""
    digest = hashlib.sha256()
    for path in sorted(source.rglob("*.py")):
        digest.update(str(path.relative_to(source)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()

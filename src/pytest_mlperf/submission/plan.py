"""What a submission is made of: the results, the system, the round, the user's files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_mlperf.rules.round import Round
    from pytest_mlperf.run.result import RunResult
    from pytest_mlperf.submission.system import SystemDescription


@dataclass(frozen=True)
class Result:
    """A benchmark in one scenario: its accuracy run, its performance run, and its compliance tests.

    Attributes
    ----------
    accuracy, performance
        Finished runs, whose files are still where they say.
    compliance
        By test, as in ``TEST01``: a directory in the official form.
    """

    accuracy: RunResult
    performance: RunResult
    compliance: Mapping[str, Path] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """The directory's name: that of the benchmark; a tiny edition has its own."""
        return self.performance.benchmark

    @property
    def scenario(self) -> str:
        """The directory's name, capitalised as everywhere in MLPerf."""
        return self.performance.scenario


@dataclass(frozen=True)
class SubmissionPlan:
    """Everything that `write_submission` needs.

    Attributes
    ----------
    system
        The directory's name; see `system_directory`.
    description
        Of the system.
    command
        The pytest command that made the results, for the README.
    code
        The user's benchmarks: files, or directories of which the Python files are taken.
    calibration
        The user's calibration.md, where there is one.
    """

    division: str
    submitter: str
    system: str
    round: Round
    description: SystemDescription
    results: tuple[Result, ...]
    command: str
    code: tuple[Path, ...] = ()
    calibration: Path | None = None

    @property
    def base(self) -> PurePosixPath:
        """The submitter's directory."""
        return PurePosixPath(self.division) / self.submitter

    def place(self, result: Result) -> PurePosixPath:
        """Return system/model/scenario of a result."""
        return PurePosixPath(self.system) / result.model / result.scenario


def system_directory(name: str, result: RunResult) -> str:
    """Return a name for a system's directory: hardware, implementation, device and backend, in plain letters.

    The checkers want no spaces and no dot at the start.
    """
    version = result.versions.get(result.backend, "")
    parts = (name, result.implementation, result.device, f"{result.backend}_{version}" if version else result.backend)
    text = "-".join(parts)
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in text).lstrip(".-") or "system"

"""The contents of a submission: results, system, round, the user's files."""

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
        Finished runs; their files must still exist.
    compliance
        The directories of the compliance tests, by test name such as ``TEST01``.
    """

    accuracy: RunResult
    performance: RunResult
    compliance: Mapping[str, Path] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """The directory's name: the name of the benchmark."""
        return self.performance.benchmark

    @property
    def scenario(self) -> str:
        """The directory's name, with MLPerf's capitalisation."""
        return self.performance.scenario


@dataclass(frozen=True)
class SubmissionPlan:
    """Everything that `write_submission` needs.

    Attributes
    ----------
    system
        The directory's name; see `system_directory`.
    description
        The description of the system.
    command
        The pytest command that made the results, for the README.
    code
        The user's benchmarks: files, or directories with Python files.
    calibration
        The user's calibration.md, if any.
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
    """Return a name for a system's directory: hardware, implementation, device and backend, in ASCII.

    The checkers do not allow spaces or a dot at the start.
    """
    version = result.versions.get(result.backend, "")
    parts = (name, result.implementation, result.device, f"{result.backend}_{version}" if version else result.backend)
    text = "-".join(parts)
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in text).lstrip(".-") or "system"

"""The runs that a session's compliance tests are compared with: each is made once and shared by the workers."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.artifacts.locks import lease
from pytest_mlperf.errors import RunError
from pytest_mlperf.implementations.protocol import write_json
from pytest_mlperf.run.directories import unwritable
from pytest_mlperf.run.result import RunResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_mlperf.artifacts.locks import Holder
    from pytest_mlperf.errors import MLPerfError
    from pytest_mlperf.run.case import Case


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A finished run, and whether its own item has reported it."""

    result: RunResult
    reported: bool

    @property
    def error(self) -> MLPerfError | None:
        """The error of a run without a result."""
        if self.result.verdict != "failed" or (self.result.accuracy or self.result.performance) is not None:
            return None
        [finding] = self.result.errors
        return RunError(finding.what, expected=finding.expected, found=finding.found, fix=finding.fix)


@dataclass(frozen=True)
class Slot:
    """The file of one case's run in one mode, while its lock is held."""

    path: Path

    def read(self) -> Kept | None:
        """Return the session's run, or None if it was not made yet."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Kept)
        except FileNotFoundError:
            return None

    def write(self, kept: Kept) -> None:
        """Store a run for the other workers."""
        try:
            write_json(self.path, kept)
        except OSError as error:
            raise unwritable(self.path.parent, "--mlperf-output", error) from error


@contextmanager
def turn(directory: Path, case: Case, on_wait: Callable[[Holder | None], None]) -> Iterator[Slot]:
    """Lock a case's run in one mode; wait while another worker of the session makes it.

    There is no deadlock: a process holds one lock at a time, and a killed process releases it.
    """
    path = directory / f"{case.id}-{case.mode}.json"
    with lease(path.with_suffix(".lock"), on_wait=on_wait):
        yield Slot(path)

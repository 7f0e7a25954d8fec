"""What a check is given: a submission, a submitter, a system, a benchmark on it, a result, or a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_mlperf.rules.system_fields import SYSTEM_TYPES

if TYPE_CHECKING:
    from pytest_mlperf.machine.clock import Clock
    from pytest_mlperf.rules.asked import Asked
    from pytest_mlperf.rules.reading.submission import Result, Run, Submission, Submitter, System
    from pytest_mlperf.rules.round import BenchmarkRules, Round

_ENFORCED = ("closed", "network")


@dataclass(frozen=True)
class SubmissionCase:
    """A whole submission."""

    round: Round
    submission: Submission


@dataclass(frozen=True)
class SubmitterCase:
    """A submitter's directory in one division."""

    round: Round
    submitter: Submitter

    @property
    def enforced(self) -> bool:
        """Whether the division must keep all rules: closed and network."""
        return self.submitter.division in _ENFORCED


@dataclass(frozen=True)
class SystemCase(SubmitterCase):
    """A system."""

    system: System

    @property
    def system_type(self) -> str:
        """The type as the rounds' tables write it; empty for none that exists."""
        written = self.system.description.values.get("system_type")
        if written not in SYSTEM_TYPES:
            return ""
        return "datacenter,edge" if written == "edge,datacenter" else str(written)

    @property
    def in_network(self) -> bool:
        """Whether the system says that it is reached over a network."""
        written = self.system.description.values.get("is_network")
        return isinstance(written, str) and written.lower() == "true"


@dataclass(frozen=True)
class BenchmarkCase(SystemCase):
    """A benchmark's directory on a system.

    ``benchmark`` is the official name, None where the round has none; ``rules`` is its row in the table, where that
    has one.
    """

    directory: str
    results: tuple[Result, ...]
    benchmark: str | None
    rules: BenchmarkRules | None

    @property
    def path(self) -> str:
        """The directory below results/<system>."""
        return f"{self.system.path}/{self.directory}"


@dataclass(frozen=True)
class ResultCase(BenchmarkCase):
    """A result."""

    result: Result


@dataclass(frozen=True)
class Measured:
    """What was measured beside LoadGen: only where the run was one of ours.

    Attributes
    ----------
    clock
        The test on clocks that nobody sets.
    busy
        What made the machine a busy one, where a quiet one was asked for.
    """

    clock: Clock | None = None
    busy: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunCase:
    """A run: a session's, one of a result's two, or that of one of its compliance tests.

    Attributes
    ----------
    run
        What it left.
    mode
        What kind of run it has to be; a compliance test's is a performance run.
    scenario
        Whose figure it has to give; None where the directory's name means no scenario.
    asked
        What is asked of it.
    in_network
        Whether its system says that it is reached over a network.
    test
        The compliance test whose run it is; empty for any other.
    measured
        What was measured beside LoadGen.
    zero_taken
        Whether the official checkers take 0 for its figure: of a test's run, and older ones beside a power measurement.
    """

    run: Run
    mode: Literal["performance", "accuracy"]
    scenario: str | None
    asked: Asked
    in_network: bool = False
    test: str = ""
    measured: Measured = Measured()
    zero_taken: bool = False

    @property
    def ran(self) -> str:
        """The scenario that was run, whatever the directory says."""
        return str(self.run.detail.values.get("effective_scenario"))

"""A submission as parsed data: divisions, submitters, systems and results; changes with the layout of submissions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_mlperf.rules.log_files import DETAIL_LOG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_mlperf.rules.detail_log import DetailLog
    from pytest_mlperf.rules.reading.accuracy_text import AccuracyText
    from pytest_mlperf.rules.reading.endpoints import Endpoints
    from pytest_mlperf.rules.reading.files import AccuracyLog, Document, Text
    from pytest_mlperf.rules.reading.power_session import PowerSession
    from pytest_mlperf.rules.reading.tree import Directory
    from pytest_mlperf.rules.round import Layout

DIVISIONS = ("closed", "open", "network")
#: Directory names by the scenario that they mean (SCENARIO_MAPPING).
SCENARIOS: Mapping[str, str] = {
    name: scenario
    for scenario in ("SingleStream", "MultiStream", "Server", "Offline", "Interactive")
    for name in (scenario, scenario.lower())
}


@dataclass(frozen=True)
class Run:
    """A run's directory: LoadGen's logs, and which files lie there.

    ``path`` is relative to what is judged; empty for a run that is judged by itself.
    """

    path: str
    directory: Directory | None
    detail: DetailLog
    summary: Text
    name: str = DETAIL_LOG

    @property
    def detail_file(self) -> str:
        """Where the detail log is or would be; through endpoints it is another file."""
        return f"{self.path}/{self.name}" if self.path else self.name


@dataclass(frozen=True)
class Power:
    """A power measurement beside a result.

    Attributes
    ----------
    ranging
        The first of the two runs, with which the analyser's ranges were found.
    directory
        performance/power; None where a file has that name, which the official checkers take for a measurement too.
    session
        What the programs of the measurement left.
    settings
        Names and sizes of files beside the measurements, and in the three directories above these.
    """

    ranging: Run
    directory: Directory | None
    session: PowerSession
    settings: Mapping[str, int]


@dataclass(frozen=True)
class ComplianceTest:
    """One compliance test's directory of one result."""

    name: str
    path: str
    directory: Directory | None
    run: Run
    accuracy: Text
    accuracy_log: AccuracyLog
    performance: Text
    baseline: AccuracyText
    compliance: AccuracyText
    output_length: Text


@dataclass(frozen=True)
class Result:
    """One scenario's directory below results/<system>/<model>.

    Attributes
    ----------
    division, submitter, system, model, directory_name
        The names of its directories; ``model`` is the benchmark's or a name that the submitter mapped.
    path
        The directory, relative to the submission.
    performance, accuracy
        The two runs.
    accuracy_text, accuracy_log
        What the accuracy run's directory holds besides.
    measurements
        The JSON file of the five fields.
    measurements_texts
        user.conf, README.md and mlperf.conf, by name.
    tests
        The compliance tests that are there, by name.
    power
        The power measurement, where one lies beside.
    endpoints
        What a run through endpoints has left, where there is no log of LoadGen.
    """

    division: str
    submitter: str
    system: str
    model: str
    directory_name: str
    path: str
    performance: Run
    accuracy: Run
    accuracy_text: AccuracyText
    accuracy_log: AccuracyLog
    measurements: Document
    measurements_texts: Mapping[str, Text]
    tests: Mapping[str, ComplianceTest] = field(default_factory=dict)
    tests_path: str = ""
    power: Power | None = None
    endpoints: Endpoints | None = None

    @property
    def has_power(self) -> bool:
        """Whether a power measurement lies beside."""
        return self.power is not None

    @property
    def scenario(self) -> str | None:
        """The scenario that the directory's name means; None for no scenario's name."""
        if self.endpoints is not None and self.division == "open" and self.directory_name.lower() == "online":
            return "Server"
        return SCENARIOS.get(self.directory_name)


@dataclass(frozen=True)
class System:
    """A system: its description, and its results in the order of their directories.

    ``models`` are the names of all directories in its own, those without results too; ``in_results`` says whether it
    has a directory in results/.
    """

    name: str
    description: Document
    results: tuple[Result, ...]
    path: str
    models: tuple[str, ...] = ()
    in_results: bool = True


@dataclass(frozen=True)
class Submitter:
    """A submitter's directory in one division; ``code_pointers`` are files in code/ with another directory's name."""

    division: str
    name: str
    layout: Layout
    directory: Directory
    systems: tuple[System, ...]
    mapping: Document
    calibration: Text
    code_pointers: Mapping[str, Text] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The directory, relative to the submission."""
        return self.directory.path


@dataclass(frozen=True)
class Submission:
    """A submission's parsed content."""

    tree: Directory
    submitters: tuple[Submitter, ...]

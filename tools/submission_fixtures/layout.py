"""Where a round keeps the parts of a submission (submission_structure.md and the checkers' ``*_PATH`` constants)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from submission_fixtures.bases import IMPLEMENTATION, SUBMITTER

if TYPE_CHECKING:
    from pathlib import Path

    from submission_fixtures.bases import Base, System


@dataclass(frozen=True)
class Layout:
    """The folders of one submission below `root`."""

    root: Path
    base: Base

    @property
    def submitter(self) -> Path:
        """The submitter's folder."""
        return self.root / self.base.division / SUBMITTER

    @property
    def code(self) -> Path:
        """The folder of the sources."""
        return self.submitter / ("code" if self.base.round.separate_measurements else "src")

    @property
    def calibration(self) -> Path:
        """The file that says how weights were quantised."""
        folder = self.submitter if self.base.round.separate_measurements else self.submitter / "documentation"
        return folder / "calibration.md"

    def description(self, system: System) -> Path:
        """The file that describes a system."""
        return self.submitter / "systems" / f"{system.name}.json"

    def result(self, system: System, scenario: str) -> Path:
        """The folder of a result's logs."""
        return self._of("results", system, scenario)

    def measurements(self, system: System, scenario: str) -> Path:
        """The folder of a result's settings."""
        return self._of("measurements" if self.base.round.separate_measurements else "results", system, scenario)

    def measurements_file(self, system: System, scenario: str) -> Path:
        """The file of a result's five measurements."""
        old = f"{system.name}_{IMPLEMENTATION}_{scenario}.json"
        name = old if self.base.round.separate_measurements else "measurements.json"
        return self.measurements(system, scenario) / name

    def compliance(self, system: System, scenario: str) -> Path:
        """The folder that holds a result's compliance tests."""
        return self._of("compliance" if self.base.round.separate_measurements else "results", system, scenario)

    def _of(self, part: str, system: System, scenario: str) -> Path:
        return self.submitter / part / system.name / system.benchmark.folder / scenario

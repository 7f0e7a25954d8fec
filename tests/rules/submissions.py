"""Unpacks the valid base submissions of ``submissions/`` and knows where each keeps its parts.

They are made by tools/make_submission_fixtures.py from LoadGen runs of official length.
"""

from __future__ import annotations

import lzma
import tarfile
from dataclasses import dataclass
from pathlib import Path

ARCHIVES = Path(__file__).with_name("submissions")
SUBMITTER = "Community"
EDGE = "example-edge"
DATACENTER = "example-server"


@dataclass(frozen=True)
class Submission:
    """An unpacked submission. The edge system's Offline result is the one that most mutations change.

    Attributes
    ----------
    root
        The folder that holds the division's folder.
    round, division
        ``v6.1`` or ``v5.1``; ``open`` or ``closed``.
    """

    root: Path
    round: str
    division: str

    @property
    def name(self) -> str:
        return f"{self.round}_{self.division}"

    @property
    def separate_measurements(self) -> bool:
        """Whether measurements, compliance and code are folders of their own, as until v5.1."""
        return self.round == "v5.1"

    @property
    def model(self) -> str:
        """The folder name of the edge system's benchmark."""
        return "retinanet" if self.round == "v5.1" else "resnet50"

    @property
    def official_model(self) -> str:
        """The official checkers' own name of that benchmark."""
        return "retinanet" if self.round == "v5.1" else "resnet"

    @property
    def scenarios(self) -> tuple[str, ...]:
        """The edge system's scenarios."""
        return ("SingleStream", "MultiStream", "Offline") if self.division == "closed" else ("SingleStream", "Offline")

    @property
    def submitter(self) -> Path:
        return self.root / self.division / SUBMITTER

    @property
    def results(self) -> Path:
        return self.submitter / "results"

    @property
    def code(self) -> Path:
        return self.submitter / ("code" if self.separate_measurements else "src")

    @property
    def calibration(self) -> Path:
        folder = self.submitter if self.separate_measurements else self.submitter / "documentation"
        return folder / "calibration.md"

    @property
    def system(self) -> Path:
        """The edge system's description."""
        return self.submitter / "systems" / f"{EDGE}.json"

    @property
    def parts(self) -> tuple[Path, ...]:
        """The folders whose structure is <system>/<model>/<scenario>."""
        names = ("results", "measurements", "compliance") if self.separate_measurements else ("results",)
        return tuple(self.submitter / name for name in names if (self.submitter / name).is_dir())

    def result(self, scenario: str = "Offline") -> Path:
        return self.results / EDGE / self.model / scenario

    @property
    def accuracy(self) -> Path:
        return self.result() / "accuracy"

    def performance(self, scenario: str = "Offline") -> Path:
        return self.result(scenario) / "performance" / "run_1"

    @property
    def measurements(self) -> Path:
        """The folder of the Offline result's settings."""
        part = "measurements" if self.separate_measurements else "results"
        return self.submitter / part / EDGE / self.model / "Offline"

    @property
    def measurements_file(self) -> Path:
        name = f"{EDGE}_waiting_Offline.json" if self.separate_measurements else "measurements.json"
        return self.measurements / name

    @property
    def test01(self) -> Path:
        """The folder of the Offline result's TEST01; closed only."""
        part = "compliance" if self.separate_measurements else "results"
        return self.submitter / part / EDGE / self.model / "Offline" / "TEST01"


BASES = ("v6.1_open", "v6.1_closed", "v5.1_open", "v5.1_closed")


def unpack_base(name: str, directory: Path) -> Path:
    """Unpack the base submission `name` to `directory` and return it: the root of the submission."""
    directory.mkdir(parents=True, exist_ok=True)
    with lzma.open(ARCHIVES / f"{name}.tar.xz") as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            path = directory / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            file = archive.extractfile(member)
            assert file is not None, f"{name}.tar.xz holds more than files: {member.name}"
            path.write_bytes(file.read())
    return directory


def submission(name: str, root: Path) -> Submission:
    """Return the paths of the base `name`, unpacked at `root`."""
    round_, _, division = name.partition("_")
    return Submission(root, round_, division)

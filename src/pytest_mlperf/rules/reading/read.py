"""Reads a submission's tree in either layout; what is missing or broken becomes a state that the checks name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_mlperf.rules.detail_log import DetailLog, read_detail_log
from pytest_mlperf.rules.log_files import DETAIL_LOG, SUMMARY_LOG
from pytest_mlperf.rules.reading.accuracy_text import read_accuracy_text
from pytest_mlperf.rules.reading.endpoints import ACCURACY, SUMMARY, read_endpoints
from pytest_mlperf.rules.reading.files import MISSING, read_accuracy_log, read_document, read_text
from pytest_mlperf.rules.reading.power_session import MeasuredRun, PowerSession
from pytest_mlperf.rules.reading.submission import (
    DIVISIONS,
    ComplianceTest,
    Power,
    Result,
    Run,
    Submission,
    Submitter,
    System,
)
from pytest_mlperf.rules.reading.tree import Directory, read_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_mlperf.rules.reading.accuracy_text import AccuracyText
    from pytest_mlperf.rules.reading.files import AccuracyLog, Document, Text
    from pytest_mlperf.rules.round import Layout

_TEXTS = ("user.conf", "README.md", "mlperf.conf")
_OLD_DIRECTORIES = {"measurements", "compliance", "code"}


def read_submission(
    root: Path, layout: Layout | None = None, tell: Callable[[str], None] = lambda _: None
) -> Submission:
    """Parse the submission below `root`.

    Parameters
    ----------
    root
        Holds ``closed``, ``open`` and ``network``, or some of them. Nothing in there is changed, and nothing in there
        raises: a file that is missing, cut, binary or huge has its fault in the result.
    layout
        Where a result's files are; None tells it by each submitter's directories.
    tell
        Is called with each submitter's directory before it is read.
    """
    tree = read_tree(root)
    submitters = []
    for division in DIVISIONS:
        there = tree.directories[division].directories if division in tree.directories else {}
        for name, directory in there.items():
            tell(f"{division}/{name}")
            submitters.append(_Reader(root, division, directory, layout or _layout(directory)).submitter(name))
    return Submission(tree, tuple(submitters))


def read_run(directory: Path) -> Run:
    """Parse what LoadGen left in a directory; like `read_submission`, it raises for nothing that lies there."""
    tree = read_tree(directory)
    detail = read_detail_log(directory / DETAIL_LOG) if DETAIL_LOG in tree.files else DetailLog(fault=MISSING)
    return Run("", tree, detail, read_text(directory, tree, SUMMARY_LOG, ""))


def _layout(submitter: Directory) -> Layout:
    return "measurements" if _OLD_DIRECTORIES & submitter.directories.keys() else "results"


@dataclass(frozen=True)
class _Reader:
    """Reads one submitter's directory."""

    root: Path
    division: str
    directory: Directory
    layout: Layout

    def submitter(self, name: str) -> Submitter:
        results = self.directory.find("results")
        described = self.directory.find("systems")
        files = described.files if described is not None else {}
        names = {file.removesuffix(".json") for file in files if file.endswith(".json")}
        names |= results.directories.keys() if results is not None else set()
        return Submitter(
            self.division,
            name,
            self.layout,
            self.directory,
            tuple(self._system(name, system) for system in sorted(names)),
            self._document("", "model_mapping.json"),
            self._calibration(),
            self._code_pointers(),
        )

    def _code_pointers(self) -> dict[str, Text]:
        code, results = self.directory.find("code"), self.directory.find("results")
        if code is None or results is None:
            return {}
        models = {model for system in results.directories.values() for model in system.directories}
        return {name: self._text("code", name) for name in sorted(models & code.files.keys())}

    def _calibration(self) -> Text:
        beside = self._text("", "calibration.md")
        return beside if not beside.missing else self._text("documentation", "calibration.md")

    def _system(self, submitter: str, name: str) -> System:
        path = f"results/{name}"
        found = self.directory.find(path)
        results = [
            self._result(submitter, name, model, scenario)
            for model, scenarios in (found.directories.items() if found is not None else ())
            for scenario in scenarios.directories
        ]
        models = tuple(found.directories) if found is not None else ()
        description = self._document("systems", f"{name}.json")
        return System(name, description, tuple(results), self._path(path), models, found is not None)

    def _result(self, submitter: str, system: str, model: str, scenario: str) -> Result:
        place = f"{system}/{model}/{scenario}"
        path = f"results/{place}"
        measurements, compliance = (
            (path, path) if self.layout == "results" else (f"measurements/{place}", f"compliance/{place}")
        )
        tests = self.directory.find(compliance)
        performance, accuracy = self._run(f"{path}/performance/run_1"), self._run(f"{path}/accuracy")
        endpoints = None
        if self.layout == "results" and performance.detail.fault == accuracy.detail.fault == MISSING:
            endpoints = read_endpoints(self.root, self.directory.find(path), self._path(path), scenario)
        if endpoints is not None:
            performance = replace(performance, path=self._path(f"{path}/performance"), name=SUMMARY)
            performance = replace(performance, detail=endpoints.performance)
            accuracy = replace(accuracy, detail=endpoints.accuracy, name=ACCURACY)
        return Result(
            self.division,
            submitter,
            system,
            model,
            scenario,
            self._path(path),
            performance,
            accuracy,
            self._accuracy_text(f"{path}/accuracy", "accuracy.txt"),
            self._accuracy_log(f"{path}/accuracy"),
            self._document(measurements, self._measurements_name(measurements, system, scenario)),
            {name: self._text(measurements, name) for name in _TEXTS},
            {
                name: self._test(name, f"{compliance}/{name}")
                for name in (tests.directories if tests is not None else ())
                if name.startswith("TEST")
            },
            self._path(compliance),
            self._power(path, measurements),
            endpoints,
        )

    def _power(self, path: str, measurements: str) -> Power | None:
        performance = self.directory.find(f"{path}/performance")
        if performance is None or "power" not in {*performance.directories, *performance.files}:
            return None
        directory = performance.find("power")
        ranging, run = self._run(f"{path}/performance/ranging"), self._run(f"{path}/performance/run_1")
        settings: dict[str, int] = {}
        while measurements:
            found = self.directory.find(measurements)
            settings |= found.files if found is not None else {}
            measurements = measurements.rpartition("/")[0]
        linked = frozenset(link.name for link in performance.links)
        session = PowerSession(
            self.root, f"{performance.path}/power", directory, _measured(ranging), _measured(run), linked
        )
        return Power(ranging, directory, session, settings)

    def _measurements_name(self, path: str, system: str, scenario: str) -> str:
        """Return the measurements' file name; until v5.1 it names the implementation between system and scenario."""
        if self.layout == "results":
            return "measurements.json"
        directory = self.directory.find(path)
        names = [
            name
            for name in (directory.files if directory is not None else ())
            if name.startswith(system) and name.endswith(".json")
        ]
        whole = [name for name in names if name.endswith(f"_{scenario}.json")]
        return [*whole, *names, f"{system}.json"][0]

    def _test(self, name: str, path: str) -> ComplianceTest:
        return ComplianceTest(
            name,
            self._path(path),
            self.directory.find(path),
            self._run(f"{path}/performance/run_1"),
            self._text(path, "verify_accuracy.txt"),
            self._accuracy_log(f"{path}/accuracy"),
            self._text(path, "verify_performance.txt"),
            self._accuracy_text(f"{path}/accuracy", "baseline_accuracy.txt"),
            self._accuracy_text(f"{path}/accuracy", "compliance_accuracy.txt"),
            self._text(path, "verify_output_len.txt"),
        )

    def _run(self, path: str) -> Run:
        directory = self.directory.find(path)
        name = DETAIL_LOG
        if directory is None or name not in directory.files:
            detail = DetailLog(fault=MISSING)
        else:
            detail = read_detail_log(self.root / directory.place(name))
        return Run(self._path(path), directory, detail, self._text(path, SUMMARY_LOG))

    def _accuracy_text(self, path: str, name: str) -> AccuracyText:
        return read_accuracy_text(self._text(path, name))

    def _accuracy_log(self, path: str) -> AccuracyLog:
        return read_accuracy_log(self.root, self.directory.find(path), self._path(path))

    def _text(self, path: str, name: str) -> Text:
        return read_text(self.root, self.directory.find(path), name, self._path(path))

    def _document(self, path: str, name: str) -> Document:
        return read_document(self.root, self.directory.find(path), name, self._path(path))

    def _path(self, path: str) -> str:
        return f"{self.directory.path}/{path}" if path else self.directory.path


def _measured(run: Run) -> MeasuredRun:
    return MeasuredRun(run.path, run.directory, run.detail)

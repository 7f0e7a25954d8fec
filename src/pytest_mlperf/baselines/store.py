"""The directory of baselines: which there are, and which one is meant."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.artifacts.locks import alone_in
from pytest_mlperf.baselines.entry import FORMAT, KEPT, Entry, file_of, outcomes_of, read_entry, write_entry
from pytest_mlperf.errors import BaselineError

if TYPE_CHECKING:
    from pytest_mlperf.machine.fingerprint import Fingerprint
    from pytest_mlperf.metrics.outcomes import Outcomes
    from pytest_mlperf.run.result import RunResult

#: Where baselines are; see `home`.
PLACE = Path(".mlperf", "baselines")
LATEST = "latest"
_GIT_SECONDS = 10


@dataclass(frozen=True)
class Baseline:
    """A baseline: its name and its directory, with a JSON file for each case and mode."""

    name: str
    directory: Path

    def entry(self, case: str, mode: str) -> Entry | None:
        """Return the entry of a case, None if it has none; raises BaselineError if it cannot be read."""
        path = file_of(self.directory, case, mode)
        return read_entry(path) if path.exists() else None

    def outcomes(self, case: str, mode: str) -> Outcomes:
        """Return the outcomes of a case's samples; raises BaselineError if they cannot be read."""
        return outcomes_of(file_of(self.directory, case, mode))

    def cases(self) -> set[tuple[str, str]]:
        """Return the cases that it has, each with its mode."""
        names = (path.name.removesuffix(".json").rpartition(".") for path in self.directory.glob("*.json"))
        return {(case, mode) for case, _, mode in names}

    def save(
        self, result: RunResult, outcomes: Outcomes | None, answers_sha256: str, machine: Fingerprint, commit: str
    ) -> None:
        """Put a result into the baseline, in place of an earlier one of its case."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with alone_in(self.directory):  # repetitions of one case may end in two processes
            self._save(result, outcomes, answers_sha256, machine, commit)

    def _save(
        self, result: RunResult, outcomes: Outcomes | None, answers_sha256: str, machine: Fingerprint, commit: str
    ) -> None:
        figure = result.performance.value if result.performance is not None else None
        entry = Entry(
            format=FORMAT,
            saved=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            machine=machine,
            result=_without_places(result),
            commit=commit,
            answers_sha256=answers_sha256,
            figures=self._figures(result, machine, figure) if figure is not None else (),
        )
        write_entry(self.directory, entry, outcomes)

    def _figures(self, result: RunResult, machine: Fingerprint, figure: float) -> tuple[float, ...]:
        """Return the figures with a run's own, which a reused result may have added when it was measured."""
        earlier = self._earlier(result, machine)
        return earlier if result.reused is not None and figure in earlier else (*earlier, figure)[-KEPT:]

    def _earlier(self, result: RunResult, machine: Fingerprint) -> tuple[float, ...]:
        """Return the figures of the same model, runtime and machine that were saved before."""
        try:
            earlier = self.entry(result.case, result.mode)
        except BaselineError:  # it is replaced
            return ()
        if earlier is None or earlier.machine != machine:
            return ()
        same = earlier.result.model_sha256 == result.model_sha256 and earlier.result.versions == result.versions
        return earlier.figures if same else ()


def _without_places(result: RunResult) -> RunResult:
    """Return a result without paths of this machine: a baseline is made to be committed."""
    return structs.replace(
        result,
        output="",
        model=result.model if "://" in result.model else Path(result.model).name,
        dataset="",
        notes=(),
        comparison=None,
        turns=None,
    )


def home(directory: Path) -> Path:
    """Return the nearest directory upwards that has baselines, and without one this directory."""
    return next((each for each in (directory, *directory.parents) if (each / PLACE).is_dir()), directory)


def find(asked: str, root: Path) -> Baseline:
    """Return the baseline that a name, a path or ``latest`` means.

    Parameters
    ----------
    asked
        The text that the user gave.
    root
        The directory in which `PLACE` is.

    Raises
    ------
    BaselineError
        There is none.
    """
    place = root / PLACE
    there = {path.name: path for path in sorted(place.glob("*")) if any(path.glob("*.json"))} if place.is_dir() else {}
    if asked in there:
        return Baseline(asked, there[asked])
    if asked == LATEST and there:
        newest = max(there, key=lambda name: max(path.stat().st_mtime for path in there[name].glob("*.json")))
        return Baseline(newest, there[newest])
    given = Path(asked)
    if given.is_dir() and any(given.glob("*.json")):
        return Baseline(given.name or str(given), given)
    raise BaselineError(
        f"there is no baseline {asked}",
        expected=f"one of those in {place}: {', '.join(there)}" if there else f"a baseline in {place}",
        found="no file of a case in this directory" if given.is_dir() else "none of this name, and no such directory",
        fix="save one with --mlperf-save NAME, or name the directory of one",
    )


def commit_of(root: Path) -> str:
    """Return the commit that is checked out, with a plus sign if files differ from it; empty outside a repository."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        try:
            done = subprocess.run(command, capture_output=True, check=True, timeout=_GIT_SECONDS)
        except (OSError, subprocess.SubprocessError):
            return ""
        return done.stdout.decode("utf-8", "replace").strip()

    commit = git("rev-parse", "HEAD")
    return f"{commit}+" if commit and git("status", "--porcelain", "--untracked-files=no") else commit

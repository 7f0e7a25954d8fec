"""A small data set, and sessions of the tiny edition over it."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.datasets.digit_scenes import generate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession, Session

COUNT = 8
LOGS = "mlperf_log_*"


@pytest.fixture(scope="session")
def eight_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole data set, for everybody to read."""
    directory = tmp_path_factory.mktemp("scenes")
    generate(directory, "validation", COUNT)
    return directory


@pytest.fixture
def scenes(eight_scenes: Path, tmp_path: Path) -> Path:
    """A copy, to be damaged."""
    return shutil.copytree(eight_scenes, tmp_path / "scenes")


@dataclass
class Tiny:
    """Runs ``pytest benchmarks`` on the tiny edition's accuracy, with a report and a cache of its own."""

    benchmarks: RunSession
    scenes: Path
    cache: Path
    output: Path
    report: Path

    def run(self, *options: str, dataset: Path | None = None, **how: Any) -> Session:
        """Run over the small data set, or another; later options count more."""
        return self.made(*options, "--dataset-path", str(dataset or self.scenes), **how)

    def made(self, *options: str, **how: Any) -> Session:
        """Run over what the cache has or makes."""
        defaults = (
            *("--model", "retinanet-tiny", "--backend", "onnxruntime", "--scenario", "Offline", "--mode", "accuracy"),
            *("--dataset-size", str(COUNT), "--mlperf-json", str(self.report)),
            *("--mlperf-cache", str(self.cache), "--mlperf-output", str(self.output)),
        )
        return self.benchmarks(*defaults, *options, **how)

    def results(self) -> list[dict[str, Any]]:
        """Return what the session reported."""
        results: list[dict[str, Any]] = json.loads(self.report.read_text())["results"]
        return results

    def refuses(self, session: Session, *says: str) -> None:
        """Make sure that the item failed with a message that teaches, and that nothing passes for a result."""
        assert session.code == 1, session.output
        message = _message(session.output)
        assert len(message) == 3, session.output
        for text in says:
            assert text in "\n".join(message)
        assert_no_traceback(session.output)
        for result in self.results():
            assert (result["verdict"], result["accuracy"], result["performance"]) == ("failed", None, None)
        assert [path for path in self.cache.glob("*/*") if path.parent.name != ".locks"] == []
        assert not list(self.output.rglob("*.part"))

    def runs(self, session: Session) -> dict[str, Any]:
        """Make sure that the item ran to its end; no reference is known for a named data set of eight scenes."""
        [result] = self.results()
        verdict = "not comparable" if "--dataset-path" in session.output else "reached"
        assert (result["verdict"], session.code) == (verdict, 0), session.output
        assert result["accuracy"]["samples"] == COUNT
        return result

    def logs(self) -> list[Path]:
        """Return LoadGen's logs: none, when the test was not started."""
        return list(self.output.rglob(LOGS))


@pytest.fixture
def tiny(benchmarks: RunSession, eight_scenes: Path, tmp_path: Path) -> Tiny:
    """Sessions of the tiny edition."""
    return Tiny(benchmarks, eight_scenes, tmp_path / "cache", tmp_path / "results", tmp_path / "report.json")


def refused_before_all(session: Session, *says: str) -> None:
    """Make sure that it was a usage error that teaches, before anything was collected."""
    assert session.code == pytest.ExitCode.USAGE_ERROR, session.output
    assert "collected" not in session.output
    message = [line for line in session.output.splitlines() if line.strip()]
    assert message[0].startswith("ERROR: ")
    assert len(message) == 3, session.output
    for text in says:
        assert text in session.output
    assert_no_traceback(session.output)


def assert_no_traceback(output: str) -> None:
    """Make sure that nobody is shown our code."""
    assert "Traceback" not in output
    assert not re.search(r'File ".*", line|\.py:\d+', output), output


def _message(output: str) -> list[str]:
    """Return the lines below the title of the one failed or broken item."""
    lines = output.splitlines()
    [title] = [n for n, line in enumerate(lines) if re.fullmatch(r"_{2,} .*test_accuracy\[.*\] _{2,}", line)]
    message = []
    for line in lines[title + 1 :]:
        if re.match("[=-]{5}", line):
            break
        message.append(line)
    return [line for line in message if line]

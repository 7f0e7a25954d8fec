"""A place for results that cannot be written is known before the runs, and never costs one."""

from __future__ import annotations

import json
import re
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.errors import OutputError
from pytest_mlperf.run.directories import require_directory, require_file
from tests.bad_input.conftest import assert_no_traceback, refused_before_all
from tests.conftest import run_benchmarks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bad_input.conftest import Tiny
    from tests.conftest import RunSession

NULL = ("--model=null", "--backend=null", "--mode=accuracy", "--scenario=Offline", "--dataset-size=8")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("mine")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("place", ["file", "file/below/it", "/sys/pytest-mlperf"])
def test_an_output_directory_that_cannot_be_made(tiny: Tiny, file: Path, place: str) -> None:
    output = file.parent / place
    refused_before_all(tiny.run("--mlperf-output", str(output)), f"cannot write to {output}", "--mlperf-output")
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("directory", "found: a directory"),
        ("file/report.json", "file is not a directory"),
        ("/sys/pytest-mlperf.json", "in which you may write"),
        ("/dev/null", "found: something else"),
    ],
)
@pytest.mark.parametrize("option", ["--mlperf-json", "--mlperf-html"])
def test_a_report_that_cannot_be_written(tiny: Tiny, file: Path, place: str, says: str, option: str) -> None:
    (file.parent / "directory").mkdir()
    before = sorted(file.parent.rglob("*"))
    refused_before_all(tiny.run(option, str(file.parent / place)), "cannot write", says, option)
    assert sorted(file.parent.rglob("*")) == before
    assert file.read_text() == "mine"
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.slow
def test_a_report_in_a_directory_that_does_not_exist_makes_it(benchmarks: RunSession, tmp_path: Path) -> None:
    report = tmp_path / "not yet" / "there" / "report.json"
    require_file(report, "--mlperf-json")
    assert not report.parent.parent.exists()
    assert benchmarks(*NULL, f"--mlperf-json={report}").outcomes().startswith("1 passed")
    assert [path.name for path in report.parent.iterdir()] == ["report.json"]


@pytest.mark.slow
def test_listing_the_cases_needs_no_place_for_results(benchmarks: RunSession, file: Path) -> None:
    session = benchmarks(*NULL, "--collect-only", f"--mlperf-output={file}", f"--mlperf-json={file / 'report.json'}")
    assert session.code == 0, session.output


def test_a_session_that_ran_nothing_leaves_no_older_report(tiny: Tiny, tmp_path: Path) -> None:
    tiny.report.write_text('{"results": [{"case": "of yesterday"}]}')
    tiny.refuses(tiny.run("--model-path", str(tmp_path / "missing.onnx")), "missing.onnx is not a file")
    assert tiny.results() == []


def test_checking_a_place_leaves_nothing_there(tmp_path: Path) -> None:
    require_directory(tmp_path / "a" / "b", "--mlperf-output")
    require_file(tmp_path / "report.json", "--mlperf-json")
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_nothing_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nothing")
    with pytest.raises(OutputError, match=r"link is not a directory\n"):
        require_directory(tmp_path / "link", "--mlperf-output")


@pytest.mark.slow
def test_a_disk_that_fills_up_ends_the_run_and_not_the_summary(tiny: Tiny, make_disk: Callable[[str], Path]) -> None:
    disk = make_disk("32k")
    tiny = replace(tiny, output=disk)
    session = tiny.run("--mlperf-json", str(disk / "report.json"))
    assert session.code == 1
    assert f"no room for LoadGen's logs in {disk}" in session.output
    assert "expected: room for the logs and the result; found: 0 bytes free" in session.output
    assert "or choose another place with --mlperf-output" in session.output
    assert "failed (short)" in session.output
    assert_no_traceback(session.output)
    assert not (disk / "report.json").exists()


#: Fills a disk when the run is over.
FILLING = """
import pathlib

def pytest_runtest_teardown():
    with open({full!r}, "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
"""
MINE = "import pytest\n@pytest.mark.mlperf(mode='accuracy')\ndef test_it(mlperf): mlperf.require(mlperf.run())\n"


@pytest.fixture
def project(tmp_path: Path, make_disk: Callable[[str], Path]) -> Project:
    """A project whose disk for reports is full when its runs are over."""
    disk = make_disk("64k")
    (tmp_path / "conftest.py").write_text(FILLING.format(full=str(disk / "full")))
    return Project(tmp_path, disk)


@dataclass(frozen=True)
class Project:
    root: Path
    disk: Path

    def test_file(self, text: str) -> Path:
        file = self.root / "test_it.py"
        file.write_text(text)
        return file


@pytest.mark.slow
def test_reports_that_cannot_be_written_at_the_end_are_elsewhere_and_fail_the_session_after_its_summary(
    benchmarks: RunSession, project: Project
) -> None:
    report, junit, page = (project.disk / name for name in ("report.json", "junit.xml", "page.html"))
    report.write_text("older")
    places = (f"--mlperf-json={report}", f"--junitxml={junit}", f"--mlperf-html={page}")
    session = benchmarks(*NULL, *places, path=project.test_file(MINE))
    assert session.code == 1
    assert session.outcomes().startswith("1 passed")
    assert "reached (short)" in session.output
    assert session.output.count("No space left on device") == 3
    assert_no_traceback(session.output)
    assert report.read_text() == "older"
    assert not list(project.disk.glob("*.part"))
    there, shown = re.findall(r"the results are in (\S+) instead", session.output)
    assert "null-null-cpu-Offline" in Path(shown).read_text("utf-8")
    assert [each["verdict"] for each in json.loads(Path(there).read_text())["results"]] == ["reached"]
    [there] = re.findall(r"it is in (\S+) instead", session.output)
    assert 'name="mlperf.verdict" value="reached"' in Path(there).read_text()


@pytest.mark.slow
def test_a_current_directory_that_is_full_at_the_end_costs_no_file_of_the_submission(
    project: Project, shared_cache: Path
) -> None:
    both = MINE.replace("'accuracy'", "['accuracy', 'performance']")
    options = ("--model=classifier-tiny", "--backend=honest", "--scenario=Offline", "--dataset-size=20")
    submit = ("--mlperf-submit", "--submitter=Me", "--mlperf-pack-anyway", f"--mlperf-output={project.root / 'out'}")
    (project.disk / "open.tar.gz").write_text("of yesterday")
    session = run_benchmarks(
        *(*options, *submit, "--test-query-count=20", f"--mlperf-cache={shared_cache}"),
        directory=project.disk,
        path=project.test_file(both),
    )
    assert session.code == 1
    assert_no_traceback(session.output)
    assert f"cannot write to {project.disk}" in session.output
    [own] = (project.root / "out").iterdir()
    assert {"summary.csv", "summary.json"} < {path.name for path in own.iterdir()}
    [tarball] = own.glob("open*.tar.gz")
    assert str(tarball) in session.output
    assert not (project.disk / "open.tar.gz").exists()
    [older] = project.disk.glob("open-*.tar.gz")
    assert f"open.tar.gz was of an earlier session; it is now {older.name}" in session.output
    assert older.read_text() == "of yesterday"


@pytest.mark.parametrize(
    ("place", "says"), [("file/junit.xml", "file is not a directory"), ("/sys/junit.xml", "in which you may write")]
)
def test_a_junit_file_that_cannot_be_written_is_refused_before_the_runs(
    tiny: Tiny, file: Path, place: str, says: str
) -> None:
    refused_before_all(tiny.run("--junitxml", str(file.parent / place)), "cannot write", says, "--junitxml")


@pytest.mark.slow
def test_a_device_is_a_place_for_junit(benchmarks: RunSession) -> None:
    assert benchmarks(*NULL, "--junitxml=/dev/null").outcomes().startswith("1 passed")


def test_a_submission_needs_a_current_directory_that_can_be_written(tmp_path: Path) -> None:
    submit = ("--model=retinanet-tiny", "--mlperf-submit", "--submitter=Me", f"--mlperf-output={tmp_path}")
    session = run_benchmarks(*submit, directory=Path("/sys"))
    refused_before_all(session, "cannot write to /sys", "run pytest in a directory in which you may write")


def test_a_disk_that_is_full_already_is_known_before_the_runs(tiny: Tiny, make_disk: Callable[[str], Path]) -> None:
    disk = make_disk("16k")
    (disk / "full").write_bytes(bytes(16384))
    refused_before_all(tiny.run(f"--mlperf-json={disk / 'report.json'}"), "No space left on device", "--mlperf-json")

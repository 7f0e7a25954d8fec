"""A place for results that cannot be written is known before the runs, and never costs one."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.errors import OutputError
from pytest_mlperf.run.directories import require_directory, require_file
from tests.bad_input.conftest import assert_no_traceback, refused_before_all

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
def test_a_report_that_cannot_be_written(tiny: Tiny, file: Path, place: str, says: str) -> None:
    (file.parent / "directory").mkdir()
    before = sorted(file.parent.rglob("*"))
    refused_before_all(tiny.run("--mlperf-json", str(file.parent / place)), "cannot write", says, "--mlperf-json")
    assert sorted(file.parent.rglob("*")) == before
    assert file.read_text() == "mine"
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_report_in_a_directory_that_does_not_exist_makes_it(benchmarks: RunSession, tmp_path: Path) -> None:
    report = tmp_path / "not yet" / "there" / "report.json"
    require_file(report, "--mlperf-json")
    assert not report.parent.parent.exists()
    assert benchmarks(*NULL, f"--mlperf-json={report}").outcomes().startswith("1 passed")
    assert [path.name for path in report.parent.iterdir()] == ["report.json"]


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


def test_a_disk_that_fills_up_ends_the_run_and_not_the_summary(tiny: Tiny, make_disk: Callable[[str], Path]) -> None:
    disk = make_disk("16k")
    tiny = replace(tiny, output=disk)
    session = tiny.run("--mlperf-json", str(disk / "report.json"))
    assert session.code == 1
    assert f"no room for LoadGen's logs in {disk}" in session.output
    assert "expected: room for the logs and the result; found: 0 bytes free" in session.output
    assert "or choose another place with --mlperf-output" in session.output
    assert "failed (short)" in session.output
    assert_no_traceback(session.output)
    assert not (disk / "report.json").exists()


def test_a_report_that_cannot_be_written_at_the_end_fails_the_session_after_its_summary(
    benchmarks: RunSession, tmp_path: Path, make_disk: Callable[[str], Path]
) -> None:
    disk = make_disk("16k")
    (tmp_path / "conftest.py").write_text(
        f"def pytest_runtest_teardown():\n    open({str(disk / 'full')!r}, 'wb').write(bytes(12288))\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import pytest\n@pytest.mark.mlperf(mode='accuracy')\ndef test_it(mlperf): mlperf.require(mlperf.run())\n"
    )
    (disk / "report.json").write_text("older")
    session = benchmarks(*NULL, f"--mlperf-json={disk / 'report.json'}", path=tmp_path / "test_it.py")
    assert session.code == 1
    assert session.outcomes().startswith("1 passed")
    assert "reached (short)" in session.output
    assert "found: No space left on device" in session.output
    assert_no_traceback(session.output)
    assert (disk / "report.json").read_text() == "older"
    assert not list(disk.glob("*.part"))

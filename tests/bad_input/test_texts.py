"""Whatever a runtime says, and however a path is written, a session ends in order and its terminal stays as it is."""

from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.bad_input.conftest import assert_no_traceback, refused_before_all
from tests.conftest import run_benchmarks
from tests.packages import with_packages, write_package

if TYPE_CHECKING:
    from tests.bad_input.conftest import Tiny
    from tests.conftest import RunSession

NULL = ("--model=null", "--implementation=python", "--mode=accuracy", "--scenario=Offline", "--dataset-size=40")
RUNTIMES = r"""
import shutil
from pathlib import Path
from mlperf_test_faults import LateFault
from mlperf_test_runtimes import Null
from pytest_mlperf.errors import ModelError


class Surrogate(LateFault):
    def fail(self): raise RuntimeError("a lone \ud800 in an answer")


class Escapes(LateFault):
    def fail(self): raise ModelError("\x1b]0;title\x07", expected="\x9b31m", found="\r\u202e", fix="\x08")


class Endless(LateFault):
    def fail(self): raise RuntimeError("x" * 50_000_000)


class Removes(LateFault):
    def fail(self):
        shutil.rmtree(Path.cwd(), ignore_errors=True)
        self.fail = lambda: None


class Odd(Null):
    def versions(self): return {"odd \ud800\x1b": "\x1b[2J", "none": ""}
"""


def test_each_strange_runtime_is_one_failed_item(benchmarks: RunSession, tmp_path: Path) -> None:
    names = ("Surrogate", "Escapes", "Endless", "Removes", "Odd")
    place = write_package(tmp_path / "strange", "strange", RUNTIMES, backends={name.lower(): name for name in names})
    report, junit = tmp_path / "report.json", tmp_path / "junit.xml"
    backends = f"--backend={','.join(map(str.lower, names))}"
    session = benchmarks(
        *(*NULL, backends, f"--mlperf-json={report}", f"--junitxml={junit}"), PYTHONPATH=with_packages(place)
    )
    assert session.outcomes().startswith("4 failed, 1 passed"), session.output[:10_000]
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", session.output)
    assert "the run failed: RuntimeError: a lone \\ud800 in an answer" in session.output
    assert "\\x1b]0;title\\x07\nexpected: \\x9b31m; found: \\r\\u202e\n\\x08" in session.output
    assert "… (cut: 50,000,014 characters)" in session.output
    assert "was removed while its run was running" in session.output
    assert len(session.output) < 60_000
    assert len(json.loads(report.read_text())["results"]) == 5
    assert report.stat().st_size < 60_000
    assert len(list(ET.parse(junit).iter("failure"))) == 4  # noqa: S314 - our own
    assert junit.stat().st_size < 60_000


@pytest.mark.parametrize("option", ["--mlperf-output", "--dataset-path"])
def test_a_path_that_is_not_utf_8_is_refused(tiny: Tiny, tmp_path: Path, option: str) -> None:
    place = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    Path(place).mkdir()
    says = "expected: a text in UTF-8"
    refused_before_all(tiny.run(f"{option}={place}"), f"{option} cannot be ", r"\udcff", says)


def test_a_current_directory_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    place = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    place.mkdir()
    session = run_benchmarks(*NULL, "--backend=null", "--mlperf-json=report.json", directory=place)
    assert session.outcomes().startswith("1 failed"), session.output
    assert "expected: a path in UTF-8" in session.output
    assert "choose another with --mlperf-output" in session.output
    assert_no_traceback(session.output.replace("test_mlperf.py", ""))

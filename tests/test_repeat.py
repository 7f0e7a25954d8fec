"""--mlperf-repeat in whole sessions: an item for each run, in turns, and one row a case wherever results are shown."""

from __future__ import annotations

import csv
import json
import re
import xml.etree.ElementTree as ET
from functools import partial
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession

NULL = ("--model=null", "--backend=null", "--scenario=Offline,SingleStream", "--min-duration=0.05")
TIMES = ("--mlperf-repeat=2", "--dataset-size=8")
#: The second run has no time.
FAILS_ONCE = """
import msgspec, pytest

def pytest_mlperf_configure_run(item, case, options):
    if case.repetition.number == 2:
        return msgspec.structs.replace(options, timeout=0.01)

"""


def listed(output: str) -> list[str]:
    return re.findall(r"test_\w+\[null-null-cpu-([^\]]*)\]", output)


@pytest.fixture
def alone(benchmarks: RunSession, tmp_path: Path) -> RunSession:
    """Run sessions whose device nobody else has."""
    return partial(benchmarks, MLPERF_TEST_LEASES=str(tmp_path))


def test_ids_end_with_the_number_of_the_run(benchmarks: RunSession) -> None:
    assert listed(benchmarks(*NULL, "--collect-only", "-q", "--mlperf-repeat=2").output) == [
        *("Offline", "SingleStream"),
        *("Offline-1-2", "SingleStream-1-2", "Offline-2-2", "SingleStream-2-2"),
    ]


@pytest.mark.slow
def test_every_run_is_an_item_and_a_case_is_a_row_also_with_xdist(alone: RunSession, tmp_path: Path) -> None:
    files = ("--mlperf-json=r.json", "--mlperf-csv=r.csv", "--mlperf-html=r.html", "--junitxml=r.xml")
    session = alone(*NULL, *TIMES, *files, "-n2")
    assert session.outcomes() == "6 passed", session.output
    rows = [line for line in session.output.splitlines() if ", 2 runs)" in line]
    assert [line.split()[0] for line in rows] == ["null-null-cpu-Offline", "null-null-cpu-SingleStream"]

    here = tmp_path / "here"
    document = json.loads((here / "r.json").read_text())
    runs = [each for each in document["results"] if each["mode"] == "performance"]
    assert [(each["scenario"], each["repetition"]) for each in runs] == [
        *(("Offline", 1), ("Offline", 2)),
        *(("SingleStream", 1), ("SingleStream", 2)),
    ]
    assert len({each["output"] for each in runs}) == 4
    assert [(each["case"], each["counted"]) for each in document["repeated"]] == [
        ("null-null-cpu-Offline", 2),
        ("null-null-cpu-SingleStream", 2),
    ]
    assert len(list(csv.DictReader((here / "r.csv").open()))) == 6
    page = (here / "r.html").read_text()
    assert page.partition("<tbody")[2].partition("</tbody>")[0].count("<tr ") == 4
    properties = ET.parse(here / "r.xml").iter("property")  # noqa: S314 - our own
    said = sorted(str(each.get("value")) for each in properties if each.get("name") == "mlperf.repetition")
    assert said == ["1 of 2", "1 of 2", "2 of 2", "2 of 2"]


@pytest.mark.slow
def test_one_run_that_fails_is_a_failed_item_and_the_verdict_of_its_case(alone: RunSession, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(FAILS_ONCE)
    test = tmp_path / "test_speed.py"
    test.write_text(
        "import pytest\n\n@pytest.mark.mlperf(mode='performance')\n"
        "def test_speed(mlperf):\n    mlperf.require(mlperf.run())\n"
    )
    options = ("--model=null", "--backend=null", "--scenario=Offline", "--min-duration=0.05")
    session = alone(*options, "--mlperf-repeat=3", path=test)
    assert session.outcomes() == "1 failed, 2 passed", session.output
    assert "FAILED" in session.output
    assert "Offline-2-3]" in session.output
    assert "failed in 1 of 3 (short)" in session.output
    assert ", 2 of 3 runs)" in session.output

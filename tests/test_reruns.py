"""Of an item that is run again, the last attempt counts, in JUnit, in the table and in the JSON."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession

pytest.importorskip("pytest_rerunfailures")

NULL = ("--model=null", "--backend=null", "--scenario=Offline", "--dataset-size=8")
#: Fails twice after its run; before the last run it may fail once more.
MINE = """
import pytest
from pathlib import Path

@pytest.mark.mlperf(mode="accuracy")
def test_it(mlperf, request):
    request.node.user_properties.append(("mine", "yes"))
    attempts = Path("attempts")
    count = attempts.read_text() + "." if attempts.exists() else "."
    attempts.write_text(count)
    if len(count) == {fails_before_its_run}:
        pytest.fail("before")
    mlperf.require(mlperf.run())
    if len(count) < 3:
        pytest.fail("after")
"""


def properties(junit: Path) -> list[tuple[str | None, str | None]]:
    """Return the properties of all attempts; each of them is a test case."""
    return [(each.get("name"), each.get("value")) for each in ET.parse(junit).iter("property")]  # noqa: S314 - our own


@pytest.mark.slow
@pytest.mark.parametrize(
    "workers", [pytest.param((), id="one process"), pytest.param(("-n1",), id="xdist", marks=pytest.mark.slow)]
)
def test_the_last_attempt_counts(benchmarks: RunSession, tmp_path: Path, workers: tuple[str, ...]) -> None:
    test = tmp_path / "test_mine.py"
    test.write_text(MINE.format(fails_before_its_run=0))
    options = ("--reruns=3", "--mlperf-json=results.json", "--junitxml=junit.xml")
    session = benchmarks(*NULL, *options, *workers, path=test)
    assert session.outcomes() == "1 passed, 2 rerun", session.output
    here = tmp_path / "here"
    [result] = json.loads((here / "results.json").read_text())["results"]
    assert result["output"].endswith("-3")
    assert result["attempts"] == 3
    found = properties(here / "junit.xml")
    assert {name: count for name, count in Counter(name for name, _ in found).items() if count > 1} == {"mine": 6}
    assert ("mlperf.attempts", "3") in found
    assert session.output.count("reached (short)") == 1
    assert "note: null-null-cpu-Offline accuracy: the last of 3 attempts" in session.output


def test_an_attempt_without_a_result_has_none(benchmarks: RunSession, tmp_path: Path) -> None:
    test = tmp_path / "test_mine.py"
    test.write_text(MINE.format(fails_before_its_run=2))
    session = benchmarks(*NULL, "--reruns=1", "--mlperf-json=results.json", "--junitxml=junit.xml", path=test)
    assert session.outcomes() == "1 failed, 1 rerun", session.output
    assert json.loads((tmp_path / "here" / "results.json").read_text())["results"] == []
    assert not [name for name, _ in properties(tmp_path / "here" / "junit.xml") if str(name).startswith("mlperf")]
    assert "MLPerf results" not in session.output

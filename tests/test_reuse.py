"""--mlperf-reuse in whole sessions: what is the same is not run again, and every place says so."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import RunSession

TINY = ("--model=resnet50-tiny", "--backend=onnxruntime", "--mode=performance", "--scenario=SingleStream,MultiStream")
#: LoadGen makes queries for twice the minimum duration at a latency that no answer is faster than.
BRIEF = ("--dataset-size=20", "--min-duration=0.05", "--mlperf-tune=off", "--target-latency=0.02")
CASE = "resnet50-tiny-onnxruntime-cpu"


@pytest.mark.slow
def test_what_is_the_same_is_reused_and_what_is_not_runs(
    benchmarks: RunSession, tmp_path: Path, shared_cache: Path
) -> None:
    here = tmp_path / "here"
    files = ("--mlperf-json=r.json", "--junitxml=r.xml", "--mlperf-html=r.html", f"--mlperf-cache={shared_cache}")
    session = partial(benchmarks, *TINY, *BRIEF, *files, MLPERF_TEST_LEASES=str(tmp_path))
    first = session()
    assert first.outcomes() == "2 passed, 2 deselected", first.output
    single, multi = sorted(json.loads((here / "r.json").read_text())["results"], key=lambda each: -len(each["case"]))
    [before] = (here / "mlperf-results").glob("*/results.json")
    content = before.read_bytes()
    with (Path(multi["output"]) / "mlperf_log_detail.txt").open("a") as log:
        log.write("\n")

    again = session("--mlperf-reuse", "-v")
    assert again.outcomes() == "2 passed, 2 deselected", again.output
    name = before.parent.name
    assert again.output.count(f"{CASE}-SingleStream performance: reused from {name} of ") == 2  # while it runs, below
    assert f"{CASE}-MultiStream performance: runs: the files in {multi['output']} changed" in again.output
    results = {each["scenario"]: each for each in json.loads((here / "r.json").read_text())["results"]}
    assert results["SingleStream"]["reused"]["session"] == name
    assert results["SingleStream"]["performance"] == single["performance"]
    assert results["SingleStream"]["output"] == single["output"]
    assert results["MultiStream"]["reused"] is None
    assert results["MultiStream"]["output"] != multi["output"]
    properties = ET.parse(here / "r.xml").iter("property")  # noqa: S314 - our own
    said = [each.get("value") for each in properties if each.get("name") == "mlperf.reused"]
    assert len(said) == 1
    assert f"reused from</dt><dd>{name}" in (here / "r.html").read_text()
    assert before.read_bytes() == content

    plan = session("--mlperf-reuse", "--mlperf-plan", "--num-threads=1")
    assert f"{CASE}-SingleStream performance: runs: num_threads changed" in plan.output
    plan = session("--mlperf-reuse", "--mlperf-plan")
    assert f"{CASE}-SingleStream performance: reused from {name} of " in plan.output
    assert "time: about 0 s for 0 of 0 runs" in plan.output

"""--mlperf-find-peak in sessions: the rate that is found holds, is recorded, and is that of the compliance test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.rules.detail_log import read_detail_log
from pytest_mlperf.run.peak import MOST_FULL, MOST_SHORT

if TYPE_CHECKING:
    from tests.conftest import RunSession

#: A device that is nobody else's, and runs of a second: 459 queries are the fewest that can be VALID.
CLASSIFIER = ("--model=classifier-tiny", "--backend=honest", "--scenario=Server", "--mlperf-json=results.json")
#: A bound so wide that other programs on the machine do not decide.
BRIEF = ("--test-query-count=500", "--target-latency=60", "--dataset-size=100")


def results(directory: Path) -> dict[str, dict[str, Any]]:
    found = json.loads((directory / "here" / "results.json").read_text())["results"]
    return {result["test"] or result["mode"]: result for result in found}


@pytest.mark.slow
def test_the_rate_that_is_found_is_confirmed_recorded_and_that_of_the_compliance_test(
    benchmarks: RunSession, tmp_path: Path
) -> None:
    session = benchmarks(
        *CLASSIFIER,
        *BRIEF,
        "--mode=performance,compliance",
        "--mlperf-find-peak",
        "--target-qps=200",
        "-k",
        "performance or TEST04",
        MLPERF_TEST_LEASES=str(tmp_path),
    )
    found = results(tmp_path)
    performance, compliance = found["performance"], found["TEST04"]
    *probes, last = performance["peak"]
    assert performance["verdict"] == "not comparable", session.output  # for its latency bound
    assert performance["performance"]["valid"]
    assert (last["purpose"], last["verdict"]) == ("confirming", "VALID")
    assert (probes[0]["rate"], probes[0]["purpose"]) == (200, "short")
    assert sum(probe["purpose"] == "short" for probe in probes) <= MOST_SHORT
    full = [probe for probe in probes if probe["purpose"] == "full"]
    assert 5 <= len(full) <= MOST_FULL
    assert all(probe["queries"] == 500 for probe in full if probe["verdict"] != "ended")
    assert any(probe["verdict"] != "VALID" for probe in probes)
    assert 200 < last["rate"] < min(max(probe["rate"] for probe in probes), 1500)

    def logged(result: dict[str, Any]) -> float | None:
        return read_detail_log(Path(result["output"]) / "mlperf_log_detail.txt").number("effective_target_qps")

    assert logged(performance) == logged(compliance) == last["rate"]
    assert performance["layout"] == compliance["layout"]
    assert f"peak of {performance['case']}: " in session.output
    directories = [path.name for path in Path(performance["output"]).parent.glob("*Server-peak*")]
    # A run that was to confirm a rate, and was late at it, has the name of the case's own.
    assert len(directories) == sum(probe["purpose"] != "confirming" for probe in probes)


def test_a_run_of_too_few_queries_is_an_error_and_other_scenarios_are_run_as_ever(
    benchmarks: RunSession, tmp_path: Path
) -> None:
    session = benchmarks(
        *CLASSIFIER[:2],
        "--scenario=Server,SingleStream",
        "--mlperf-json=results.json",
        "--mode=performance",
        "--mlperf-find-peak",
        "--test-query-count=70",
        MLPERF_TEST_LEASES=str(tmp_path),
    )
    assert "no rate of 70 queries can be VALID, so there is no peak to find" in session.output
    assert "Traceback" not in session.output
    found = {each["scenario"]: each for each in json.loads((tmp_path / "here" / "results.json").read_text())["results"]}
    assert (found["Server"]["verdict"], found["Server"]["peak"]) == ("failed", [])
    assert (found["SingleStream"]["verdict"], found["SingleStream"]["peak"]) == ("VALID", [])

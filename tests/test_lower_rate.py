"""A Server case without a rate of the user's, on a system that the warm-up overestimates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.rules.detail_log import read_detail_log

if TYPE_CHECKING:
    from tests.conftest import RunSession

#: A bound so wide that other programs on the machine do not decide.
TIRED = (
    "--model=classifier-tiny",
    "--backend=tires",
    "--scenario=Server",
    "--mode=performance",
    "--test-query-count=500",
    "--target-latency=80",
    "--dataset-size=100",
    "--mlperf-json=results.json",
)


def rate(result: dict[str, Any]) -> float:
    return read_detail_log(Path(result["output"]) / "mlperf_log_detail.txt").number("effective_target_qps") or 0


@pytest.mark.slow
def test_a_rate_that_came_out_too_high_is_halved_and_the_run_is_valid(benchmarks: RunSession, tmp_path: Path) -> None:
    session = benchmarks(*TIRED, MLPERF_TEST_LEASES=str(tmp_path))
    [result] = json.loads((tmp_path / "here" / "results.json").read_text())["results"]
    assert result["verdict"] == "not comparable", session.output  # for its latency bound
    assert result["performance"]["valid"]
    directories = sorted(
        Path(result["output"]).parent.glob("classifier-tiny-*-performance*"), key=lambda path: str(path)
    )
    rates = [rate({"output": str(path)}) for path in directories]
    assert len(rates) in (2, 3)
    assert rates[1] == pytest.approx(rates[0] / 2, rel=1e-3)
    assert str(directories[-1]) == result["output"]
    assert [note for note in result["notes"] if "run again at a lower rate" in note and str(directories[0]) in note]
    assert f"runs again at {rates[1]:,.4g} queries/s" in session.output


@pytest.mark.slow
def test_the_rate_of_a_user_is_offered_once_however_late_the_answers_are(
    benchmarks: RunSession, tmp_path: Path
) -> None:
    session = benchmarks(*TIRED, "--target-qps=500", MLPERF_TEST_LEASES=str(tmp_path))
    [result] = json.loads((tmp_path / "here" / "results.json").read_text())["results"]
    assert result["verdict"] == "INVALID", session.output
    assert rate(result) == 500
    assert len(list(Path(result["output"]).parent.glob("classifier-tiny-*-performance*"))) == 1

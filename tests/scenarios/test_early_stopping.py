"""The queries that early stopping asks for are those that LoadGen asks for."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_mlperf.scenarios.early_stopping import late_allowed, queries_needed, queries_needed_at

#: What MinPassingQueriesFinder of loadgen/early_stopping.cc, compiled, adds up to.
with (Path(__file__).parent / "early_stopping.csv").open() as file:
    TABLE = [(float(row["percentile"]), int(row["late"]), int(row["queries"])) for row in csv.DictReader(file)]


@pytest.mark.parametrize(("percentile", "late", "queries"), TABLE)
def test_as_many_queries_are_needed_as_loadgens_source_computes(percentile: float, late: int, queries: int) -> None:
    assert queries_needed(late, percentile) == queries
    assert late_allowed(queries, percentile) == late
    assert late_allowed(queries - 1, percentile) == late - 1


#: A Server run in which every query is late: LoadGen says how many more it would need.
ALL_LATE = """
import json, sys
import mlperf_loadgen as lg
count, percentile, out = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
settings = lg.TestSettings()
settings.scenario, settings.mode = lg.TestScenario.Server, lg.TestMode.PerformanceOnly
settings.server_target_qps, settings.server_target_latency_ns = 1e6, 1
settings.server_target_latency_percentile = percentile
settings.min_query_count, settings.min_duration_ms = count, 0
output = lg.LogOutputSettings()
output.outdir = out
log = lg.LogSettings()
log.log_output, log.enable_trace = output, False
def issue(samples):
    lg.QuerySamplesComplete([lg.QuerySampleResponse(sample.id, 0, 0) for sample in samples])
sut = lg.ConstructSUT(issue, lambda: None)
qsl = lg.ConstructQSL(8, 8, lambda samples: None, lambda samples: None)
lg.StartTestWithLogSettings(sut, qsl, settings, log, "")
"""


@pytest.mark.parametrize(("late", "percentile"), [(2, 0.9), (10, 0.99), (300, 0.97)])
def test_as_many_more_are_needed_as_loadgen_says_after_a_run(tmp_path: Path, late: int, percentile: float) -> None:
    command = [sys.executable, "-c", ALL_LATE, str(late), str(percentile), str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    lines = (tmp_path / "mlperf_log_detail.txt").read_text().splitlines()
    logged = {entry["key"]: entry["value"] for entry in (json.loads(line[len(":::MLLOG ") :]) for line in lines)}
    assert logged["result_overlatency_query_count"] == logged["result_query_count"] == late
    more = queries_needed(late, percentile) - late
    assert f"at least {more} more queries" in logged["early_stopping_result"]


@pytest.mark.parametrize("share", [0.0, 0.001, 0.003, 0.008])
def test_a_share_of_late_queries_passes_with_so_many_and_not_with_many_fewer(share: float) -> None:
    enough = queries_needed_at(share, 0.99, 10**6)
    assert enough is not None
    assert queries_needed(round(share * enough), 0.99) <= enough
    assert queries_needed(round(share * enough * 0.9) + 1, 0.99) > enough * 0.9


@pytest.mark.parametrize("share", [0.0099, 0.01, 0.5, 1.0])
def test_no_number_of_queries_helps_a_system_that_is_too_slow(share: float) -> None:
    assert queries_needed_at(share, 0.99, 10**6) is None

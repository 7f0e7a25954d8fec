"""How many queries LoadGen makes is what LoadGen itself logs, and a test takes as long as they do."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.loadgen.generated import Length, duration_for, generated, seconds_of_test
from pytest_mlperf.rules.detail_log import read_detail_log

if TYPE_CHECKING:
    from pathlib import Path

#: A test with a SUT that does nothing; a StartTest is once a process.
TEST = """
import json, sys
import mlperf_loadgen as lg

scenario, samples, options = sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
settings = lg.TestSettings()
settings.scenario, settings.mode = getattr(lg.TestScenario, scenario), lg.TestMode.PerformanceOnly
for name, value in options.items():
    setattr(settings, name, value)

def issue(ids, indices):
    lg.QuerySamplesComplete([lg.QuerySampleResponse(one, 0, 0) for one in ids])

output, logs = lg.LogOutputSettings(), lg.LogSettings()
output.outdir = sys.argv[1]
logs.log_output, logs.enable_trace = output, False
sut = lg.ConstructFastSUT(issue, lambda: None)
loaded = min(settings.performance_sample_count_override or samples, samples)
qsl = lg.ConstructQSL(samples, loaded, lambda _: None, lambda _: None)
lg.StartTestWithLogSettings(sut, qsl, settings, logs, "")

from pytest_mlperf.loadgen.generated import Length
import msgspec
print(msgspec.json.encode(Length.of(settings, scenario, samples)).decode())
"""
LATENCY = {"SingleStream": "single_stream_expected_latency_ns", "MultiStream": "multi_stream_expected_latency_ns"}
RATE = {"Offline": "offline_expected_qps", "Server": "server_target_qps"}


@pytest.mark.parametrize(
    ("scenario", "equal_issue"),
    # No benchmark has equal issue in MultiStream.
    [
        ("MultiStream", False),
        *((each, is_equal) for each in ("SingleStream", "Offline", "Server") for is_equal in (0, 1)),
    ],
)
@pytest.mark.parametrize(
    ("milliseconds", "least", "samples", "loaded"),
    [(0, 64, 43, 43), (0, 86, 43, 43), (50, 7, 10, 0), (20, 64, 500, 48), (0, 662, 12, 43)],
)
def test_loadgen_makes_as_many_queries_as_are_foreseen(
    tmp_path: Path, scenario: str, equal_issue: bool, milliseconds: int, least: int, samples: int, loaded: int
) -> None:
    options: dict[str, float] = {
        "min_duration_ms": milliseconds,
        "min_query_count": least,
        "performance_sample_count_override": loaded,
        "sample_concatenate_permutation": bool(equal_issue),
    }
    options |= {LATENCY[scenario]: 370_000} if scenario in LATENCY else {RATE[scenario]: 3111.0}
    command = [sys.executable, "-c", TEST, str(tmp_path), scenario, str(samples), json.dumps(options)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    length = Length(**json.loads(done.stdout))
    log, made = read_detail_log(tmp_path / "mlperf_log_detail.txt"), generated(length)
    if scenario == "Offline":
        assert int(made.samples) == log.number("generated_samples_per_query")
    elif scenario == "Server" and milliseconds:  # Poisson arrivals end somewhere near
        assert log.number("generated_query_count") == pytest.approx(made.queries, rel=0.3)
    else:
        assert log.number("generated_query_count") == pytest.approx(made.queries, abs=2)
    if length.is_counted:
        assert log.number("result_query_count") == made.queries
        assert seconds_of_test(length, 0.0, 2.0) == max(milliseconds / 1000, 2 * made.queries)


@pytest.mark.parametrize("seconds", [0.0, 1.0, 30.0, 700.0])
@pytest.mark.parametrize("query_seconds", [0.001, 0.3, 40.0])
@pytest.mark.parametrize("longer", [0.8, 1.0, 1.25])
def test_a_counted_test_takes_no_longer_than_it_may(seconds: float, query_seconds: float, longer: float) -> None:
    def counted(duration: float) -> Length:
        return Length(
            scenario="SingleStream",
            min_duration_ms=int(duration * 1000),
            min_query_count=0,
            latency_ns=int(longer * query_seconds * 1e9),
            set_size=43,
        )

    least = seconds_of_test(counted(0.0), 0.0, query_seconds)
    takes = seconds_of_test(counted(duration_for(counted(600), seconds, query_seconds)), 0.0, query_seconds)
    assert takes <= max(least, seconds * 1.001)
    assert takes >= min(seconds, 0.999 * seconds - 2 * 43 * query_seconds)

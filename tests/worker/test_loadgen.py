"""The bridge to LoadGen, in processes of their own: a StartTest is once a process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = """
import json, sys
from pathlib import Path
import msgspec
from pytest_mlperf.worker.loadgen import apply_round, apply_user_conf, built_in_settings, official_length
from pytest_mlperf.implementations.protocol import ExecutionLayout, RoundSettings, RunSpec
from pytest_mlperf.benchmarks.base import Short
from pytest_mlperf.scenarios.base import Tuned
options = json.loads(sys.argv[1])
if "round" in options:
    options["round"] = msgspec.convert(options["round"], RoundSettings)
tuned = Tuned(ExecutionLayout(streams=1, threads=1, batch=1), 1000.0, 0.0005, {1: 0.001})
spec = RunSpec(benchmark="", backend="", device="cpu", model="", dataset="", sample_count=500,
               model_format="", model_precision="", precision="", variant="",
               **{"mode": "performance", "run_length": "official", **options})
for _ in range(3):  # the settings are the same however often they are read
    settings = built_in_settings("retinanet", spec.scenario)
    apply_round(settings, spec.round)
    official = official_length(settings)
    apply_user_conf(settings, spec, "retinanet", Short(), tuned)
print(json.dumps({
    "official": [official.min_duration_ms, official.min_query_count, official.performance_sample_count],
    "seeds": [settings.qsl_rng_seed, settings.sample_index_rng_seed, settings.schedule_rng_seed],
    "min_duration_ms": settings.min_duration_ms, "min_query_count": settings.min_query_count,
    "loaded": settings.performance_sample_count_override,
    "max_query_count": settings.max_query_count,
    "offline": settings.offline_expected_qps, "server": settings.server_target_qps,
    "server_ns": settings.server_target_latency_ns, "single_ns": settings.single_stream_expected_latency_ns,
    "multi_ns": settings.multi_stream_expected_latency_ns, "mode": str(settings.mode)}))
"""


def ask(tmp_path: Path, **options: object) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", SETTINGS, json.dumps({"output": str(tmp_path), **options})],
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize(
    ("scenario", "queries"), [("Offline", 24576), ("Server", 100), ("SingleStream", 100), ("MultiStream", 662)]
)
def test_official_length_is_loadgens_own(tmp_path: Path, scenario: str, queries: int) -> None:
    found = ask(tmp_path, scenario=scenario)
    assert found["official"] == [600_000, queries, 64]
    assert (found["min_duration_ms"], found["min_query_count"]) == (600_000, queries)


def test_the_seeds_of_loadgens_round_are_kept(tmp_path: Path) -> None:
    # mlperf.conf of LoadGen 6.0.17; a later LoadGen has a later round's.
    seeds = ask(tmp_path, scenario="Offline")["seeds"]
    assert isinstance(seeds, list)
    assert all(seed > 1 << 32 for seed in seeds)


def test_a_latency_below_a_millisecond_reaches_loadgen(tmp_path: Path) -> None:
    assert ask(tmp_path, scenario="SingleStream")["single_ns"] == 500_000
    assert ask(tmp_path, scenario="SingleStream", target_latency=0.25)["single_ns"] == 250_000
    assert ask(tmp_path, scenario="MultiStream", target_latency=2.5)["multi_ns"] == 2_500_000


def test_servers_bound_is_the_rounds_unless_the_user_sets_it(tmp_path: Path) -> None:
    assert ask(tmp_path, scenario="Server")["server_ns"] == 100_000_000
    assert ask(tmp_path, scenario="Server", target_latency=12.5)["server_ns"] == 12_500_000


def test_the_users_file_is_followed_and_kept_beside_the_run(tmp_path: Path) -> None:
    conf = tmp_path / "mine.conf"
    conf.write_text("retinanet.Server.target_qps = 33\n*.*.min_duration = 61000\n*.Server.target_latency = 50\n")
    found = ask(tmp_path, scenario="Server", user_conf=str(conf))
    assert (found["server"], found["min_duration_ms"], found["server_ns"]) == (33, 61_000, 50_000_000)
    assert "retinanet.Server.target_qps = 33" in (tmp_path / "user.conf").read_text()


def test_options_count_more_than_the_users_file(tmp_path: Path) -> None:
    conf = tmp_path / "mine.conf"
    conf.write_text("retinanet.Offline.target_qps = 33\n")
    found = ask(tmp_path, scenario="Offline", user_conf=str(conf), target_qps=44.5, test_query_count=10)
    assert (found["offline"], found["min_query_count"], found["max_query_count"]) == (44.5, 10, 0)


def test_accuracy_mode_is_loadgens_accuracy_mode(tmp_path: Path) -> None:
    assert "AccuracyOnly" in str(ask(tmp_path, scenario="Offline", mode="accuracy")["mode"])


#: No round's: what LoadGen has built in cannot be taken for it.
ROUND = {
    "name": "v0.0",
    "qsl_rng_seed": 2**64 - 1,
    "sample_index_rng_seed": 2**63,
    "schedule_rng_seed": 3,
    "min_duration_ms": 700_000,
    "performance_sample_count": 77,
    "offline_samples_per_query": 30_000,
    "server_target_latency_ns": 90_000_000,
}


@pytest.mark.parametrize("mode", ["performance", "accuracy"])
@pytest.mark.parametrize("run_length", ["short", "official"])
def test_a_rounds_seeds_are_loadgens_in_every_mode_and_length(tmp_path: Path, mode: str, run_length: str) -> None:
    conf = tmp_path / "mine.conf"
    conf.write_text("*.*.min_duration = 61000\n")
    found = ask(tmp_path, scenario="Server", mode=mode, run_length=run_length, round=ROUND, user_conf=str(conf))
    assert found["seeds"] == [2**64 - 1, 2**63, 3]


@pytest.mark.parametrize(("scenario", "queries"), [("Offline", 30_000), ("Server", 100), ("MultiStream", 662)])
def test_official_length_is_the_rounds_where_there_is_one(tmp_path: Path, scenario: str, queries: int) -> None:
    found = ask(tmp_path, scenario=scenario, round=ROUND)
    assert found["official"] == [700_000, queries, 77]
    assert (found["min_duration_ms"], found["min_query_count"], found["loaded"]) == (700_000, queries, 77)


def test_servers_bound_is_the_rounds_where_it_has_one(tmp_path: Path) -> None:
    assert ask(tmp_path, scenario="Server", round=ROUND)["server_ns"] == 90_000_000
    without = {**ROUND, "server_target_latency_ns": None}
    assert ask(tmp_path, scenario="Server", round=without)["server_ns"] == 100_000_000


def test_the_users_file_and_options_count_more_than_the_round(tmp_path: Path) -> None:
    conf = tmp_path / "mine.conf"
    conf.write_text("*.*.min_duration = 61000\n*.*.performance_sample_count_override = 9\n")
    found = ask(tmp_path, scenario="Server", round=ROUND, user_conf=str(conf), target_latency=12.5)
    assert (found["min_duration_ms"], found["loaded"], found["server_ns"]) == (61_000, 9, 12_500_000)
    assert found["official"] == [700_000, 100, 77]  # what is lacking is counted from the round

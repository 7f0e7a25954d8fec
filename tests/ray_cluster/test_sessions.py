"""Sessions with one system under test on real Ray nodes: judged like any other, and honest when a node is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pytest_mlperf
from pytest_mlperf.artifacts.layout import default_cache_dir
from tests.sandbox import BENCHMARKS, assert_no_traceback, item, wait_until

if TYPE_CHECKING:
    from tests.ray_cluster.conftest import RayCluster
    from tests.sandbox import Sandbox

pytestmark = pytest.mark.backends
#: The environment with Ray is made once, and not in the cache of each test.
CACHE = f"--mlperf-cache={default_cache_dir({})}"
RAY = ("--implementation=ray", "--backend=onnxruntime", CACHE)
#: LoadGen calls nothing valid of less than 662 queries of MultiStream.
EASY = ("--target-qps=150", "--target-latency=5000", "--test-query-count=662", "--dataset-size=48", "--mlperf-tune=off")
CASE = "resnet50-tiny-ray-onnxruntime-cpu"
LONG = ("--min-duration=120", "--num-threads=1", "--max-batchsize=1", "--mlperf-tune=off", "--target-qps=50")


def lists_nodes(result: dict[str, Any]) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = result["cluster"]["nodes"]
    return nodes


def test_all_scenarios_on_two_nodes_are_judged_like_any_other(sandbox: Sandbox, cluster: RayCluster) -> None:
    options = ("--model=resnet50-tiny", *RAY, *EASY)
    code, output = sandbox.run(str(BENCHMARKS), *options, "--mode=performance", **cluster.environment)
    assert code == 0, output
    results = sandbox.results()
    for scenario in ("Offline", "Server", "SingleStream", "MultiStream"):
        result = results.pop((f"{CASE}-{scenario}", "performance"))
        # Another bound than the round's is another test; LoadGen calls it valid.
        assert result["verdict"] == ("not comparable" if scenario == "Server" else "VALID"), result
        nodes = lists_nodes(result)
        assert [(node["cpus"], node["actors"]) for node in nodes] == [(1, 1), (1, 1)]
        answered = [node["samples"] for node in nodes]
        assert all(answered) or scenario == "SingleStream", answered
        assert sum(answered) == result["performance"]["samples"]
        assert result["versions"]["ray"]
        assert result["layout"]["streams"] == (1 if scenario == "SingleStream" else 2)
    assert not results
    sandbox.assert_nothing_is_left()


def test_two_nodes_give_the_answers_of_one_process(sandbox: Sandbox, cluster: RayCluster) -> None:
    options = (
        "--model=retinanet-tiny",
        "--backend=onnxruntime",
        "--implementation=ray,python",
        "--dataset-size=24",
        CACHE,
    )
    code, output = sandbox.run(
        str(BENCHMARKS), *options, "--mode=accuracy", "--scenario=Offline", **cluster.environment
    )
    assert code == 0, output
    logs = sorted(sandbox.root.glob("out/*/*/mlperf_log_accuracy.json"))
    assert len(logs) == 2
    one, other = (sorted((each["qsl_idx"], each["data"]) for each in json.loads(log.read_text())) for log in logs)
    assert one == other


def test_a_node_killed_in_the_test_is_a_failed_item(sandbox: Sandbox, cluster: RayCluster) -> None:
    victim = cluster.add()
    session = sandbox.start(item(f"{CASE}-Offline", "performance"), *RAY, *LONG, **cluster.environment)
    sandbox.wait_for_start_test()
    wait_until(lambda: any(child.name().startswith("ray::NodeWorke") for child in victim.children()), "an actor")
    victim.kill()
    output, _ = session.communicate(timeout=90)
    wait_until(lambda: cluster.count() == 2, "the end of the node")
    assert session.returncode == pytest.ExitCode.TESTS_FAILED, output
    assert_no_traceback(output)
    assert "the Ray actor on " in output
    assert "`ray status` lists the nodes" in output
    [result] = sandbox.results().values()
    assert result["verdict"] == "failed"
    assert result["performance"] is None
    sandbox.assert_nothing_is_left()


@pytest.mark.thorough
def test_a_node_with_other_code_is_refused(sandbox: Sandbox, cluster: RayCluster) -> None:
    copy = sandbox.root / "older" / "pytest_mlperf"
    shutil.copytree(Path(pytest_mlperf.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / "shipped.py").open("a") as module:
        module.write("\n# Another state of the code.\n")
    node = cluster.add(PYTHONPATH=f"{copy.parent}:{cluster.variables['PYTHONPATH']}")
    try:
        code, output = sandbox.run(item(f"{CASE}-Offline"), *RAY, **cluster.environment)
    finally:
        node.kill()
        wait_until(lambda: cluster.count() == 2, "the end of the node")
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert "the nodes of the Ray cluster do not run the same software" in output
    assert "the source code of pytest_mlperf" in output


def test_without_a_cluster_one_is_started_and_ended(sandbox: Sandbox, ray_python: object) -> None:
    code, output = sandbox.run(item(f"{CASE}-Offline"), *RAY, "--dataset-size=48")
    assert code == 0, output
    [result] = sandbox.results().values()
    assert result["cluster"]["started"]
    assert len(lists_nodes(result)) == 1
    assert result["network"] is None
    sandbox.assert_nothing_is_left()

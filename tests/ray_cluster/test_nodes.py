"""Streams are spread over nodes by their threads, nodes that differ are refused, a system of nodes is described."""

from __future__ import annotations

import sys
from collections import Counter
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.benchmarks.resnet50 import TINY
from pytest_mlperf.errors import RequirementError
from pytest_mlperf.implementations.ray import RAY
from pytest_mlperf.machine.cluster import Cluster, Node
from pytest_mlperf.machine.hardware import Machine as Hardware
from pytest_mlperf.machine.network import NetworkUse
from pytest_mlperf.ray_cluster.connection import Connection
from pytest_mlperf.ray_cluster.front import spread
from pytest_mlperf.ray_cluster.report import report, require_alike
from pytest_mlperf.rules.system_fields import FIELDS, IS_NETWORK, NETWORK_FIELDS
from pytest_mlperf.run.result import RunResult
from pytest_mlperf.scenarios import SCENARIOS
from pytest_mlperf.scenarios.base import Machine, splits
from pytest_mlperf.submission.cluster import PRELOADED
from pytest_mlperf.submission.system import Identity, describe_system

NODES = st.lists(st.integers(1, 64), min_size=1, max_size=9)


@given(st.integers(1, 200), NODES)
def test_each_stream_has_a_place_of_its_own_and_the_first_ones_do_not_move(streams: int, threads: list[int]) -> None:
    places = spread(streams, threads)
    assert len(set(places)) == len(places) == streams
    assert spread(streams - 1, threads) == places[:-1]
    for node, count in Counter(node for node, _ in places).items():
        assert {number for each, number in places if each == node} == set(range(count))


@given(st.integers(1, 64), st.integers(1, 9), st.integers(1, 64))
def test_nodes_that_are_alike_have_as_many_streams(threads: int, nodes: int, each: int) -> None:
    counts = Counter(node for node, _ in spread(nodes * each, [threads] * nodes))
    assert counts == dict.fromkeys(range(nodes), each)


@given(NODES)
def test_a_layout_has_no_more_streams_on_a_node_than_it_has_threads_for(threads: list[int]) -> None:
    machine = Machine(sum(threads), 8, 8, machines=tuple(threads))
    for streams, of_each in machine.splits():
        counts = Counter(node for node, _ in spread(streams, threads))
        assert sum(counts.values()) == streams
        # One stream a node at least: one with fewer threads than the others uses what it has.
        assert streams * of_each <= sum(max(each, of_each) for each in threads)


@given(st.integers(1, 64))
def test_one_machine_has_the_layouts_that_it_had(threads: int) -> None:
    assert Machine(threads, 8, 8, machines=(threads,)).splits() == splits(threads) == Machine(threads, 8, 8).splits()


def test_without_trials_a_single_stream_has_the_threads_of_one_node() -> None:
    machine = Machine(24, 8, 8, machines=(8, 16))
    assert SCENARIOS["SingleStream"].untuned(machine).threads == 16
    assert SCENARIOS["Offline"].untuned(machine).streams == 24


def test_a_node_with_another_version_is_named_with_what_it_has() -> None:
    mine = {"Python": "3.11.7", "numpy": "2.2.6"}
    nodes = {"a (10.0.0.1)": mine, "b (10.0.0.2)": {**mine, "numpy": "2.1.0"}, "c (10.0.0.3)": {"Python": "3.11.7"}}
    require_alike(mine, {"a (10.0.0.1)": mine}, "they differ", "install it")
    with pytest.raises(RequirementError) as caught:
        require_alike(mine, nodes, "they differ", "install it")
    assert caught.value.expected == "numpy 2.2.6, as in the run's process"
    assert caught.value.found == "numpy 2.1.0 on b (10.0.0.2); numpy none on c (10.0.0.3)"


def test_a_report_tells_code_and_packages() -> None:
    software = report(["pytest_mlperf.benchmarks.resnet50:TINY"]).software()
    assert {"Python", "numpy", "msgspec", "ray", "the source code of pytest_mlperf"} == set(software)
    assert len(software["the source code of pytest_mlperf"]) == 12


def test_it_runs_on_cpus_and_where_it_is_named() -> None:
    assert RAY.supports(TINY, "onnxruntime", "cpu", "Offline")
    assert not RAY.supports(TINY, "onnxruntime", "cuda", "Offline")
    assert not RAY.supports(TINY, "kserve", "remote", "Offline")
    assert not RAY.supports(TINY, "tensorrt", "cpu", "Offline")
    assert not RAY.default


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere.invalid:6379"])
def test_an_address_where_nobody_listens_is_told_at_once(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setitem(sys.modules, "ray", ModuleType("ray"))  # it is not asked
    with pytest.raises(RequirementError) as caught:
        Connection(address)
    assert caught.value.what == f"cannot connect to the Ray cluster {address}"


def test_the_address_of_rays_client_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", ModuleType("ray"))
    with pytest.raises(RequirementError, match="is an address for Ray's client"):
        Connection("ray://127.0.0.1:10001")


def _node(**changes: Any) -> Node:
    known: dict[str, Any] = {"name": "a", "address": "10.0.0.1", "identifier": "0", "cpus": 8, "processor": "EPYC"}
    return Node(**known | {"sockets": 1, "cores_per_socket": 8, "memory_bytes": 16 << 30} | changes)


def _run(*nodes: Node) -> RunResult:
    names = ("case", "benchmark", "edition", "implementation", "scenario", "mode", "run_length", "verdict")
    network = NetworkUse(protocol="gRPC", client="Ray", server="Ray", connections=1, interface="eth0", kind="Ethernet")
    return RunResult(
        **dict.fromkeys(names, "x"),  # type: ignore[arg-type] # all of them are texts
        backend="onnxruntime",
        device="cpu",
        network=network,
        cluster=Cluster(software="Ray 2", started=False, nodes=nodes),
    )


def describe(division: str, *nodes: Node) -> dict[str, str]:
    identity = Identity(division, "Community", "datacenter", "box")
    machine = Hardware(processor="EPYC", sockets=1, cores_per_socket=8, memory_bytes=16 << 30)
    return dict(describe_system(identity, [_run(*nodes)], machine=machine).fields)


def test_a_system_of_nodes_says_how_many_there_are_and_is_not_in_the_network() -> None:
    fields = describe("closed", _node(), _node(name="b"))
    assert list(fields) == list(FIELDS)
    assert fields["number_of_nodes"] == "2"
    assert fields["host_networking"] == "Ethernet"
    assert fields["host_processor_model_name"] == "EPYC"
    assert fields["hw_notes"] == "runs had 8 CPUs of 2 nodes"


def test_nodes_that_are_not_alike_are_told() -> None:
    fields = describe("open", _node(), _node(name="b", processor="Xeon", cpus=4))
    assert "1 x 1 x EPYC of 8 cores, 16 GiB, 1 x 1 x Xeon of 8 cores, 16 GiB" in fields["hw_notes"]
    assert "4 CPUs of 1 nodes and 8 CPUs of 1 nodes" in fields["hw_notes"]


def test_the_network_division_has_the_network_and_what_was_not_sent() -> None:
    fields = describe("network", _node(), _node(name="b"))
    assert fields[IS_NETWORK] == "true"
    assert set(NETWORK_FIELDS) <= set(fields)
    assert fields["network_protocol"] == "gRPC"
    assert fields["number_of_nodes"] == "2"
    assert PRELOADED in fields["hw_notes"]
    assert fields["framework"] == "onnxruntime"

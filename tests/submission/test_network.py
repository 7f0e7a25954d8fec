"""A system behind a network is described by what is known of it, and not by the machine that asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pytest_mlperf.machine.hardware import Accelerators, Machine
from pytest_mlperf.machine.network import NetworkUse
from pytest_mlperf.rules.system_fields import FIELDS, IS_NETWORK, NETWORK_FIELDS, OVERPROVISIONING
from pytest_mlperf.run.result import RunResult
from pytest_mlperf.submission.system import UNKNOWN, Identity, describe_system, read_overrides

if TYPE_CHECKING:
    from pathlib import Path

IDENTITY = Identity("open", "Community", "datacenter", "box")
MACHINE = Machine(
    processor="Client CPU", sockets=1, cores_per_socket=2, memory_bytes=16 << 30, operating_system="Linux"
)
FAR: dict[str, Any] = {
    "protocol": "HTTP/1.1 over TCP",
    "client": "aiohttp 3",
    "server": "triton 2",
    "connections": 16,
    "interface": "eth0",
    "kind": "Ethernet",
    "card": "PCI 8086:1592",
    "rate": "25 Gb/s",
}
NEAR: dict[str, Any] = {**FAR, "loopback": True, "interface": "lo", "kind": "loopback", "card": "", "rate": ""}


def run(**network: Any) -> RunResult:
    names = ("case", "benchmark", "edition", "implementation", "scenario", "mode", "run_length", "verdict")
    texts: dict[str, Any] = dict.fromkeys(names, "x")
    return RunResult(**texts, backend="kserve", device="remote", network=NetworkUse(**network))


def test_the_machine_that_asked_is_not_described_as_the_one_that_answered() -> None:
    described = describe_system(IDENTITY, [run(**{**FAR, "connections": 1}), run(**FAR)], machine=MACHINE)
    fields = described.fields
    assert list(fields) == [*FIELDS, IS_NETWORK, *NETWORK_FIELDS, OVERPROVISIONING]
    assert fields["host_processor_model_name"] == fields["accelerators_per_node"] == UNKNOWN
    assert fields["hw_notes"] == "LoadGen ran on another machine: 1 x Client CPU, Linux"
    assert fields["framework"] == "triton 2 (kserve)"
    assert {name: fields[name] for name in (IS_NETWORK, *NETWORK_FIELDS)} == {
        "is_network": "true",
        "network_type": "Ethernet",
        "network_media": UNKNOWN,
        "network_rate": "25 Gb/s",
        "nic_loadgen": "eth0, PCI 8086:1592",
        "number_nic_loadgen": "1",
        "net_software_stack_loadgen": "aiohttp 3",
        "network_protocol": "HTTP/1.1 over TCP",
        "number_connections": "16",
        "nic_sut": UNKNOWN,
        "number_nic_sut": UNKNOWN,
        "net_software_stack_sut": "triton 2",
        "network_topology": UNKNOWN,
    }
    assert {"network_media", "nic_sut", "overprovisioning", "number_of_nodes"} <= set(described.unknown)


def test_a_server_on_this_machine_is_described_by_it() -> None:
    fields = describe_system(IDENTITY, [run(**NEAR)], machine=MACHINE).fields
    assert fields["host_processor_model_name"] == "Client CPU"
    assert fields["accelerators_per_node"] == "0"
    assert fields["network_topology"] == "one machine"
    assert all(fields[name] not in ("", UNKNOWN) for name in NETWORK_FIELDS)


def test_whether_a_server_uses_the_cards_that_are_there_is_not_known() -> None:
    card = Accelerators(count=1, model="H100", memory_bytes=80 << 30)
    described = describe_system(IDENTITY, [run(**NEAR)], machine=replace(MACHINE, accelerators=card))
    assert "accelerators_per_node" in described.unknown


def test_a_user_states_what_is_not_known(tmp_path: Path) -> None:
    file = tmp_path / "system.toml"
    file.write_text('network_media = "fibre"\noverprovisioning = "none"\nhost_processor_model_name = "Server CPU"\n')
    fields = describe_system(IDENTITY, [run(**FAR)], read_overrides(file), MACHINE).fields
    assert (fields["network_media"], fields["overprovisioning"]) == ("fibre", "none")
    assert fields["host_processor_model_name"] == "Server CPU"


def test_a_system_without_a_network_has_none_of_the_fields() -> None:
    local = msgspec.structs.replace(run(**NEAR), network=None, device="cpu")
    assert list(describe_system(IDENTITY, [local], machine=MACHINE).fields) == list(FIELDS)


@pytest.mark.parametrize("server", ["", "triton 2"])
def test_a_server_that_does_not_say_its_name_is_not_stated(server: str) -> None:
    fields = describe_system(IDENTITY, [run(**{**FAR, "server": server})], machine=MACHINE).fields
    assert fields["net_software_stack_sut"] == (server or UNKNOWN)

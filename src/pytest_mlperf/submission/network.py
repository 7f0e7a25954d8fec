"""The fields of a system that is reached over a network, and what cannot be known of it from here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.rules.system_fields import IS_NETWORK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_mlperf.machine.hardware import Machine
    from pytest_mlperf.machine.network import NetworkUse
    from pytest_mlperf.run.result import RunResult

_NONE = "none, loopback"


def network_use(runs: Iterable[RunResult], *, in_division: bool = False) -> NetworkUse | None:
    """Return how the runs reached their system: that of the run with most connections; None if they had no network.

    The network between the nodes of a cluster, of which LoadGen's machine is one, is inside the system: it counts only
    in the network division.
    """
    found = [run.network for run in runs if run.network is not None and (in_division or run.cluster is None)]
    return max(found, key=lambda use: use.connections) if found else None


def network_fields(use: NetworkUse) -> Mapping[str, str]:
    """Return the fields of the network division; those that are not known are empty."""
    card = ", ".join(filter(None, (use.interface, use.card)))
    fields = {
        IS_NETWORK: "true",
        "network_type": use.kind,
        "network_rate": use.rate,
        "nic_loadgen": card,
        "number_nic_loadgen": "1" if use.interface else "",
        "net_software_stack_loadgen": use.client,
        "network_protocol": use.protocol,
        "number_connections": str(use.connections),
        "net_software_stack_sut": use.server,
    }
    if not use.loopback:
        return fields
    nothing = dict.fromkeys(("network_media", "network_rate", "nic_loadgen", "nic_sut"), _NONE)
    return fields | nothing | {"number_nic_loadgen": "0", "number_nic_sut": "0", "network_topology": "one machine"}


def framework(use: NetworkUse, backends: Sequence[str]) -> str:
    """Return the software that answered: what the server calls itself, and how it was asked."""
    return f"{use.server or 'not stated'} ({', '.join(backends)})"


def asked_from(machine: Machine) -> str:
    """Return a remark about the machine that asked, which is not the one that is described."""
    processors = f"{machine.sockets or '?'} x {machine.processor or 'unknown processor'}"
    return f"LoadGen ran on another machine: {processors}, {machine.operating_system or 'unknown system'}"

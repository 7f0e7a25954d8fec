"""What a run's result says of the nodes that answered."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.machine.cluster import Cluster, Node
from pytest_mlperf.machine.network import NetworkUse, link_to
from pytest_mlperf.ray_cluster.report import this_machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_mlperf.implementations.protocol import WorkerResult
    from pytest_mlperf.ray_cluster.connection import Node as Found
    from pytest_mlperf.ray_cluster.worker import Done

#: To ask the kernel for the way to a node, any port will do: nothing is sent.
_ANY_PORT = 6379


def of(node: Found, done: Done, threads: int, streams: int) -> Node:
    """Return what is recorded of a node."""
    report, here = node.report, node.report.machine == this_machine()
    return Node(
        name=report.host,
        address=node.address,
        identifier=node.identifier,
        cpus=threads,
        streams=streams,
        samples=done.samples,
        peak_memory_bytes=done.peak_memory_bytes,
        here=here,
        cpu_seconds_before=round(done.cpu_seconds_before, 3),
        cpu_seconds=round(done.cpu_seconds, 3),
        # What others did on this machine is seen by the session, which knows of both processes.
        busy=() if here else done.busy,
        processor=report.processor,
        sockets=report.sockets,
        cores_per_socket=report.cores_per_socket,
        memory_bytes=report.memory_bytes,
        operating_system=report.operating_system,
    )


def with_nodes(result: WorkerResult, nodes: Sequence[Node], software: str, *, started: bool) -> WorkerResult:
    """Return the result with its nodes, how they were reached, and what users must know of them."""
    return structs.replace(
        result,
        cluster=Cluster(software=software, started=started, nodes=tuple(nodes)),
        network=_network(nodes, software),
        notes=(*result.notes, *_notes(nodes, software, started=started)),
    )


def _notes(nodes: Sequence[Node], software: str, *, started: bool) -> Iterator[str]:
    if started:
        yield f"{software} was started for the run on this machine alone; RAY_ADDRESS=auto takes a cluster that runs"
    idle = [node.name for node in nodes if not node.streams]
    if idle:
        yield f"{software}: {len(idle)} of {len(nodes)} nodes had no stream: {', '.join(dict.fromkeys(idle))}"


def _network(nodes: Sequence[Node], software: str) -> NetworkUse | None:
    """Return how the nodes were reached; None if there is one, on this machine."""
    others = [node for node in nodes if not node.here] or nodes[1:]
    if not others:
        return None
    link = link_to(others[0].address, _ANY_PORT)
    ends = f"{software}, Python {platform.python_version()}, Linux {platform.release()}"
    return NetworkUse(
        protocol="gRPC over HTTP/2 over TCP",
        client=ends,
        server=ends,
        connections=len(others),
        loopback=link.loopback,
        interface=link.interface,
        kind=link.kind,
        card=link.card,
        rate=link.rate,
    )

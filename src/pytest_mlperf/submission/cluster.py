"""The fields of a system of several nodes: how many there are, what they have, and the network between them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_mlperf.submission.network import network_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_mlperf.machine.cluster import Node
    from pytest_mlperf.machine.network import NetworkUse
    from pytest_mlperf.run.result import RunResult

#: What the network division wants to know of a run whose nodes load the samples themselves.
PRELOADED = "the samples were in the nodes' memory before the test; the queries that were sent have their numbers"


def cluster_nodes(runs: Iterable[RunResult]) -> tuple[Node, ...]:
    """Return the nodes of the run that had most of them; none if the runs had no cluster."""
    return max((run.cluster.nodes for run in runs if run.cluster is not None), key=len, default=())


def cluster_fields(nodes: Sequence[Node], runs: Sequence[RunResult], network: NetworkUse | None) -> Mapping[str, str]:
    """Return the fields in which a system of nodes differs from this machine alone.

    Parameters
    ----------
    nodes
        The nodes.
    runs
        Finished runs, for the network between the nodes.
    network
        The network, where the division asks for it.
    """
    links = [run.network for run in runs if run.network is not None and run.cluster is not None]
    of_link = ", ".join(filter(None, (links[0].kind, links[0].rate))) if links else ""
    fields = {
        "number_of_nodes": str(len(nodes)),
        "hw_notes": "; ".join(_notes(nodes)),
        **({"host_networking": of_link} if of_link else {}),
    }
    if network is None:
        return fields
    return {**fields, **network_fields(network), "hw_notes": "; ".join((*_notes(nodes), PRELOADED))}


def _notes(nodes: Sequence[Node]) -> Iterator[str]:
    """Yield what the fields of one node do not say: nodes that are not alike, and what a run had of them."""
    kinds = Counter((node.processor, node.sockets, node.cores_per_socket, node.memory_bytes) for node in nodes)
    if len(kinds) > 1:
        yield "nodes: " + ", ".join(
            f"{count} x {sockets or '?'} x {processor or 'unknown processor'} of {cores or '?'} cores, "
            f"{(memory or 0) / (1 << 30):.4g} GiB"
            for (processor, sockets, cores, memory), count in kinds.items()
        )
    cpus = Counter(node.cpus for node in nodes)
    yield "runs had " + " and ".join(f"{each} CPUs of {count} nodes" for each, count in sorted(cpus.items()))

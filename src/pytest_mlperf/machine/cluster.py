"""The machines of one system under test: what each has, and what it did."""

from __future__ import annotations

import msgspec


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One machine of a cluster; a text is empty, and a number None, where it is not known.

    Attributes
    ----------
    name, address, identifier
        Its host name, its network address, and what the cluster calls it.
    here
        Whether it is the machine of the session.
    cpus
        How many CPUs the run had of it.
    actors, streams
        The processes that answered on it, and how many inferences they had at once.
    samples
        How many samples it answered in the test.
    peak_memory_bytes
        The peak of the actors' memory.
    cpu_seconds_before, cpu_seconds
        The CPU time of the actors before the test, and in it.
    busy
        In words, what makes its machine a busy one, as in `MachineUse`; empty for the session's own.
    processor, sockets, cores_per_socket, memory_bytes, operating_system
        Its hardware and its system.
    """

    name: str
    address: str
    identifier: str
    cpus: int
    here: bool = False
    actors: int = 1
    streams: int = 0
    samples: int = 0
    peak_memory_bytes: int = 0
    cpu_seconds_before: float = 0.0
    cpu_seconds: float = 0.0
    busy: tuple[str, ...] = ()
    processor: str = ""
    sockets: int | None = None
    cores_per_socket: int | None = None
    memory_bytes: int | None = None
    operating_system: str = ""


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """The machines that answered.

    Attributes
    ----------
    software
        What connects them: ``Ray 2.60.0``.
    started
        Whether it was started for the run, on the machine of the session alone.
    nodes
        The machines. Two nodes may be on one machine, as in a trial.
    """

    software: str
    started: bool
    nodes: tuple[Node, ...]

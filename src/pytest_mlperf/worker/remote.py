"""What a run on an endpoint says of it: the name of its SUT, how it was reached, and what users must know."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_mlperf.backends.base import REMOTE
from pytest_mlperf.machine.network import NetworkUse, link_to
from pytest_mlperf.printable import fit

if TYPE_CHECKING:
    from pytest_mlperf.backends.base import Model
    from pytest_mlperf.implementations.protocol import ExecutionLayout, RunSpec

#: The official checkers look for it in the name of a SUT in the network division.
NETWORK_SUT = "Network SUT"
_PORTS = {"http": 80, "https": 443}


def network_sut(spec: RunSpec) -> str:
    """Return the name that LoadGen logs for an endpoint; empty for a model on this machine."""
    return f"{NETWORK_SUT}: {spec.backend_name}" if spec.device == REMOTE else ""


def notes_of(model: Model, spec: RunSpec) -> tuple[str, ...]:
    """Return the notes of a model, if it has any: a backend may give it the attribute ``notes``."""
    return tuple(f"{spec.backend_name}: {fit(str(note))}" for note in getattr(model, "notes", ()))


def network_of(model: Model, spec: RunSpec, layout: ExecutionLayout) -> NetworkUse | None:
    """Return how an endpoint was reached; None for a model on this machine."""
    if model.device != REMOTE:
        return None
    parts = urlsplit(spec.model)
    link = link_to(parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0))
    tls = " with TLS" if parts.scheme == "https" else ""
    software = (str(getattr(model, "client", "")), f"Python {platform.python_version()}", f"Linux {platform.release()}")
    return NetworkUse(
        protocol=f"{getattr(model, 'protocol', '')}{tls}",
        client=", ".join(filter(None, software)),
        server=fit(str(getattr(model, "server", ""))),
        # The warm-up may have had more than the test.
        connections=min(int(getattr(model, "connections", 0)), layout.streams),
        loopback=link.loopback,
        interface=link.interface,
        kind=link.kind,
        card=link.card,
        rate=link.rate,
    )

"""The network between this machine and an endpoint, as far as the kernel tells."""

from __future__ import annotations

import fcntl
import socket
import struct
from ipaddress import ip_address
from pathlib import Path

import msgspec

_GET_ADDRESS = 0x8915  # SIOCGIFADDR
_ETHERNET = "1"  # ARPHRD_ETHER, in /sys/class/net/*/type


class NetworkUse(msgspec.Struct, frozen=True, kw_only=True):
    """How a run reached its model; a text is empty where it is not known.

    Attributes
    ----------
    protocol
        What was spoken: ``HTTP/1.1 over TCP``.
    client, server
        The software at both ends, as it calls itself.
    connections
        How many connections were in use at once, at most.
    loopback
        Whether the endpoint is on this machine.
    interface, kind, card, rate
        This machine's interface, its type, its card, and its rate.
    """

    protocol: str
    client: str = ""
    server: str = ""
    connections: int = 0
    loopback: bool = False
    interface: str = ""
    kind: str = ""
    card: str = ""
    rate: str = ""


class Link(msgspec.Struct, frozen=True):
    """The interface that leads to a host; see `NetworkUse`."""

    loopback: bool = False
    interface: str = ""
    kind: str = ""
    card: str = ""
    rate: str = ""


def link_to(host: str, port: int, system: Path = Path("/sys/class/net")) -> Link:
    """Return the link that packets to a host take; an empty one if it is not found. Nothing is sent."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(address)
            own, theirs = probe.getsockname()[0], probe.getpeername()[0]
    except OSError:
        return Link()
    # Packets to an address of this machine's own do not leave it, whatever interface has it.
    if own == theirs or ip_address(own.partition("%")[0]).is_loopback:
        return Link(loopback=True, interface="lo", kind="loopback")
    name = _interface(own)
    return read_interface(system / name) if name else Link()


def read_interface(directory: Path) -> Link:
    """Return what ``/sys/class/net/NAME`` says."""
    is_ethernet = _read(directory / "type") == _ETHERNET
    wireless = (directory / "wireless").exists()
    speed = _read(directory / "speed")
    return Link(
        interface=directory.name,
        kind="wireless" if wireless else "Ethernet" if is_ethernet else "",
        card=_card(directory / "device"),
        rate=_rate(int(speed)) if speed.isdecimal() and int(speed) else "",
    )


def _card(device: Path) -> str:
    vendor, number = _read(device / "vendor"), _read(device / "device")
    driver = device / "driver"
    words = [f"PCI {vendor}:{number}".replace("0x", "")] if vendor and number else []
    return ", ".join([*words, *([f"driver {driver.resolve().name}"] if driver.exists() else [])])


def _rate(megabits: int) -> str:
    return f"{megabits / 1000:g} Gb/s" if megabits >= 1000 else f"{megabits} Mb/s"


def _interface(address: str) -> str:
    """Return the interface that has an address of version 4 or 6; empty if there is none."""
    if ":" in address:
        packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0]).hex()
        lines = (line.split() for line in _read(Path("/proc/net/if_inet6")).splitlines())
        return next((line[-1] for line in lines if line[0] == packed), "")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(probe.fileno(), _GET_ADDRESS, struct.pack("256s", name.encode()[:15]))
            except OSError:  # it has none
                continue
            if socket.inet_ntoa(answer[20:24]) == address:
                return name
    return ""


def _read(file: Path) -> str:
    try:
        return file.read_text("ascii", "replace").strip()
    except OSError:  # an interface that is down has no speed
        return ""

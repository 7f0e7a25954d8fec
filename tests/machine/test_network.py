"""The way to an endpoint is read from the kernel; nothing is sent, and what is not known stays empty."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.machine.network import Link, link_to, read_interface

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.9.9.9"])
def test_this_machine_is_reached_over_loopback(host: str) -> None:
    assert link_to(host, 80) == Link(loopback=True, interface="lo", kind="loopback")


def test_the_addresses_of_its_interfaces_are_this_machine_too() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no network")
        own = probe.getsockname()[0]
    assert link_to(own, 80).loopback
    assert not link_to("192.0.2.1", 9).loopback


def test_what_cannot_be_found_is_unknown() -> None:
    assert link_to("no-such-host.invalid", 80) == Link()


def write(directory: Path, **texts: str) -> Path:
    for name, text in texts.items():
        file = directory / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    return directory


def test_an_interface_is_described_as_the_kernel_names_it(tmp_path: Path) -> None:
    driver = tmp_path / "drivers" / "ice"
    driver.mkdir(parents=True)
    directory = write(tmp_path / "eth0", type="1", speed="25000", device__vendor="0x8086", device__device="0x1592")
    (directory / "device" / "driver").symlink_to(driver)
    assert read_interface(directory) == Link(
        interface="eth0", kind="Ethernet", card="PCI 8086:1592, driver ice", rate="25 Gb/s"
    )


@pytest.mark.parametrize(("speed", "rate"), [("100", "100 Mb/s"), ("2500", "2.5 Gb/s"), ("-1", ""), ("", "")])
def test_a_rate_that_the_kernel_does_not_know_is_left_out(tmp_path: Path, speed: str, rate: str) -> None:
    assert read_interface(write(tmp_path / "eth1", type="1", speed=speed)).rate == rate


def test_an_interface_without_files_is_only_a_name(tmp_path: Path) -> None:
    assert read_interface(tmp_path / "tun0") == Link(interface="tun0")

"""Reads the hardware and the operating system of this machine from Linux."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlperf.machine.kernel import ROOT, number, text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MODEL_NAMES = ("model name", "Processor", "cpu model")
_SECTOR = 512
#: Block devices that are not storage: they use another device, or memory.
_NO_STORAGE = ("loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd")
_QUERY = ("name", "memory.total", "clocks.max.sm", "pcie.link.gen.max", "pcie.link.width.max")
_NVIDIA_SMI_SECONDS = 20


@dataclass(frozen=True)
class Accelerators:
    """The accelerators of a machine; sizes in bytes, frequency in MHz; unknown values are None or empty."""

    count: int
    model: str
    memory_bytes: int | None = None
    frequency_mhz: float | None = None
    host_interconnect: str = ""


@dataclass(frozen=True)
class Machine:
    """The hardware and software of a machine; unknown values are None or empty."""

    processor: str = ""
    sockets: int | None = None
    cores_per_socket: int | None = None
    frequency_mhz: float | None = None
    caches: str = ""
    memory_bytes: int | None = None
    storage_bytes: int | None = None
    storage_type: str = ""
    network_cards: int | None = None
    operating_system: str = ""
    kernel: str = ""
    remark: str = ""
    accelerators: Accelerators | None = None


def read_machine(root: Path = ROOT, nvidia_smi: str | None = None) -> Machine:
    """Read /proc, /sys and /etc/os-release below `root`, and run nvidia-smi if it is installed.

    Parameters
    ----------
    root
        The directory that contains these files.
    nvidia_smi
        The program; by default nvidia-smi on PATH, and none if `root` is not ``/``.
    """
    program = nvidia_smi or (shutil.which("nvidia-smi") if root == ROOT else None)
    processors = _processors(text(root / "proc/cpuinfo"))
    cpu = root / "sys/devices/system/cpu/cpu0"
    maximum = number(text(cpu / "cpufreq/cpuinfo_max_freq"))
    storage_bytes, storage_type = _storage(root / "sys/block")
    sockets, cores = _topology(processors)
    return Machine(
        processor=_first(processors, *_MODEL_NAMES),
        sockets=sockets,
        cores_per_socket=cores,
        frequency_mhz=maximum / 1000 if maximum else None,
        caches=_caches(cpu / "cache"),
        memory_bytes=_memory(text(root / "proc/meminfo")),
        storage_bytes=storage_bytes,
        storage_type=storage_type,
        network_cards=_network_cards(root / "sys/class/net"),
        operating_system=_operating_system(root),
        kernel=text(root / "proc/sys/kernel/osrelease").strip(),
        remark="virtual machine" if "hypervisor" in _first(processors, "flags").split() else "",
        accelerators=parse_nvidia_smi(_ask(program)) if program else None,
    )


def processor_model(root: Path = ROOT) -> str:
    """Return the processor's name; empty if unknown."""
    return _first(_processors(text(root / "proc/cpuinfo")), *_MODEL_NAMES)


def governor(root: Path = ROOT) -> str:
    """Return how the processor's frequency is governed, such as ``performance``; empty if unknown."""
    return text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip()


def swap_used(root: Path = ROOT) -> int | None:
    """Return the bytes of swap in use; None if unknown."""
    sizes = dict(re.findall(r"^(Swap\w+):\s+(\d+) kB", text(root / "proc/meminfo"), re.MULTILINE))
    known = {"SwapTotal", "SwapFree"} <= sizes.keys()
    return (int(sizes["SwapTotal"]) - int(sizes["SwapFree"])) << 10 if known else None


def parse_nvidia_smi(text: str) -> Accelerators | None:
    """Parse nvidia-smi's output, a line for each device: name, MiB of memory, MHz, PCIe generation and width."""
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines() if line.strip()]
    rows = [row for row in rows if len(row) == len(_QUERY)]
    if not rows:
        return None
    _, memory, clock, generation, width = rows[0]
    mebibytes, megahertz = number(memory), number(clock)
    return Accelerators(
        count=len(rows),
        model=", ".join(dict.fromkeys(row[0] for row in rows)),
        memory_bytes=int(mebibytes) << 20 if mebibytes else None,
        frequency_mhz=megahertz,
        host_interconnect=f"PCIe Gen{generation} x{width}" if generation.isdecimal() and width.isdecimal() else "",
    )


def _ask(program: str) -> str:
    try:
        done = subprocess.run(
            [program, f"--query-gpu={','.join(_QUERY)}", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=_NVIDIA_SMI_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _processors(text: str) -> list[dict[str, str]]:
    found = []
    for block in text.split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        found.append({name.strip(): value.strip() for name, colon, value in pairs if colon})
    return [block for block in found if block]


def _topology(processors: Iterable[dict[str, str]]) -> tuple[int | None, int | None]:
    """Return the number of sockets and the cores per socket; None if /proc/cpuinfo does not have them."""
    cores = {
        (block["physical id"], block["core id"]) for block in processors if {"physical id", "core id"} <= block.keys()
    }
    sockets = {socket for socket, _ in cores}
    return (len(sockets), len(cores) // len(sockets)) if sockets else (None, None)


def _first(processors: Iterable[dict[str, str]], *names: str) -> str:
    return next((block[name] for block in processors for name in names if name in block), "")


def _caches(directory: Path) -> str:
    """Return the first processor's caches, as in ``L1d 48K, L1i 32K, L2 1024K, L3 32768K``."""
    letters = {"Data": "d", "Instruction": "i"}
    found = []
    for index in sorted(directory.glob("index*")):
        level, size = text(index / "level").strip(), text(index / "size").strip()
        if level and size:
            found.append(f"L{level}{letters.get(text(index / 'type').strip(), '')} {size}")
    return ", ".join(found)


def _memory(text: str) -> int | None:
    match = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) << 10 if match else None


def _storage(directory: Path) -> tuple[int | None, str]:
    """Return the size of all disks, in bytes, and their types."""
    total, kinds = 0, []
    for device in _sorted(directory):
        size = number(text(device / "size"))
        if device.name.startswith(_NO_STORAGE) or not size or text(device / "removable").strip() == "1":
            continue
        total += int(size) * _SECTOR
        kinds.append(_disk(device))
    return total or None, ", ".join(dict.fromkeys(kinds))


def _disk(device: Path) -> str:
    if device.name.startswith(("vd", "xvd")):  # only the host knows its type
        return "virtual disk"
    if device.name.startswith("nvme"):
        return "NVMe SSD"
    return "HDD" if text(device / "queue/rotational").strip() == "1" else "SSD"


def _network_cards(directory: Path) -> int | None:
    """Return the number of network interfaces that have a device."""
    if not directory.is_dir():
        return None
    return sum((interface / "device").exists() for interface in directory.iterdir())


def _operating_system(root: Path) -> str:
    for place in ("etc/os-release", "usr/lib/os-release"):
        match = re.search(r"^PRETTY_NAME=[\"']?(.*?)[\"']?$", text(root / place), re.MULTILINE)
        if match:
            return match[1]
    return ""


def _sorted(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []

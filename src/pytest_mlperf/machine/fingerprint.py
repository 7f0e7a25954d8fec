"""What a machine is, as far as speed depends on it: figures of two machines are not compared."""

from __future__ import annotations

import msgspec

from pytest_mlperf.machine.cores import read_cores
from pytest_mlperf.machine.hardware import read_machine


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True):
    """A machine; unknown values are empty or None.

    Attributes
    ----------
    processor, cpus, quota
        The processor's name, the CPUs that the session may use, and its quota of their time.
    accelerators
        Their number and name.
    memory_gib
        Its memory, rounded.
    system
        Its operating system, with the kernel's first two numbers.
    """

    processor: str
    cpus: int
    quota: float | None
    accelerators: str
    memory_gib: int | None
    system: str

    def differences(self, other: Fingerprint) -> list[str]:
        """Return what is different on another machine."""
        mine, theirs = msgspec.structs.asdict(self), msgspec.structs.asdict(other)
        return [f"{name} {theirs[name]}, not {mine[name]}" for name in mine if mine[name] != theirs[name]]


def read_fingerprint() -> Fingerprint:
    """Return what this machine is."""
    machine, cores = read_machine(), read_cores()
    accelerators = machine.accelerators
    return Fingerprint(
        processor=machine.processor,
        cpus=cores.affinity,
        quota=cores.quota,
        accelerators=f"{accelerators.count} x {accelerators.model}" if accelerators else "",
        memory_gib=round(machine.memory_bytes / 2**30) if machine.memory_bytes else None,
        system=f"{machine.operating_system}, Linux {'.'.join(machine.kernel.split('.')[:2])}",
    )

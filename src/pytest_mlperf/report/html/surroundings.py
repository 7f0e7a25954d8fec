"""Where and with what a session ran: the machine, the versions, and what others did on the machine meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_mlperf.machine.hardware import Machine
    from pytest_mlperf.report.finished import Finished
    from pytest_mlperf.run.result import RunResult

_GIB = 1 << 30


def facts_of(finished: Finished) -> Iterator[tuple[str, str]]:
    """Yield what is known of the machine of a session, by name: of a past one, what its file says."""
    if finished.recorded is None:
        from pytest_mlperf.machine.hardware import read_machine

        yield from machine_facts(read_machine(), finished.results)
        return
    machine = finished.recorded.machine
    if machine is not None:
        yield "Processor", machine.processor
        yield "CPUs for the runs", f"{machine.cpus}{f', {machine.quota:g} of their time' if machine.quota else ''}"
        yield "Memory", f"{machine.memory_gib} GiB" if machine.memory_gib else ""
        yield "Accelerators", machine.accelerators
        yield "Operating system", machine.system


def machine_facts(machine: Machine, results: Sequence[RunResult]) -> Iterator[tuple[str, str]]:
    """Yield what is known of the machine, by name."""
    yield "Processor", machine.processor
    if machine.sockets and machine.cores_per_socket:
        yield "Sockets × cores", f"{machine.sockets} × {machine.cores_per_socket}"
    for cores in dict.fromkeys(result.machine.cores for result in results if result.machine is not None):
        limit = f", {cores.quota:g} CPUs' time" if cores.quota is not None else ""
        yield "CPUs for the runs", f"{cores.affinity} of {cores.online}{limit}"
    for governor in dict.fromkeys(result.machine.governor for result in results if result.machine is not None):
        yield "Frequency governor", governor
    if machine.memory_bytes:
        yield "Memory", f"{machine.memory_bytes / _GIB:,.0f} GiB"
    for each in dict.fromkeys(_accelerators(results)):
        yield "Accelerator", each
    if machine.accelerators is not None and machine.accelerators.count:
        yield "Accelerators here", f"{machine.accelerators.count} × {machine.accelerators.model}"
    yield "Operating system", machine.operating_system
    yield "Kernel", machine.kernel
    yield "Remark", machine.remark


def _accelerators(results: Sequence[RunResult]) -> Iterator[str]:
    for result in results:
        device = result.machine.device if result.machine is not None else None
        for each in device.accelerators if device is not None else ():
            yield ", driver ".join(filter(None, (each.name, each.driver)))


def versions(results: Sequence[RunResult]) -> list[tuple[str, list[tuple[str, int]]]]:
    """Return each package with its versions, and how many runs had each of them."""
    found: dict[str, dict[str, int]] = {}
    for result in results:
        for package, version in result.versions.items():
            counts = found.setdefault(package, {})
            counts[version] = counts.get(version, 0) + 1
    return [(package, sorted(found[package].items())) for package in sorted(found)]

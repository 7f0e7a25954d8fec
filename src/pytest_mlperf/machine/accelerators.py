"""The NVIDIA devices of a run and their other users, from nvidia-smi."""

from __future__ import annotations

import os
import shutil
import subprocess

from pytest_mlperf.machine.kernel import number
from pytest_mlperf.machine.use import AcceleratorState, DeviceUse

_SECONDS = 20
_MEBIBYTE = 1 << 20
_STATE = ("memory.used", "utilization.gpu", "name", "driver_version", "clocks.sm", "clocks.max.sm", "power.limit")


def read_device_use(device: str, program: str | None = None) -> DeviceUse | None:
    """Return what is on the accelerators now: ask when the run's own process is not there.

    Parameters
    ----------
    device
        The run's device, such as ``cuda`` for all, or ``cuda:1``; None is returned for others.
    program
        nvidia-smi; by default the one on PATH. Without it everything is unknown.
    """
    kind, _, place = device.partition(":")
    if kind != "cuda":
        return None
    asked = program or shutil.which("nvidia-smi")
    if asked is None:
        return DeviceUse()
    chosen = _chosen(place)
    processes = _ask(asked, "--query-compute-apps=pid,process_name", chosen)
    state = [row for row in _ask(asked, f"--query-gpu={','.join(_STATE)}", chosen) or () if len(row) == len(_STATE)]
    memory = [value for row in state if (value := number(row[0])) is not None]
    utilization = [value for row in state if (value := number(row[1])) is not None]
    return DeviceUse(
        processes=None if processes is None else tuple(sorted({" ".join(row) for row in processes})),
        memory_bytes=int(sum(memory)) * _MEBIBYTE if memory else None,
        utilization=max(utilization, default=None),
        accelerators=tuple(
            AcceleratorState(
                name=row[2],
                driver=row[3],
                clock_mhz=number(row[4]),
                max_clock_mhz=number(row[5]),
                power_limit_w=number(row[6]),
            )
            for row in state
        ),
    )


def both(before: DeviceUse | None, after: DeviceUse | None) -> DeviceUse | None:
    """Return the users of either moment; the rest is as it was before."""
    if before is None or after is None:
        return before
    seen = [each for each in (before.processes, after.processes) if each is not None]
    return DeviceUse(
        processes=tuple(dict.fromkeys(name for each in seen for name in each)) if seen else None,
        memory_bytes=before.memory_bytes,
        utilization=before.utilization,
        accelerators=before.accelerators,
    )


def _chosen(place: str) -> list[str]:
    """Return the argument for the device at `place`, or for all, of those that CUDA_VISIBLE_DEVICES leaves."""
    visible = list(filter(None, os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")))
    if not place:
        return [f"--id={','.join(visible)}"] if visible else []
    known = visible[int(place) :] if visible else [place]
    return [f"--id={known[0] if known else place}"]


def _ask(program: str, query: str, chosen: list[str]) -> list[list[str]] | None:
    """Return the rows of an answer; None if there is none."""
    try:
        done = subprocess.run(
            [program, query, "--format=csv,noheader,nounits", *chosen],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    return [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines() if line.strip()]

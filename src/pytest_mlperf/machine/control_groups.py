"""Finds this process's control groups, which limit what it may use of the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.machine.kernel import ROOT, text

if TYPE_CHECKING:
    from pathlib import Path


def control_groups(controller: str, root: Path = ROOT) -> list[Path]:
    """Return the directories of this process's control group and of those above it, the nearest first.

    Both versions of control groups are found. In a container the mount shows the part that the container sees.

    Parameters
    ----------
    controller
        ``cpu`` or ``memory``: version 1 may have a hierarchy for each.
    root
        The directory that contains /proc and /sys.
    """
    paths = dict(_memberships(text(root / "proc/self/cgroup"), controller))
    found: list[Path] = []
    for kind, mounted_root, mount in _mounts(text(root / "proc/self/mountinfo"), controller):
        if kind not in paths:
            continue
        inside = paths[kind]
        if mounted_root != "/" and (inside + "/").startswith(mounted_root + "/"):
            inside = inside[len(mounted_root) :]
        top = root / mount.lstrip("/")
        place = top / inside.strip("/")
        if ".." in place.parts or not place.is_dir():
            place = top
        found += [place, *(parent for parent in place.parents if parent == top or top in parent.parents)]
    return found


def _memberships(listed: str, controller: str) -> list[tuple[str, str]]:
    """Return the paths of /proc/self/cgroup by version: ``cgroup2``, or ``cgroup`` for version 1's controller."""
    fields = [line.split(":", 2) for line in listed.splitlines() if line.count(":") >= 2]
    return [
        ("cgroup" if controllers else "cgroup2", path)
        for _, controllers, path in fields
        if not controllers or controller in controllers.split(",")
    ]


def _mounts(mountinfo: str, controller: str) -> list[tuple[str, str, str]]:
    """Return the kind, the root and the place of the mounts that may have the controller."""
    found = []
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        mount, system = left.split(), right.split()
        if len(mount) < 5 or len(system) < 3:
            continue
        if system[0] == "cgroup2" or (system[0] == "cgroup" and controller in system[2].split(",")):
            found.append((system[0], mount[3], mount[4]))
    return found

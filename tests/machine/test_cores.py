"""What a run may use: the affinity, and the tightest quota of the control groups, of either version."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.machine.control_groups import control_groups
from pytest_mlperf.machine.cores import Cores, read_cores
from pytest_mlperf.machine.memory import free_memory

if TYPE_CHECKING:
    from pathlib import Path

V2 = "31 23 0:28 {root} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
V1 = "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct"
OTHER = "33 31 0:30 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory"


def machine(root: Path, mounts: str, cgroup: str, **files: str) -> Path:
    """Write a machine's mounts, this process's control groups, and files below /sys/fs/cgroup."""
    for name, text in {
        "proc/self/mountinfo": mounts + "\n" + OTHER + "\n",
        "proc/self/cgroup": cgroup + "\n",
        **{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("mounts", "cgroup", "files", "quota"),
    [
        (V2.format(root="/"), "0::/a/b", {"a/b/cpu.max": "150000 100000\n"}, 1.5),
        (V2.format(root="/"), "0::/a/b", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "50000 100000\n"}, 0.5),
        (V2.format(root="/"), "0::/a/b", {"a/b/cpu.max": "400000 100000\n", "a/cpu.max": "200000 100000\n"}, 2.0),
        (V2.format(root="/"), "0::/a/b", {"a/b/cpu.max": "max 100000\n"}, None),
        (V2.format(root="/"), "0::/", {"cpu.max": "300000 100000\n"}, 3.0),  # a container's own name space
        (V2.format(root="/docker/1"), "0::/docker/1", {"cpu.max": "300000 100000\n"}, 3.0),  # and without one
        (V2.format(root="/"), "0::/../other", {"cpu.max": "250000 100000\n"}, 2.5),
        (V2.format(root="/"), "0::/a", {"a/cpu.max": "nonsense\n"}, None),
        (
            V1.format(root="/"),
            "4:cpu,cpuacct:/x\n3:memory:/y",
            {"cpu,cpuacct/x/cpu.cfs_quota_us": "200000\n", "cpu,cpuacct/x/cpu.cfs_period_us": "100000\n"},
            2.0,
        ),
        (
            V1.format(root="/"),
            "4:cpu,cpuacct:/x\n3:memory:/y",
            {"cpu,cpuacct/x/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/x/cpu.cfs_period_us": "100000\n"},
            None,
        ),
        ("", "", {}, None),
    ],
)
def test_the_tightest_quota_counts(
    tmp_path: Path, mounts: str, cgroup: str, files: dict[str, str], quota: float | None
) -> None:
    assert read_cores(machine(tmp_path, mounts, cgroup, **files)).quota == quota


def test_the_groups_are_this_process_s_and_those_above_it(tmp_path: Path) -> None:
    root = machine(tmp_path, V2.format(root="/"), "0::/a/b", **{"a/b/cpu.max": "max 1\n"})
    top = root / "sys/fs/cgroup"
    assert control_groups("cpu", root) == [top / "a/b", top / "a", top]


def test_what_may_be_used_is_the_smaller_of_affinity_and_quota() -> None:
    assert Cores(online=64, affinity=8).usable == 8
    assert Cores(online=64, affinity=8, quota=1.5).usable == 1.5
    assert Cores(online=64, affinity=2, quota=4).usable == 2
    assert read_cores().affinity == len(os.sched_getaffinity(0))


MEMORY = "MemTotal: 4000 kB\nMemAvailable: 3000 kB\n"


@pytest.mark.parametrize(
    ("mounts", "cgroup", "files", "free"),
    [
        ("", "", {}, 3000 << 10),
        (V2.format(root="/"), "0::/a", {"a/memory.max": "max\n", "a/memory.current": "1\n"}, 3000 << 10),
        (V2.format(root="/"), "0::/a", {"a/memory.max": "9000\n", "a/memory.current": "4000\n"}, 5000),
        (
            V2.format(root="/"),
            "0::/a/b",
            {
                "a/memory.max": "9000\n",
                "a/memory.current": "8000\n",
                "a/memory.stat": "anon 5\ninactive_file 700\n",
                "a/b/memory.max": "max\n",
            },
            1700,
        ),
        (
            OTHER,
            "3:memory:/y",
            {"memory/y/memory.limit_in_bytes": "9000\n", "memory/y/memory.usage_in_bytes": "8000\n"},
            1000,
        ),
    ],
)
def test_free_memory_is_within_the_limits_of_the_control_groups(
    tmp_path: Path, mounts: str, cgroup: str, files: dict[str, str], free: int
) -> None:
    root = machine(tmp_path, mounts, cgroup, **files)
    (root / "proc/meminfo").write_text(MEMORY)
    assert free_memory(root) == free


def test_memory_that_is_unknown_is_none(tmp_path: Path) -> None:
    assert free_memory(tmp_path) is None

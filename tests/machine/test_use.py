"""What happened on a machine between two readings, and which of it makes the machine a busy one."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.machine.accelerators import both, read_device_use
from pytest_mlperf.machine.busy import busy
from pytest_mlperf.machine.cores import Cores
from pytest_mlperf.machine.counters import Counters, pressure_now, read_counters
from pytest_mlperf.machine.use import AcceleratorState, DeviceUse, MachineUse, Span, span

if TYPE_CHECKING:
    from pathlib import Path

TWO = Cores(online=2, affinity=2)


def words(cores: Cores = TWO, seconds: float = 10.0, **during: Any) -> str:
    return "; ".join(busy(MachineUse(processor="", cores=cores, during=Span(seconds=seconds, **during))))


@pytest.mark.parametrize(
    ("during", "says"),
    [
        ({"others": 1.0}, "during the test other processes used 1 of 2 CPUs"),
        ({"others": 0.09}, ""),
        ({"own": 2.0, "others": 0.0, "steal": 0.0, "throttled": 0.0, "swapped_bytes": 0, "thermal": 0}, ""),
        ({"steal": 0.3}, "during the test the hypervisor kept 0.3 of 2 CPUs for others (steal)"),
        ({"swapped_bytes": 3 << 20}, "during the test 3 MiB were swapped"),
        ({"stalled": {"memory": 0.5, "cpu": 1.0}}, "during the test processes waited for memory 50% of the time"),
        ({"stalled": {"cpu": 1.0, "io": 1.0}}, ""),  # the run's own threads wait for CPUs, and its own logs are written
        ({"thermal": 1}, "during the test a processor was too hot and slowed down"),
        ({}, ""),
    ],
)
def test_what_takes_the_run_s_time_is_said(during: dict[str, Any], says: str) -> None:
    assert words(**during) == says


def test_a_quota_that_stops_the_run_is_said() -> None:
    cores = Cores(online=64, affinity=64, quota=1.5)
    assert words(cores, throttled=0.1) == "during the test the quota of 1.5 CPUs stopped the run (throttled for 1 s)"


def test_others_on_cpus_that_the_quota_leaves_idle_take_nothing() -> None:
    cores = Cores(online=64, affinity=64, quota=4)
    assert words(cores, others=59.0) == ""
    assert words(cores, others=61.0) == "during the test other processes used 61 of 64 CPUs"


def test_less_than_the_kernel_s_ticks_can_tell_is_not_counted() -> None:
    assert words(others=1.0, seconds=0.05) == ""


def test_a_busy_warm_up_is_said_too_for_it_decides_the_layout() -> None:
    use = MachineUse(processor="", cores=TWO, before=Span(seconds=3, others=1.0), during=Span(seconds=3, others=0.0))
    assert busy(use) == ("before the test other processes used 1 of 2 CPUs",)


def counters(root: Path, leader: int | None = None) -> Counters:
    return read_counters(leader, root, cpus=[0, 1])


def test_the_readings_of_a_machine_become_rates(tmp_path: Path) -> None:
    def write(name: str, text: str) -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    def stand(factor: int) -> None:
        row = " ".join(str(100 * factor * n) for n in (1, 2, 3, 40, 5, 6, 7, 8, 0, 0))
        write("proc/stat", f"cpu 0\ncpu0 {row}\ncpu1 {row}\ncpu2 {row}\n")
        write("proc/vmstat", f"pswpin {factor}\npswpout {factor}\n")
        write("proc/loadavg", f"{factor}.50 1.00 1.00 1/2 3\n")
        write("proc/pressure/cpu", f"some avg10=1.25 avg60=0.00 avg300=0.00 total={factor * 1000000}\nfull avg10=0\n")
        write("sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", f"{factor}\n")
        write("sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq", "2400000\n")
        write("sys/fs/cgroup/cpu.stat", f"nr_throttled {factor}\nthrottled_usec {factor * 500000}\n")
        # A process of the run's session, and one of another's, with a name that is made to confuse.
        write("proc/77/stat", f"77 (a) b) S 1 77 77 0 -1 0 0 0 0 0 {factor * 60} {factor * 20} {factor * 10} 0 20 0\n")
        write("proc/78/stat", f"78 (x) S 1 78 78 0 -1 0 0 0 0 0 {factor * 900} 0 0 0 20 0\n")

    write("proc/self/cgroup", "0::/\n")
    write("proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    stand(1)
    start = counters(tmp_path, 77)
    stand(2)
    end = counters(tmp_path, 77)
    assert start.busy == pytest.approx(2 * (1 + 2 + 3 + 6 + 7))
    assert start.steal == pytest.approx(2 * 8)
    assert end.own is not None
    assert start.own is not None
    assert end.own - start.own == pytest.approx(0.9, abs=0.2)  # and what this process used in between
    assert (start.throttled, end.throttled) == (0.5, 1.0)
    assert end.stalled == {"cpu": 2.0}
    assert (end.swapped, end.thermal, end.load, end.frequency_mhz) == (4 * 4096, 2, 2.5, 2400.0)
    assert pressure_now(tmp_path) == {"cpu": 1.25}


def test_a_machine_that_says_nothing_is_unknown_and_not_busy(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    start, end = counters(tmp_path), counters(tmp_path)
    found = span(start, end)
    assert (found.others, found.steal, found.throttled, found.swapped_bytes, found.thermal) == (None,) * 5
    assert (found.load, found.frequency_mhz, found.stalled) == (None, None, {})
    assert words() == ""


def test_the_work_of_a_session_is_the_run_s_own_while_it_lives_and_after() -> None:
    code = "import time\nwhile time.process_time() < 0.5: pass\nprint(flush=True); input()"
    start = read_counters()
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert child.stdout is not None
    child.stdout.readline()
    alive = span(start, read_counters(child.pid))
    child.communicate(b"\n")
    after = span(start, read_counters(child.pid))
    for found in (alive, after):
        assert found.own is not None
        assert found.own * found.seconds > 0.25


@pytest.mark.parametrize(
    ("device", "visible", "asked"),
    [
        ("cuda", None, ""),
        ("cuda", "2,3", "--id=2,3"),
        ("cuda:1", None, "--id=1"),
        ("cuda:1", "2,GPU-3", "--id=GPU-3"),
        ("cuda:5", "2", "--id=5"),
    ],
)
def test_the_devices_that_are_looked_at_are_those_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, visible: str | None, asked: str
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\necho "$3" > "$(dirname "$0")/asked"\n')
    program.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    read_device_use(device, str(program))
    assert (tmp_path / "asked").read_text().strip() == asked


def test_others_on_the_accelerator_are_those_that_are_there_without_the_run(tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(
        '#!/bin/sh\ncase "$1" in *apps*) echo "4711, python";; *) for use in 7 80; do '
        'echo "512, $use, NVIDIA H100, 570.1, 345, 1980, [N/A]"; done;; esac\n'
    )
    program.chmod(0o755)
    before = read_device_use("cuda", str(program))
    state = AcceleratorState(name="NVIDIA H100", driver="570.1", clock_mhz=345.0, max_clock_mhz=1980.0)
    assert before == DeviceUse(
        processes=("4711 python",), memory_bytes=1 << 30, utilization=80.0, accelerators=(state, state)
    )
    quiet = DeviceUse(processes=(), memory_bytes=0, utilization=0.0)
    assert both(quiet, before) == DeviceUse(processes=("4711 python",), memory_bytes=0, utilization=0.0)
    assert read_device_use("cpu", str(program)) is None
    program.write_text("#!/bin/sh\nexit 9\n")
    assert read_device_use("cuda", str(program)) == DeviceUse()

    def says(device: DeviceUse | None) -> tuple[str, ...]:
        return busy(MachineUse(processor="", cores=TWO, device=device))

    assert says(before) == ("other processes are on the accelerator: 4711 python",)
    assert says(DeviceUse(processes=(), utilization=80.0)) == ("the accelerator was 80 % in use before the run",)
    assert says(DeviceUse()) == says(quiet) == says(None) == ()

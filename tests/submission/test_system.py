"""The system is described from the machine; what cannot be known is named, not invented."""

from __future__ import annotations

import json
import os
import platform
from typing import TYPE_CHECKING

import psutil
import pytest

from pytest_mlperf.errors import OptionError
from pytest_mlperf.machine.cores import Cores
from pytest_mlperf.machine.hardware import Accelerators, Machine, parse_nvidia_smi, read_machine
from pytest_mlperf.machine.use import MachineUse
from pytest_mlperf.rules.system_fields import FIELDS
from pytest_mlperf.submission.system import UNKNOWN, Identity, describe_system, read_overrides

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.submission.plan import Result

IDENTITY = Identity("open", "Community", "edge", "box")
CPUINFO = """processor : {n}
model name : Xeon of a test
physical id : {socket}
core id : {core}
flags : fpu vme{flag}
"""


def fake_root(root: Path, *, hypervisor: bool = False) -> Path:
    """Write the files of a machine with two sockets of four cores of two threads, three disks, two network cards."""
    blocks = [
        CPUINFO.format(n=n, socket=n // 8, core=n % 4, flag=" hypervisor" if hypervisor else "") for n in range(16)
    ]
    texts = {
        "proc/cpuinfo": "\n".join(blocks),
        "proc/meminfo": "MemTotal:       131072000 kB\nMemFree: 1 kB\n",
        "proc/sys/kernel/osrelease": "6.1.0-test\n",
        "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
        "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "3500000\n",
        "sys/block/nvme0n1/size": "3906250000\n",
        "sys/block/sda/size": "1953125000\n",
        "sys/block/sda/queue/rotational": "1\n",
        "sys/block/sdb/size": "1953125000\n",
        "sys/block/sdb/queue/rotational": "0\n",
        "sys/block/sdc/size": "60000000\n",
        "sys/block/sdc/removable": "1\n",
        "sys/block/loop0/size": "999999999\n",
        "sys/class/net/lo/mtu": "65536\n",
        "sys/class/net/eth0/device/vendor": "0x8086\n",
        "sys/class/net/eth1/device/vendor": "0x8086\n",
        "sys/class/net/docker0/mtu": "1500\n",
    }
    for n, (level, kind, size) in enumerate([(1, "Data", "48K"), (1, "Instruction", "32K"), (2, "Unified", "2048K")]):
        directory = f"sys/devices/system/cpu/cpu0/cache/index{n}"
        texts |= {f"{directory}/level": str(level), f"{directory}/type": kind, f"{directory}/size": size}
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_machine_is_read_from_its_files(tmp_path: Path) -> None:
    assert read_machine(fake_root(tmp_path)) == Machine(
        processor="Xeon of a test",
        sockets=2,
        cores_per_socket=4,
        frequency_mhz=3500.0,
        caches="L1d 48K, L1i 32K, L2 2048K",
        memory_bytes=131072000 * 1024,
        storage_bytes=4 * 10**12,
        storage_type="NVMe SSD, HDD, SSD",
        network_cards=2,
        operating_system="Debian GNU/Linux 12 (bookworm)",
        kernel="6.1.0-test",
    )


def test_a_machine_that_says_nothing_is_all_unknown_and_still_has_every_field(tmp_path: Path) -> None:
    machine = read_machine(tmp_path)
    assert machine == Machine()
    described = describe_system(IDENTITY, [], machine=machine)
    assert described.fields["host_processor_model_name"] == UNKNOWN
    assert {"host_memory_capacity", "host_storage_type", "cooling", "framework"} <= set(described.unknown)


def test_a_virtual_machine_says_so(tmp_path: Path) -> None:
    assert read_machine(fake_root(tmp_path, hypervisor=True)).remark == "virtual machine"


def test_this_machine_is_described_as_other_tools_see_it(runs: tuple[Result, ...]) -> None:
    described = describe_system(IDENTITY, [runs[0].accuracy, runs[0].performance]).fields
    value, unit = described["host_memory_capacity"].split()
    assert unit == "GiB"
    assert float(value) == pytest.approx(psutil.virtual_memory().total / 2**30, rel=1e-3)
    assert platform.release() in described["other_software_stack"]
    versions = runs[0].performance.versions
    assert described["framework"] == f"onnxruntime {versions['onnxruntime']}"
    assert f"loadgen {versions['loadgen']}" in described["other_software_stack"]
    cores = psutil.cpu_count(logical=False)
    if cores and described["host_processors_per_node"].isdecimal():
        sockets, each = int(described["host_processors_per_node"]), int(described["host_processor_core_count"])
        assert sockets * each == cores


def test_every_field_is_a_text_and_the_meaningful_ones_are_not_empty() -> None:
    assert len(FIELDS) == 35
    fields = describe_system(IDENTITY, []).fields
    assert list(fields) == list(FIELDS)
    assert all(isinstance(value, str) for value in fields.values())
    assert all(fields[name] for name, needed in FIELDS.items() if needed)
    assert json.loads(describe_system(IDENTITY, []).to_json()) == fields


def test_without_an_accelerator_the_count_is_a_text_that_is_not_empty() -> None:
    fields = describe_system(IDENTITY, [], machine=Machine()).fields
    assert fields["accelerators_per_node"] == "0"
    assert {fields[name] for name in FIELDS if name.startswith("accelerator_")} == {"N/A"}


def test_an_accelerator_is_of_the_system_only_when_a_run_used_it(runs: tuple[Result, ...]) -> None:
    import msgspec

    card = Accelerators(1, "NVIDIA H100 80GB HBM3", 81559 << 20, 1980.0, "PCIe Gen5 x16")
    machine = Machine(accelerators=card)
    on_cpu = describe_system(IDENTITY, [runs[0].performance], machine=machine)
    assert on_cpu.fields["accelerators_per_node"] == "0"
    assert on_cpu.fields["hw_notes"].startswith("1 x NVIDIA H100 80GB HBM3, not used")
    on_cuda = msgspec.structs.replace(runs[0].performance, device="cuda")
    described = describe_system(IDENTITY, [on_cuda], machine=machine)
    assert described.fields["accelerators_per_node"] == "1"
    assert described.fields["accelerator_model_name"] == "NVIDIA H100 80GB HBM3"
    assert described.fields["accelerator_memory_capacity"] == "79.65 GiB"
    assert described.fields["accelerator_interconnect"] == "N/A"
    assert "accelerator_memory_configuration" in described.unknown
    assert "accelerators_per_node" in describe_system(IDENTITY, [on_cuda], machine=Machine()).unknown


def test_what_the_runs_were_not_allowed_to_use_is_said_beside_the_hardware(runs: tuple[Result, ...]) -> None:
    import msgspec

    def limited(cores: Cores) -> str:
        use = MachineUse(processor="Xeon", cores=cores)
        run = msgspec.structs.replace(runs[0].performance, machine=use)
        machine = Machine(remark="virtual machine", cores_per_socket=64)
        described = describe_system(IDENTITY, [run, runs[0].accuracy, run], machine=machine)
        assert described.fields["host_processor_core_count"] == "64"
        return described.fields["hw_notes"]

    assert limited(Cores(online=64, affinity=64)) == "virtual machine"
    assert limited(Cores(online=64, affinity=64, quota=1.5)) == (
        "virtual machine; runs were limited to a quota of 1.5 CPUs (control group)"
    )
    assert limited(Cores(online=64, affinity=8, quota=4)) == (
        "virtual machine; runs were limited to 8 of 64 CPUs (affinity) and a quota of 4 CPUs (control group)"
    )


def test_nvidia_smi_is_asked_and_a_broken_one_is_as_none(tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nprintf 'NVIDIA A100, 40960, 1410, 4, 16\\nNVIDIA A100, 40960, 1410, 4, 16\\n'\n")
    program.chmod(0o755)
    found = read_machine(tmp_path, str(program)).accelerators
    assert found == Accelerators(2, "NVIDIA A100", 40960 << 20, 1410.0, "PCIe Gen4 x16")
    program.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    assert read_machine(tmp_path, str(program)).accelerators is None
    assert parse_nvidia_smi("NVIDIA Thor, [N/A], [N/A], [N/A], [N/A]\n") == Accelerators(1, "NVIDIA Thor")


@pytest.mark.parametrize("name", ["system.json", "system.toml"])
def test_overrides_count_more_than_what_the_machine_says(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    values = {"cooling": "air", "host_processor_model_name": "Mine", "number_of_nodes": 2}
    toml = 'cooling = "air"\nhost_processor_model_name = "Mine"\nnumber_of_nodes = 2\n'
    file.write_text(json.dumps(values) if name.endswith("json") else toml)
    described = describe_system(IDENTITY, [], read_overrides(file), Machine(processor="Its own"))
    assert described.fields["cooling"] == "air"
    assert described.fields["host_processor_model_name"] == "Mine"
    assert described.fields["number_of_nodes"] == "2"
    assert "cooling" not in described.unknown


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"coling": "air"}', "did you mean cooling"),
        ('{"status": "soon"}', "available, preview, rdi"),
        ('{"system_type": "phone"}', "datacenter"),
        ('{"accelerators_per_node": "none"}', "write a number, 0 for none"),
        ('{"cooling": ""}', "an empty cooling"),
        ('{"cooling": null}', "cooling = None"),
        ('{"cooling": ["air"]}', "write every field as a text"),
        ('["cooling"]', "a list at the top"),
        ('{"cooling"', "JSON or TOML"),
        ("cooling: air", "JSON or TOML"),
        ('{"submitter": "Other"}', "--submitter"),
    ],
)
def test_overrides_that_a_checker_would_refuse_are_refused(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "system.json"
    file.write_text(text)
    with pytest.raises(OptionError) as caught:
        read_overrides(file, IDENTITY)
    assert str(caught.value).startswith(f"--mlperf-system: {file} does not describe a system")
    assert says in str(caught.value)


def test_a_missing_file_of_overrides_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"nothing.json does not describe a system\n.*No such file"):
        read_overrides(tmp_path / "nothing.json")
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - a plain list

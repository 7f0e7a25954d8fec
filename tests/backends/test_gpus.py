"""Several GPUs are several devices: each has its number, its lease, and is refused where it is not there."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.artifacts.locks import lease
from pytest_mlperf.backends.gpus import no_device, number_of, on_machine, same_order
from pytest_mlperf.backends.pytorch import _device
from pytest_mlperf.errors import RequirementError
from pytest_mlperf.implementations.base import Provision
from pytest_mlperf.implementations.python import PYTHON
from tests.sandbox import BENCHMARKS, PATIENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox import Sandbox


def test_a_gpu_has_the_number_of_its_device() -> None:
    assert [number_of(each) for each in ("cuda", "cuda:0", "cuda:3")] == [0, 0, 3]


@pytest.mark.parametrize(
    ("device", "visible", "name"),
    [
        ("cuda:1", None, "cuda:1"),
        ("cuda:0", "3", "cuda:3"),
        ("cuda:1", "2, 0", "cuda:0"),
        ("cuda", "3", "cuda"),
        ("cuda:1", "3", "cuda"),  # there is none: the run will say so
        ("cuda:0", "GPU-5d1a", "cuda"),
        ("cuda:0", "", "cuda"),
        ("cpu", "3", "cpu"),
        ("xpu:0", "3", "xpu:0"),
    ],
)
def test_a_gpu_that_is_hidden_from_others_has_one_lease_for_all(device: str, visible: str | None, name: str) -> None:
    assert on_machine(device, {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}) == name


def test_gpus_are_numbered_as_what_tells_their_names_and_clocks_numbers_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python: Any = SimpleNamespace(executable="python", foreign=False, loadgen=None)
    provision = Provision((), lambda: python, lambda _: tmp_path, lambda: tmp_path)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    assert PYTHON.provide(provision).environment["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    assert "CUDA_DEVICE_ORDER" not in PYTHON.provide(provision).environment
    assert same_order(os.environ) == {}


@pytest.mark.parametrize(
    ("count", "says"),
    [(1, "cuda:0 alone"), (4, "cuda:0 to cuda:3"), (0, "a GPU that CUDA shows"), (None, "a GPU that")],
)
def test_a_gpu_that_is_not_there_is_told_with_those_that_are(count: int | None, says: str) -> None:
    error = no_device("cuda:7", count)
    assert says in error.expected
    assert "CUDA_VISIBLE_DEVICES" in error.fix


def test_pytorch_gets_the_number_and_refuses_one_that_no_gpu_has() -> None:
    """Without a GPU, with something in the place of torch that has two."""
    torch = SimpleNamespace(
        cuda=SimpleNamespace(is_available=lambda: True, device_count=lambda: 2), device=lambda name: f"device {name}"
    )
    assert [_device(torch, each) for each in ("cuda", "cuda:1")] == ["device cuda", "device cuda:1"]
    with pytest.raises(
        RequirementError, match=r"there is no device cuda:2\nexpected: .*cuda:0 to cuda:1; found: cuda:2"
    ):
        _device(torch, "cuda:2")


@pytest.mark.slow
def test_one_gpu_is_waited_for_whatever_it_is_called_and_another_is_not(sandbox: Sandbox) -> None:
    options = ("--model=null", "--backend=elsewhere", "--scenario=Offline", "--mode=performance", "--device=cuda:0")
    sandbox.temporary.mkdir()
    with lease(sandbox.lease("cuda%3A3")):
        other = sandbox.run(str(BENCHMARKS), *options, CUDA_VISIBLE_DEVICES="2,3")[1]
        session = sandbox.start(str(BENCHMARKS), *options, CUDA_VISIBLE_DEVICES="3,2")
        assert session.stdout is not None
        waits = next((line for line in session.stdout if "waiting for the device" in line), "")
    session.communicate(timeout=PATIENCE_SECONDS)
    assert "elsewhere did not run on cuda:0" in other
    assert "waiting" not in other
    assert "waiting for the device cuda:3: in use by process" in waits
    assert session.returncode == pytest.ExitCode.TESTS_FAILED

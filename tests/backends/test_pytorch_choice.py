"""What the backend pytorch decides without PyTorch: options, its environment, and the files of the tiny editions."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.backends.model_file import ModelFile
from pytest_mlperf.backends.pytorch import PyTorch
from pytest_mlperf.backends.pytorch_options import PyTorchOptions
from pytest_mlperf.benchmarks import bert, resnet50, retinanet, rnnt, unet3d, yolo
from pytest_mlperf.conversion.steps import PYTORCH
from pytest_mlperf.environments.requirements import environment_requirements, pinned
from pytest_mlperf.errors import OptionError, RequirementError
from pytest_mlperf.origin import Derived

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.benchmarks.base import Benchmark

TINY: tuple[Benchmark, ...] = (
    resnet50.TINY,
    retinanet.TINY,
    bert.TINY_99,
    rnnt.TINY,
    unet3d.TINY_99,
    yolo.TINY_95,
)
FILE = ModelFile("pytorch", "fp32", retinanet.TINY.models[0].source)


@pytest.mark.parametrize("benchmark", TINY, ids=lambda each: each.official_name)
def test_each_tiny_edition_has_a_file_made_from_its_onnx_file(benchmark: Benchmark) -> None:
    (file,) = (row for row in benchmark.models if row.format == "pytorch")
    assert isinstance(file.source, Derived)
    assert (file.precision, file.source.source_format, file.source.tool) == ("fp32", "onnx", PYTORCH)
    assert file.graphs == benchmark.model_file("onnx", "fp32", file.variant).graphs


@pytest.mark.parametrize("benchmark", TINY, ids=lambda each: each.official_name)
def test_one_environment_serves_every_benchmark_and_makes_its_file(benchmark: Benchmark) -> None:
    also = (*PyTorch.also_requires, *benchmark.dataset.requirements)
    assert environment_requirements(PyTorch.requirements, "cpu", also) == pinned("torch")
    assert {line.partition(">")[0].partition("=")[0] for line in PYTORCH.requirements} == {"torch", "onnx"}
    assert PYTORCH.requirements[0] in pinned("torch")
    assert any(line.startswith("onnx==") for line in pinned("torch"))


def test_options_are_true_or_false() -> None:
    assert PyTorchOptions.of({}) == PyTorchOptions(compile=False, channels_last=True, keep_memory=True)
    assert PyTorchOptions.of({"compile": "True", "channels_last": "0"}) == PyTorchOptions(
        compile=True, channels_last=False
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [({"compiled": "true"}, "has no option compiled"), ({"compile": "maybe"}, "compile is true or false")],
)
def test_an_option_that_does_not_exist_is_refused_before_torch_is_imported(
    given: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(OptionError, match=said):
        PyTorch().load(tmp_path / "model.pt2", FILE, "cpu", 1, given)


def test_without_torch_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(RequirementError, match="PyTorch cannot be imported") as caught:
        PyTorch().load(tmp_path / "model.pt2", FILE, "cpu", 1, {})
    assert caught.value.expected == "torch 2.4 or newer"


def test_an_old_torch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = ModuleType("torch")
    old.__dict__["__version__"] = "2.3.1+cu121"
    monkeypatch.setitem(sys.modules, "torch", old)
    with pytest.raises(RequirementError, match="too old") as caught:
        PyTorch().load(tmp_path / "model.pt2", FILE, "cpu", 1, {})
    assert caught.value.found == "torch 2.3.1+cu121"

"""Pinned sets are pinned, serve what they are for, and give way to a backend that has none."""

from __future__ import annotations

from importlib.resources import files

import pytest
from packaging.requirements import Requirement

from pytest_mlperf.backends.base import Backend, Traits
from pytest_mlperf.backends.deepsparse import DeepSparse
from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.backends.tvm import TvmOnnx
from pytest_mlperf.environments.installed import LOADGEN_REQUIREMENT
from pytest_mlperf.environments.requirements import (
    environment_requirements,
    loadgen_version,
    package_names,
    pinned,
    without,
)

SETS = sorted(path.name.removesuffix(".txt") for path in (files("pytest_mlperf") / "data" / "requirements").iterdir())


@pytest.mark.parametrize("name", SETS)
def test_every_line_of_a_pinned_set_is_pinned(name: str) -> None:
    assert pinned(name)
    for line in pinned(name):
        assert [one.operator for one in Requirement(line).specifier] == ["=="], line


def test_the_pinned_versions_satisfy_the_backend_and_the_worker() -> None:
    least = {Requirement(line).name: Requirement(line).specifier for line in OnnxRuntime.requirements}
    for line in pinned("onnxruntime"):
        if (name := Requirement(line).name) in least:
            assert least[name].contains(next(iter(Requirement(line).specifier)).version)
    assert Requirement(LOADGEN_REQUIREMENT).specifier.contains(loadgen_version())


@pytest.mark.parametrize("python", ["3.10.13", "3.11.7", "3.12.1", "3.13.0"])
def test_each_python_gets_each_package_once(python: str) -> None:
    names = package_names(environment_requirements(OnnxRuntime.requirements, "cpu"), python)
    assert len(names) == len(set(names))
    assert {"onnxruntime", "numpy", "msgspec", "pillow", "mlcommons-loadgen"} <= set(names)
    assert "pytest" not in names


@pytest.mark.parametrize(
    ("backend", "pythons"), [(DeepSparse, ["3.10.13", "3.11.7"]), (TvmOnnx, ["3.10.13", "3.12.1"])]
)
def test_each_python_of_a_backend_gets_what_it_requires_once(backend: type[Backend], pythons: list[str]) -> None:
    also = Traits.of(backend).also_requires
    found = environment_requirements(backend.requirements, "cpu", also)
    assert set(backend.requirements) <= set(found)
    for python in pythons:
        names = package_names(found, python)
        assert len(names) == len(set(names))
        assert {Requirement(line).name for line in also} <= set(names)


@pytest.mark.parametrize("backend", [DeepSparse, TvmOnnx])
def test_one_environment_serves_all_tasks(backend: type[Backend]) -> None:
    also = Traits.of(backend).also_requires
    found = environment_requirements(backend.requirements, "cpu", also)
    for needed in ("tokenizers>=0.20", "nibabel>=5.3", "scipy>=1.13"):
        assert environment_requirements(backend.requirements, "cpu", (*also, needed)) == found


def test_deepsparse_keeps_the_old_numpy_that_it_needs() -> None:
    found = environment_requirements(DeepSparse.requirements, "cpu", DeepSparse.also_requires)
    [numpy] = [Requirement(line) for line in found if Requirement(line).name == "numpy"]
    assert not numpy.specifier.contains("2.0.0")


def test_a_backend_without_a_pinned_set_rules_over_the_workers_versions() -> None:
    found = environment_requirements(("myruntime==1.8.0",), "cpu")
    assert {"myruntime==1.8.0", "numpy", f"mlcommons-loadgen=={loadgen_version()}"} <= set(found)


def test_what_the_data_set_is_read_with_is_pinned_and_there_once() -> None:
    found = environment_requirements(OnnxRuntime.requirements, "cpu", ("soundfile>=0.12.1", "scipy>=1.13", "pillow"))
    assert set(pinned("soundfile")) | set(pinned("scipy")) <= set(found)
    assert [line for line in found if Requirement(line).name == "pillow"] == [
        line for line in pinned("worker") if Requirement(line).name == "pillow"
    ]
    assert "unknown-codec>=2" in environment_requirements(OnnxRuntime.requirements, "cpu", ("unknown-codec>=2",))


def test_a_backend_without_a_pinned_set_rules_over_what_the_data_set_is_read_with() -> None:
    found = environment_requirements(("myruntime==1.8.0",), "cpu", ("scipy>=1.13",))
    assert found.count("scipy") == 1


def test_a_gpu_gets_the_package_for_gpus() -> None:
    assert "onnxruntime-gpu>=1.19" in environment_requirements(OnnxRuntime.requirements, "cuda")


def test_without_takes_one_package_away() -> None:
    assert without(("numpy>=1", "mlcommons_loadgen==6"), "mlcommons-loadgen") == ("numpy>=1",)

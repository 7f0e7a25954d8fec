"""Pinned sets are pinned, serve what they are for, and give way to a backend that has none."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.environments.installed import LOADGEN_REQUIREMENT
from pytest_mlperf.environments.requirements import (
    environment_requirements,
    loadgen_version,
    package_names,
    pinned,
    without,
)


@pytest.mark.parametrize("name", ["worker", "onnxruntime"])
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


def test_a_backend_without_a_pinned_set_rules_over_the_workers_versions() -> None:
    found = environment_requirements(("deepsparse==1.8.0",), "cpu")
    assert {"deepsparse==1.8.0", "numpy", f"mlcommons-loadgen=={loadgen_version()}"} <= set(found)


def test_a_gpu_gets_the_package_for_gpus() -> None:
    assert "onnxruntime-gpu>=1.19" in environment_requirements(OnnxRuntime.requirements, "cuda")


def test_without_takes_one_package_away() -> None:
    assert without(("numpy>=1", "mlcommons_loadgen==6"), "mlcommons-loadgen") == ("numpy>=1",)

"""The worker imports no more than every environment of a backend has."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement

from pytest_mlperf.environments.requirements import pinned

#: Refuses the packages that are named on the command line, as an environment does that has none of them.
_WITHOUT = """
import sys

class Refuses:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[2:]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuses())
__import__(sys.argv[1])
"""
#: Where a package is imported by another name than its own.
MODULES = {"pyyaml": "yaml", "pytest-xdist": "xdist"}


@pytest.mark.parametrize(
    "module", ["pytest_mlperf.worker.__main__", "pytest_mlperf.worker.suite", "pytest_mlperf.cpp.__main__"]
)
def test_the_worker_needs_the_packages_of_its_own_set_alone(module: str) -> None:
    has = {Requirement(line).name for line in pinned("worker")}
    names = {Requirement(line).name for line in requires("pytest-mlperf") or () if "extra ==" not in line}
    refused = sorted(MODULES.get(name, name.replace("-", "_")) for name in names - has)
    assert {"scipy", "onnxruntime", "psutil"} <= {*refused}
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT, module, *refused], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

"""A package that is missing or too old, and must not be fetched, is a broken item that says what to install."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pytest_mlperf
from pytest_mlperf.environments.installed import installed_version
from pytest_mlperf.errors import RequirementError

if TYPE_CHECKING:
    from tests.bad_input.conftest import Tiny

PACKAGES = {
    "onnxruntime": ("the backend onnxruntime needs the package onnxruntime", "onnxruntime>="),
    "mlcommons-loadgen": ("LoadGen needs the package mlcommons-loadgen", "mlcommons-loadgen>=5.0"),
}


def without(package: str, directory: Path) -> str:
    """Return a PYTHONPATH on which all that this interpreter has is installed, but for one package."""
    hidden = (package.replace("-", "_"), package, "mlperf_loadgen" if "loadgen" in package else package)
    directory.mkdir()
    for folder in (Path(folder) for folder in sys.path if Path(folder).name in ("site-packages", "dist-packages")):
        for path in folder.iterdir():
            link = directory / path.name
            if not path.name.lower().startswith(hidden) and not link.exists():
                link.symlink_to(path)
    return f"{directory}:{Path(pytest_mlperf.__file__).parents[1]}"


def write_metadata(directory: Path, package: str, version: str) -> Path:
    """Install no more of a package than its record."""
    name = package.replace("-", "_")
    record = directory / f"{name}-{version}.dist-info" / "METADATA"
    record.parent.mkdir(parents=True)
    record.write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    return directory


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_that_is_missing(tiny: Tiny, tmp_path: Path, package: str) -> None:
    what, requirement = PACKAGES[package]
    path = without(package, tmp_path / "packages")
    # -S: the interpreter's own directory of packages is not looked at.
    session = tiny.run("--mlperf-offline", python=(sys.executable, "-S"), PYTHONPATH=path)
    tiny.refuses(session, what, f"expected: {requirement}", "found: nothing", "-m pip install", package)
    assert not tiny.output.exists()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_that_is_too_old(tiny: Tiny, tmp_path: Path, package: str) -> None:
    what, requirement = PACKAGES[package]
    old = write_metadata(tmp_path / "old", package, "1.2.3")
    session = tiny.run("--mlperf-offline", PYTHONPATH=f"{old}:{Path(pytest_mlperf.__file__).parents[1]}")
    tiny.refuses(session, what, f"expected: {requirement}", "1.2.3, in", "-m pip install", package)
    assert not tiny.output.exists()


@pytest.mark.parametrize("version", ["latest", ""])
def test_a_record_without_a_version_is_no_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.syspath_prepend(write_metadata(tmp_path, "onnxruntime", version))
    with pytest.raises(RequirementError, match="the backend needs the package onnxruntime"):
        installed_version(["onnxruntime>=1.19"], "the backend")


def test_a_later_release_candidate_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(write_metadata(tmp_path, "onnxruntime", "1.99.0rc1"))
    assert installed_version(["onnxruntime>=1.19"], "the backend") == "1.99.0rc1"


def test_any_of_a_backends_packages_serves() -> None:
    numpy = installed_version(["numpy>=1.26"], "the backend")
    assert installed_version(["no-such-package>=1", "numpy>=1.26"], "the backend") == numpy

"""LoadGen is built once by the compiler that was asked for, and runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.environments.commands import clean_environment
from pytest_mlperf.environments.compiler import Compiler
from pytest_mlperf.environments.distribution import install_headers
from pytest_mlperf.environments.loadgen import LoadGenRecipe, find_checkout
from pytest_mlperf.environments.pythons import running
from pytest_mlperf.environments.requirements import loadgen_version
from pytest_mlperf.errors import RequirementError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import RunSession

GCC = Compiler("/usr/bin/gcc", "/usr/bin/g++", "g++ 12.2.0")
gcc_is_here = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
NULL = ("--model", "null", "--backend", "null", "--scenario", "Offline", "--mode", "accuracy")


def checkout(directory: Path) -> Path:
    directory.mkdir(parents=True)
    for name in ("setup.py", "loadgen.cc"):
        (directory / name).write_text(name)
    return directory


def test_a_checkout_is_found_in_its_directory_or_the_one_above(tmp_path: Path) -> None:
    place = checkout(tmp_path / "inference" / "loadgen")
    assert find_checkout(place) == find_checkout(tmp_path / "inference")


def test_the_content_of_a_checkout_is_its_identity(tmp_path: Path) -> None:
    place = checkout(tmp_path / "one")
    first = find_checkout(place)
    assert find_checkout(checkout(tmp_path / "two")).sha256 == first.sha256
    (place / "build").mkdir()
    (place / "build" / "loadgen.o").touch()
    (place / "mlperf_loadgen.cpython-311.so").touch()
    assert find_checkout(place) == first
    (place / "loadgen.cc").write_text("changed")
    assert find_checkout(place) != first


@pytest.mark.parametrize("there", [True, False])
def test_a_directory_without_sources_is_refused(tmp_path: Path, there: bool) -> None:
    place = tmp_path / "place"
    if there:
        place.mkdir()
    with pytest.raises(RequirementError, match="has no sources of LoadGen"):
        find_checkout(place)


def test_the_key_holds_compiler_python_and_loadgen(tmp_path: Path) -> None:
    store, here = Store(tmp_path), LoadGenRecipe(running(), GCC, "6.0.17")
    others = [
        replace(here, compiler=replace(GCC, version="g++ 14.1.0")),
        replace(here, interpreter=replace(running(), version="3.99.0")),
        replace(here, release="6.0.16"),
        replace(here, checkout=find_checkout(checkout(tmp_path / "one"))),
    ]
    assert len({store.path(one) for one in (here, *others)}) == 5


def test_a_python_without_headers_is_told_before_anything_is_built(tmp_path: Path) -> None:
    (tmp_path / "python").write_text(f"#!/bin/sh\necho '{tmp_path / 'include'}'\n")
    (tmp_path / "python").chmod(0o755)
    bare = replace(running(), executable=str(tmp_path / "python"), version="3.12.1")
    with pytest.raises(RequirementError, match="LoadGen cannot be built for Python 3") as error:
        Store(tmp_path / "cache").get(LoadGenRecipe(bare, GCC, "6.0.17"))
    assert f"no Python.h in {tmp_path / 'include'}" in error.value.found
    assert f"install them: {install_headers('3.12')} (as root)" in error.value.fix


def run_null(benchmarks: RunSession, report: Path, cache: Path, *options: str) -> tuple[str, dict[str, Any]]:
    session = benchmarks(*NULL, "--mlperf-cache", str(cache), "--mlperf-json", str(report), *options)
    assert session.outcomes() == "1 passed, 1 deselected", session.output
    (result,) = json.loads(report.read_text())["results"]
    return session.output, result["versions"]


@pytest.mark.slow
@gcc_is_here
def test_gcc_builds_the_source_distribution_once(benchmarks: RunSession, tmp_path: Path) -> None:
    cache, report = tmp_path / "cache", tmp_path / "report.json"
    output, versions = run_null(benchmarks, report, cache, "--loadgen-compiler", "gcc")
    assert "making loadgen" in output
    assert versions["loadgen"] == loadgen_version()
    assert "g++" in versions["loadgen_built"]
    (library,) = cache.glob("environment/*/content/lib/python3*/site-packages/mlperf_loadgen*.so")
    number = subprocess.run(["g++", "-dumpfullversion"], capture_output=True, check=True).stdout.strip()
    assert b"GCC: (" in library.read_bytes()
    assert number in library.read_bytes()
    output, again = run_null(benchmarks, report, cache, "--loadgen-compiler", "gcc")
    assert "making" not in output
    assert again == versions


@pytest.mark.slow
@pytest.mark.thorough  # fetches some 100 MB, and builds its own C++ library before LoadGen
def test_clang_builds_it_too(
    benchmarks: RunSession, tmp_path: Path, pip_installed: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    zig = next(pip_installed("ziglang").glob("ziglang/zig"))
    (tmp_path / "bin").mkdir()
    for name, as_what in (("clang", "cc"), ("clang++", "c++")):
        (tmp_path / "bin" / name).write_text(f'#!/bin/sh\nexec "{zig}" {as_what} "$@"\n')
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(tmp_path / "zig"))
    cache = tmp_path / "cache"
    _, versions = run_null(benchmarks, tmp_path / "report.json", cache, "--loadgen-compiler", "clang")
    assert versions["loadgen_built"].startswith(f"source distribution {loadgen_version()}, clang version ")
    (library,) = cache.glob("environment/*/content/lib/python3*/site-packages/mlperf_loadgen*.so")
    assert versions["loadgen_built"].partition(", ")[2].encode() in library.read_bytes()


@pytest.mark.slow
@gcc_is_here
def test_a_checkout_is_built_and_its_directory_left_alone(benchmarks: RunSession, tmp_path: Path) -> None:
    """The source distribution is the directory loadgen of mlcommons/inference, and stands in for a checkout."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    package = f"mlcommons-loadgen=={loadgen_version()}"
    subprocess.run([*command, "--dest", str(tmp_path), package], check=True, env=clean_environment())
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    (place,) = tmp_path.glob("mlcommons_loadgen-*/")
    before = sorted(place.rglob("*"))
    _, versions = run_null(benchmarks, tmp_path / "report.json", tmp_path / "cache", "--loadgen-src", str(place))
    assert versions["loadgen_built"].startswith(f"checkout {find_checkout(place).sha256[:12]}, g++")
    assert sorted(place.rglob("*")) == before


def test_a_compiler_that_is_not_here_is_a_broken_item_with_advice(benchmarks: RunSession, tmp_path: Path) -> None:
    session = benchmarks(*NULL, "--mlperf-cache", str(tmp_path), "--loadgen-compiler", "no-such-compiler")
    assert session.outcomes() == "1 deselected, 1 error"
    assert "LoadGen cannot be built with no-such-compiler" in session.output
    assert "install one: " in session.output
    assert "Traceback" not in session.output

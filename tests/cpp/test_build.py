"""What cannot be built is said, with what the compiler said first."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.artifacts.archives import unpack
from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.cpp import build
from pytest_mlperf.cpp.libraries import onnxruntime_library
from pytest_mlperf.environments.commands import clean_environment
from pytest_mlperf.environments.compiler import Compiler, find_compiler
from pytest_mlperf.environments.loadgen import find_checkout
from pytest_mlperf.environments.requirements import loadgen_version
from pytest_mlperf.errors import OfflineError, RequirementError
from pytest_mlperf.implementations.base import Build, Provision
from pytest_mlperf.implementations.cpp import CPP

if TYPE_CHECKING:
    from pathlib import Path

GCC = Compiler("/usr/bin/gcc", "/usr/bin/g++", "g++ 12.2.0")
LIBRARY = build.LibraryRecipe(GCC, "6.0.17")
ENGINE = build.SOURCES / "onnxruntime"


def test_the_program_is_built_anew_for_other_sources_and_compilers(tmp_path: Path) -> None:
    engine = tmp_path / "engine"
    engine.mkdir()
    (engine / "engine.cc").write_text("// one\n")
    recipe = build.ProgramRecipe(GCC, LIBRARY, tmp_path, engine)
    keys = [recipe.key()]
    (engine / "engine.cc").write_text("// two\n")
    keys.append(recipe.key())
    keys.append(replace(recipe, library=replace(LIBRARY, release="6.0.16")).key())
    keys.append(replace(recipe, library=replace(LIBRARY, compiler=replace(GCC, version="g++ 14"))).key())
    assert len({str(key) for key in keys}) == 4
    assert keys[1] == replace(recipe, library_place=tmp_path / "elsewhere").key()


def test_a_failed_compilation_shows_the_first_lines(tmp_path: Path) -> None:
    compiler = tmp_path / "g++"
    lines = "".join(f"echo 'line {n}' >&2\n" for n in range(2, 40))
    compiler.write_text(f"#!/bin/sh\necho 'engine.h:7:1: error: expected unqualified-id' >&2\n{lines}exit 1\n")
    compiler.chmod(0o755)
    recipe = build.ProgramRecipe(replace(GCC, cxx=str(compiler)), LIBRARY, tmp_path, ENGINE)
    with pytest.raises(RequirementError) as error:
        Store(tmp_path / "cache").get(recipe)
    assert error.value.what == f"the program of the implementation cpp cannot be built with {compiler}"
    assert "engine.h:7:1: error: expected unqualified-id\n    line 2\n" in error.value.found
    assert "line 30" not in error.value.found
    assert "--loadgen-compiler" in error.value.fix


def test_without_the_network_the_sources_are_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(OfflineError, match=r"offline, and loadgen 6\.0\.17"):
        Store(tmp_path).get(replace(LIBRARY, offline=True))


def provision(build: Build) -> Provision:
    def unneeded(*_: object) -> object:
        raise AssertionError("asked for more before the first fault was said")

    return Provision(("a:A", "b:B"), unneeded, unneeded, unneeded, build)  # type: ignore[arg-type]


def test_no_compiler_is_said_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RequirementError) as error:
        CPP.provide(provision(Build()))
    assert error.value.what == "the program of the implementation cpp cannot be built with gcc"
    assert error.value.fix.endswith("or use --implementation python")


def test_a_directory_without_the_library_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RequirementError, match="has no ONNX Runtime"):
            CPP.provide(provision(Build(onnxruntime_dir=place)))


@pytest.mark.parametrize("place", ["libonnxruntime.so", "lib/libonnxruntime.so.1.20.0", "capi/libonnxruntime.so.1"])
def test_the_library_is_found_where_builds_and_wheels_have_it(tmp_path: Path, place: str) -> None:
    library = tmp_path / place
    library.parent.mkdir(exist_ok=True)
    library.touch()
    assert onnxruntime_library(tmp_path) == library


def test_the_installed_package_has_a_library() -> None:
    assert onnxruntime_library(None).name.startswith("libonnxruntime.so")


def test_an_environment_without_the_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_mlperf.cpp.libraries.find_spec", lambda name: None)
    with pytest.raises(RequirementError, match="needs ONNX Runtime's shared library"):
        onnxruntime_library(None)


@pytest.mark.backends
@pytest.mark.thorough
@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_a_checkout_is_built_as_the_source_distribution_is(tmp_path: Path) -> None:
    """The source distribution without what its build made stands in for a checkout."""
    release = loadgen_version()
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    package = f"mlcommons-loadgen=={release}"
    subprocess.run([*command, "--dest", str(tmp_path), package], check=True, env=clean_environment())
    (archive,) = tmp_path.glob("*.tar.gz")
    unpack(archive, tmp_path / "unpacked")
    (place,) = (file.parent for file in (tmp_path / "unpacked").rglob("loadgen.cc"))
    (place / "mlperf_conf.h").unlink()
    shutil.rmtree(place / "generated")
    checkout = find_checkout(place)
    library = replace(LIBRARY, compiler=find_compiler("gcc"), release=release, checkout=checkout)
    store = Store(tmp_path / "cache")
    recipe = build.ProgramRecipe(library.compiler, library, store.get(library).path, ENGINE)
    assert (store.get(recipe).path / build.PROGRAM).stat().st_mode & 0o111
    assert library.built.startswith(f"checkout {checkout.sha256[:12]}, ")
    assert find_checkout(place) == checkout

"""The compiler of the user's name is found with its C++ compiler, or the error says what to install."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pytest_mlperf.environments import compiler, distribution
from pytest_mlperf.environments.compiler import cxx_of, find_compiler
from pytest_mlperf.environments.distribution import install_compiler, install_headers, install_python
from pytest_mlperf.errors import RequirementError

gcc_is_here = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gcc", "g++"),
        ("gcc-12", "g++-12"),
        ("clang", "clang++"),
        ("clang-18", "clang++-18"),
        ("g++", "g++"),
        ("clang++-18", "clang++-18"),
        ("/opt/gcc-14/bin/gcc", "/opt/gcc-14/bin/g++"),
        ("x86_64-linux-gnu-gcc-12", "x86_64-linux-gnu-g++-12"),
        ("/opt/clang/bin/clang", "/opt/clang/bin/clang++"),
        ("icpx", "icpx"),
    ],
)
def test_the_cxx_compiler_is_of_the_same_family_and_place(name: str, expected: str) -> None:
    assert cxx_of(name) == expected


@gcc_is_here
def test_gcc_is_known_by_its_version() -> None:
    found = find_compiler("gcc")
    assert (Path(found.cc).name, Path(found.cxx).name) == ("gcc", "g++")
    assert any(character.isdigit() for character in found.version)
    assert found.variables()["LDSHARED"] == f"{found.cxx} -shared"


@gcc_is_here
def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    for name in ("gcc", "g++"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    assert find_compiler(str(tmp_path / "gcc")).cxx == str(tmp_path / "g++")


def write_program(path: Path, says: str) -> str:
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("name", ["clang", "clang-18", None])
def test_clang_is_found_by_its_name_and_where_gcc_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    cc_name = name or "clang"
    cc = write_program(tmp_path / cc_name, "the C compiler")
    cxx = write_program(tmp_path / cc_name.replace("clang", "clang++"), "clang version 18.1.3")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find_compiler(name)
    assert (found.cc, found.cxx, found.version) == (cc, cxx, "clang version 18.1.3")
    assert found.variables() == {"CC": cc, "CXX": cxx, "LDSHARED": f"{cxx} -shared", "LDCXXSHARED": f"{cxx} -shared"}


@pytest.mark.parametrize(("name", "package"), [("gcc", "g++"), ("clang", "clang"), (None, "g++")])
def test_a_machine_without_a_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str | None, package: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "os-release").write_text("ID=debian\n")
    monkeypatch.setattr(compiler, "install_compiler", lambda name: install_compiler(name, tmp_path / "os-release"))
    with pytest.raises(RequirementError) as error:
        find_compiler(name)
    assert error.value.what == f"LoadGen cannot be built with {name or 'gcc'}"
    assert f"apt-get install {package}" in error.value.fix
    assert "sudo" not in error.value.fix


def test_gcc_without_its_cxx_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gcc").write_text("#!/bin/sh\n")
    (tmp_path / "gcc").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RequirementError, match=r"found: g\+\+ is not on PATH"):
        find_compiler("gcc")


@pytest.mark.parametrize(
    ("os_release", "command", "python", "headers", "gcc"),
    [
        ('ID=debian\nVERSION_ID="12"\n', "apt-get install ", "python3.12", "python3.12-dev", "g++"),
        ("ID=linuxmint\nID_LIKE=ubuntu\n", "apt-get install ", "python3.12", "python3.12-dev", "g++"),
        ("ID=fedora\n", "dnf install ", "python3.12", "python3.12-devel", "gcc-c++"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf install ", "python3.12", "python3.12-devel", "gcc-c++"),
        ('ID="opensuse-leap"\nID_LIKE="suse"\n', "zypper install ", "python312", "python312-devel", "gcc-c++"),
        ("ID=arch\n", "pacman -S ", "python", "python", "gcc"),
        ("ID=alpine\n", "apk add ", "python3", "python3-dev", "g++"),
        (
            "ID=unheard-of\n",
            "",
            "uv python install 3.12",
            "install the headers of Python 3.12",
            "install gcc with its C++ compiler",
        ),
    ],
)
def test_each_distribution_has_its_command(
    tmp_path: Path, os_release: str, command: str, python: str, headers: str, gcc: str
) -> None:
    (tmp_path / "os-release").write_text(os_release)
    assert install_python("3.12.1", tmp_path / "os-release") == command + python
    assert install_headers("3.12.1", tmp_path / "os-release") == command + headers
    assert install_compiler("gcc", tmp_path / "os-release") == command + gcc


def test_a_system_without_os_release_still_gets_advice(tmp_path: Path) -> None:
    assert install_python("3.12", tmp_path / "nothing") == "uv python install 3.12"
    assert distribution.install_compiler("clang", tmp_path / "nothing") == "install clang with its C++ compiler"

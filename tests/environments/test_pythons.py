"""Interpreters are found where people have them, and where none fits the error says what to do."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.environments import pythons
from pytest_mlperf.environments.pythons import WORKER_PYTHON, Interpreter, Wanted, choose, find_interpreters, running
from pytest_mlperf.errors import RequirementError

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = st.tuples(st.just(3), st.integers(0, 20), st.integers(0, 30))
HERE = tuple(sys.version_info[:3])


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def announces(path: Path, version: str, implementation: str = "CPython") -> Path:
    """Make a program that says of itself what an interpreter of another version would."""
    numbers = ", ".join(version.split("."))
    return program(path, f"""echo '["{path}", "{version}", [{numbers}], "{implementation}"]'\n""")


@pytest.mark.parametrize(
    ("place", "variables"),
    [
        ("bin/python3.14", {"PATH": "bin"}),
        ("bin/python3", {"PATH": "nowhere:bin"}),
        (".pyenv/versions/3.14.2/bin/python", {}),
        ("elsewhere/versions/3.14.2/bin/python", {"PYENV_ROOT": "elsewhere"}),
        (".local/share/uv/python/cpython-3.14.2-linux/bin/python3", {}),
        ("data/uv/python/cpython-3.14.2-linux/bin/python3", {"XDG_DATA_HOME": "data"}),
        ("uv/cpython-3.14.2-linux/bin/python3", {"UV_PYTHON_INSTALL_DIR": "uv"}),
    ],
)
def test_an_interpreter_is_found_where_it_is(tmp_path: Path, place: str, variables: dict[str, str]) -> None:
    path = announces(tmp_path / place, "3.14.2")
    named = {
        name: os.pathsep.join(str(tmp_path / part) for part in text.split(":")) for name, text in variables.items()
    }
    environ = {"HOME": str(tmp_path), **named}
    assert find_interpreters(environ) == [running(), Interpreter(str(path), "3.14.2", (3, 14, 2))]
    assert choose(Wanted(version=(3, 14)), environ).executable == str(path)


def test_a_real_interpreter_of_the_path_is_known_by_its_real_path(tmp_path: Path) -> None:
    (tmp_path / "python3.99").symlink_to(sys.executable)
    found = pythons.probe(tmp_path / "python3.99")
    assert found is not None
    assert found.numbers == HERE


def test_what_is_no_working_cpython_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path / "python3.13", "exit 1\n")
    program(tmp_path / "python3.14", "echo not json\n")
    announces(tmp_path / "python3.15", "3.15.0", "PyPy")
    announces(tmp_path / "python3.16-config", "3.16.0")
    (tmp_path / "python3").write_text("no program")
    assert find_interpreters({"HOME": str(tmp_path), "PATH": str(tmp_path)}) == [running()]


def test_one_that_never_answers_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pythons, "PROBE_SECONDS", 0.2)
    assert pythons.probe(program(tmp_path / "python3", "exec sleep 60\n")) is None


def test_the_running_one_is_taken_where_it_fits(tmp_path: Path) -> None:
    announces(tmp_path / "python3", ".".join(map(str, HERE)))
    for wanted in (Wanted(), Wanted(version=HERE), Wanted(version=HERE[:2]), Wanted(minimum=(3, 8))):
        assert choose(wanted, {"HOME": str(tmp_path), "PATH": str(tmp_path)}) == running()


def test_the_nearest_is_the_lowest_minor_in_its_newest_patch(tmp_path: Path) -> None:
    for version in ("3.98.1", "3.97.2", "3.97.10", "3.9.18"):
        announces(tmp_path / ".pyenv" / "versions" / version / "bin" / "python", version)
    environ = {"HOME": str(tmp_path)}
    assert choose(Wanted(minimum=(3, 97)), environ).version == "3.97.10"
    assert choose(Wanted(version=(3, 97, 2)), environ).version == "3.97.2"


def test_none_that_fits_says_which_were_seen_and_what_to_install(tmp_path: Path) -> None:
    announces(tmp_path / "bin" / "python3.97", "3.97.1")
    with pytest.raises(RequirementError) as error:
        choose(Wanted(version=(3, 99)), {"HOME": str(tmp_path), "PATH": str(tmp_path / "bin")})
    assert error.value.what == "there is no Python 3.99 here"
    assert f"3.97.1 ({tmp_path / 'bin' / 'python3.97'})" in error.value.found
    assert str(running()) in error.value.found
    assert "uv python install 3.99" in error.value.fix
    assert "sudo" not in str(error.value)


def test_a_python_that_the_worker_is_too_new_for_is_refused_with_those_that_serve(tmp_path: Path) -> None:
    announces(tmp_path / "python3.9", "3.9.18")
    with pytest.raises(RequirementError) as error:
        choose(Wanted(version=(3, 9)), {"HOME": str(tmp_path), "PATH": str(tmp_path)})
    assert error.value.what == "no case can run on Python 3.9"
    assert "Python 3.10 or newer" in error.value.expected
    assert error.value.fix == f"choose one of these: {HERE[0]}.{HERE[1]}"


@given(VERSIONS, VERSIONS, st.integers(1, 3))
def test_a_version_fits_its_own_beginnings_and_every_minimum_below(
    numbers: tuple[int, int, int], minimum: tuple[int, int, int], length: int
) -> None:
    serves = numbers >= WORKER_PYTHON
    assert Wanted(version=numbers[:length]).fits(numbers) == serves
    assert Wanted(minimum=minimum).fits(numbers) == (serves and numbers >= minimum)
    if minimum[:length] != numbers[:length]:
        assert not Wanted(version=minimum[:length]).fits(numbers)


def test_a_backend_may_support_some_pythons_only(tmp_path: Path) -> None:
    announces(tmp_path / "bin" / "python3.97", "3.97.1")
    environ = {"HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}
    assert choose(Wanted(specifier=">=3.97"), environ).numbers == (3, 97, 1)
    assert choose(Wanted(specifier=">=3.10"), environ) == running()
    with pytest.raises(RequirementError, match=r"Python <3\.10"):
        choose(Wanted(specifier="<3.10"), environ)


def test_without_a_python_that_the_packages_support_one_of_theirs_is_to_be_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    announces(tmp_path / "bin" / "python3.12", "3.12.1")
    monkeypatch.setattr(pythons, "running", lambda: Interpreter(sys.executable, "3.13.0", (3, 13, 0)))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    environ = {"HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}
    with pytest.raises(RequirementError) as caught:
        choose(Wanted(specifier=">=3.10,<3.12"), environ)
    assert caught.value.what == "there is no Python >=3.10,<3.12 here"
    assert "3.12.1" in caught.value.found
    assert "3.13.0" in caught.value.found
    assert caught.value.fix.endswith("uv python install 3.11")


def test_a_python_that_the_packages_do_not_support_is_not_to_be_installed(tmp_path: Path) -> None:
    announces(tmp_path / "bin" / "python3.12", "3.12.1")
    environ = {"HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}
    with pytest.raises(RequirementError) as caught:
        choose(Wanted(version=(3, 12), specifier=">=3.10,<3.12"), environ)
    assert caught.value.what == "no case can run on Python 3.12"
    assert "--python-version" in caught.value.fix
    assert "install" not in caught.value.fix

"""An environment of the cache is there whole or not at all, works where it is, and shows nothing of the session's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from pytest_mlperf.artifacts.sources import Network
from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.environments.installed import Python
from pytest_mlperf.environments.provide import Needs, from_store, provide
from pytest_mlperf.environments.pythons import Wanted, running
from pytest_mlperf.environments.sources import link_sources
from pytest_mlperf.environments.venv import VenvRecipe, executable, version_in
from pytest_mlperf.errors import OfflineError, RequirementError
from tests.artifacts.recipes import verify
from tests.sandbox import command_line, wait_until

SOURCE = Path(__file__).parents[2] / "src"


def write_wheel(directory: Path, name: str, module: str) -> str:
    """Write a package of one module and one script, for pip to install without a network."""
    record = f"{name}-1.5.dist-info"
    path = directory / f"{name}-1.5-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", module)
        wheel.writestr(f"{record}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
        wheel.writestr(f"{record}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{record}/entry_points.txt", f"[console_scripts]\n{name}-tool = {name}:main\n")
        wheel.writestr(f"{record}/RECORD", "".join(f"{file},,\n" for file in wheel.namelist()))
    return str(path)


def recipe(directory: Path, module: str = "ANSWER = 42\n") -> VenvRecipe:
    return VenvRecipe(running(), "lab", (), (write_wheel(directory, "answer", module),), ("answer 1.5",))


def says(python: Path, code: str, **variables: str) -> str:
    command = [str(python), "-c", code]
    environ = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **variables}
    return subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, VenvRecipe]:
    directory = tmp_path_factory.mktemp("made")
    store, lab = Store(directory / "cache"), recipe(directory)
    store.get(lab)
    return store, lab


def test_an_environment_works_after_it_was_renamed(made: tuple[Store, VenvRecipe]) -> None:
    artifact = made[0].find(made[1])
    assert artifact is not None
    python = executable(artifact.path)
    assert says(python, "import answer, sys; print(answer.ANSWER, sys.prefix)") == f"42 {artifact.path}"
    assert version_in(artifact.path, "answer") == "1.5"
    assert version_in(artifact.path, "numpy") is None
    verify(artifact)


def test_it_has_no_script_that_knows_a_path(made: tuple[Store, VenvRecipe]) -> None:
    names = {path.name for path in (made[0].path(made[1]) / "bin").iterdir()}
    assert names == {"python", "python3", f"python3.{sys.version_info[1]}"}


def test_it_shows_nothing_of_the_sessions_packages(made: tuple[Store, VenvRecipe], tmp_path: Path) -> None:
    sources = link_sources(("pytest_mlperf.benchmarks.retinanet:TINY",), tmp_path)
    code = "import importlib.util as u; print([bool(u.find_spec(n)) for n in ('pytest_mlperf', 'pytest', 'numpy')])"
    found = says(executable(made[0].path(made[1])), code, PYTHONPATH=str(sources))
    assert found == "[True, False, False]"


def test_a_package_that_cannot_be_imported_leaves_no_environment(tmp_path: Path) -> None:
    store, broken = Store(tmp_path / "cache"), recipe(tmp_path, "import no_such_library\n")
    with pytest.raises(RequirementError) as error:
        store.get(broken)
    assert "answer cannot be imported" in error.value.found
    assert "No module named 'no_such_library'" in error.value.found
    assert store.find(broken) is None
    assert list((tmp_path / "cache" / "environment").iterdir()) == []


def test_a_package_that_pip_cannot_have_is_told_in_pips_words(tmp_path: Path) -> None:
    store, lab = Store(tmp_path / "cache"), replace(recipe(tmp_path), wheels=(str(tmp_path / "gone-1.5.whl"),))
    with pytest.raises(RequirementError, match="pip cannot install") as error:
        store.get(lab)
    assert "gone-1.5.whl" in error.value.found


def test_an_interpreter_without_venv_is_told(tmp_path: Path) -> None:
    (tmp_path / "python").write_text("#!/bin/sh\necho No module named venv\nexit 1\n")
    (tmp_path / "python").chmod(0o755)
    lab = replace(recipe(tmp_path), interpreter=replace(running(), executable=str(tmp_path / "python")))
    with pytest.raises(RequirementError, match="cannot make a virtual environment") as error:
        Store(tmp_path / "cache").get(lab)
    assert "No module named venv" in error.value.found


def commands_with(text: str) -> list[list[str]]:
    """Return the command lines on this machine that have a text."""
    lines = [command_line(process) for process in psutil.process_iter()]
    return [line for line in lines if text in " ".join(line)]


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.1, 0.4, 0.8, 1.2])
def test_a_kill_while_it_is_made_leaves_nothing_that_is_used(tmp_path: Path, seconds: float) -> None:
    wheel = write_wheel(tmp_path, "answer", "ANSWER = 42\n")
    code = (
        "from pathlib import Path; from pytest_mlperf.artifacts.store import Store; "
        "from pytest_mlperf.environments.venv import VenvRecipe; "
        "from pytest_mlperf.environments.pythons import running; "
        f"Store(Path({str(tmp_path / 'cache')!r}))"
        f".get(VenvRecipe(running(), 'lab', (), ({wheel!r},), ('answer 1.5',)))"
    )
    child = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(SOURCE)})
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    child.wait()
    wait_until(lambda: not commands_with(str(tmp_path)), "the end of what it had started")
    store, lab = Store(tmp_path / "cache"), recipe(tmp_path)
    before = store.find(lab)
    assert before is None or says(executable(before.path), "import answer") == ""
    artifact = store.get(lab)
    verify(artifact)
    assert says(executable(artifact.path), "import answer; print(answer.ANSWER)") == "42"
    assert [path.name for path in artifact.path.parents[1].iterdir()] == [artifact.path.parent.name]


def test_other_pythons_packages_and_names_are_other_entries(tmp_path: Path) -> None:
    store, lab = Store(tmp_path), recipe(tmp_path)
    other = replace(running(), version="3.99.0")
    recipes = [
        lab,
        replace(lab, label="other"),
        replace(lab, interpreter=other),
        replace(lab, requirements=("numpy",)),
        replace(lab, wheel_keys=("answer 1.6",)),
    ]
    assert len({store.path(one) for one in recipes}) == len(recipes)


def never(recipe: object) -> Path:
    raise AssertionError(recipe)


def test_nothing_is_installed_unasked(tmp_path: Path) -> None:
    needs = Needs("tf", "cpu", ("no-such-package>=1",), Wanted())
    with pytest.raises(RequirementError, match="be made in the cache: --backend tf") as error:
        provide(needs, from_store(Store(tmp_path), never, install=needs.may_install))
    assert error.value.what == "the backend tf needs the package no-such-package"
    serves = replace(needs, requirements=("numpy>=1.26",), wanted=Wanted(minimum=(3, 8)))
    assert provide(serves, never) == Python(sys.executable, running().version)


def test_an_environment_that_is_in_the_cache_is_used_unasked(made: tuple[Store, VenvRecipe]) -> None:
    def get(recipe: object) -> Path:
        assert isinstance(recipe, VenvRecipe)
        assert recipe.label == "answer"
        return made[0].path(made[1])

    python = provide(Needs("tf", "cpu", ("answer>=1",), Wanted()), get)
    assert (python.executable, python.foreign) == (str(executable(made[0].path(made[1]))), True)


def test_what_cannot_be_installed_is_told_with_the_reason_why_it_was_wanted(tmp_path: Path) -> None:
    def obtain(recipe: object) -> Path:
        raise RequirementError("pip cannot install no-such-package", found="no network", fix="check it")

    needs = Needs("tf", "cpu", ("no-such-package>=1",), Wanted(), install=True)
    with pytest.raises(RequirementError, match="pip cannot install no-such-package") as error:
        provide(needs, from_store(Store(tmp_path), obtain, install=needs.may_install))
    assert "needed because the backend tf needs the package no-such-package" in error.value.found
    offline = from_store(Store(tmp_path, network=Network(offline=True)), never, install=True)
    with pytest.raises(RequirementError, match="leave out --mlperf-offline once") as error:
        provide(needs, offline)
    assert "-m pip install 'no-such-package>=1'" in error.value.fix


def test_a_named_environment_is_used_though_the_sessions_own_would_serve(made: tuple[Store, VenvRecipe]) -> None:
    asked: list[object] = []

    def get(recipe: object) -> Path:
        asked.append(recipe)
        return made[0].path(made[1])

    python = provide(Needs("null", "cpu", ("numpy>=1.26",), Wanted(), venv="lab"), get)
    assert (python.executable, python.foreign) == (str(executable(made[0].path(made[1]))), True)
    (recipe,) = asked
    assert isinstance(recipe, VenvRecipe)
    assert (recipe.label, recipe.interpreter) == ("lab", running())
    assert "numpy>=1.26" in recipe.requirements


def test_offline_names_the_environment_that_is_not_there(made: tuple[Store, VenvRecipe], tmp_path: Path) -> None:
    store, lab = made
    offline = Network(offline=True)
    assert from_store(replace(store, network=offline), never, install=True)(lab) == store.path(lab)
    with pytest.raises(OfflineError, match="lab python"):
        from_store(Store(tmp_path, network=offline), never, install=True)(lab)

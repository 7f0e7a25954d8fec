"""Whole sessions whose cases run on another Python than pytest's."""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.environments.pythons import WORKER_PYTHON, Interpreter, find_interpreters

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import RunSession

#: mlcommons-loadgen has no wheel for later ones.
LAST_WITH_WHEELS = (3, 13)


@pytest.fixture(scope="module")
def another() -> Interpreter:
    """An interpreter of another minor version."""
    here = sys.version_info[:2]
    found = find_interpreters(os.environ)
    fits = [one for one in found if WORKER_PYTHON <= one.numbers[:2] <= LAST_WITH_WHEELS and one.numbers[:2] != here]
    if not fits:
        pytest.skip(f"no other Python from 3.10 to 3.13 here, only {', '.join(map(str, found))}")
    return max(fits, key=lambda one: one.numbers)


def versions(report: Path) -> list[dict[str, Any]]:
    return [result["versions"] for result in json.loads(report.read_text())["results"]]


@pytest.mark.slow
def test_a_case_runs_on_another_python_without_this_package_installed(
    benchmarks: RunSession, tmp_path: Path, another: Interpreter
) -> None:
    options = ("--model", "null", "--backend", "null", "--scenario", "Offline", "--mode", "accuracy")
    where = ("--mlperf-cache", str(tmp_path / "cache"), "--mlperf-json", str(tmp_path / "report.json"))
    wanted = ("--python-version", another.version)
    session = benchmarks(*options, *where, *wanted)
    assert session.outcomes() == "1 passed, 1 deselected", session.output
    assert f"making numpy python{another.version}" in session.output
    (found,) = versions(tmp_path / "report.json")
    assert (found["python"], found["loadgen"]) == (another.version, "6.0.17")
    assert not list((tmp_path / "cache").glob("environment/*/content/lib/python3*/site-packages/*pytest*"))
    session = benchmarks(*options, *where, *wanted)
    assert session.outcomes() == "1 passed, 1 deselected", session.output
    assert "making" not in session.output


@pytest.mark.slow
def test_the_tiny_edition_runs_on_another_python(benchmarks: RunSession, tmp_path: Path, another: Interpreter) -> None:
    options = ("--model", "retinanet-tiny", "--backend", "onnxruntime", "--scenario", "Offline")
    where = ("--mlperf-cache", str(tmp_path / "cache"), "--mlperf-json", str(tmp_path / "report.json"))
    session = benchmarks(*options, *where, "--python-version", another.version)
    assert session.outcomes() == "2 passed", session.output
    for found in versions(tmp_path / "report.json"):
        assert (found["python"], found["numpy"]) == (another.version, "2.2.6")


@pytest.mark.slow
def test_a_python_that_is_not_here_is_a_broken_item_with_advice(benchmarks: RunSession, tmp_path: Path) -> None:
    options = ("--model", "null", "--backend", "null", "--scenario", "Offline", "--mlperf-cache", str(tmp_path))
    session = benchmarks(*options, "--python-version", "3.99")
    assert session.outcomes() == "2 errors"
    assert "there is no Python 3.99 here" in session.output
    assert "install one: " in session.output
    assert "Traceback" not in session.output


NEEDS_SIX = ("--model=null", "--backend=needssix", "--scenario=Offline", "--mode=accuracy", "--dataset-size=8")


#: As nobody selects them: by a part of their names, which is no wish for a backend.
UNNAMED = ("--scenario=Offline", "--mode=accuracy", "--dataset-size=8", "-rs")


def test_a_backend_that_is_not_installed_is_an_error_offline(benchmarks: RunSession, tmp_path: Path) -> None:
    session = benchmarks(*NEEDS_SIX, f"--mlperf-cache={tmp_path / 'cache'}", "--mlperf-offline")
    assert session.outcomes().endswith("1 error"), session.output
    assert "the backend needssix needs the package six" in session.output
    assert "or let an environment be made in the cache: leave out --mlperf-offline once" in session.output
    assert "Traceback" not in session.output


@pytest.mark.slow
def test_a_backend_that_nobody_named_is_skipped_with_the_words_that_get_it(
    benchmarks: RunSession, tmp_path: Path
) -> None:
    cache = f"--mlperf-cache={tmp_path / 'cache'}"
    session = benchmarks(*UNNAMED, cache, "-k", "null-needssix or null-null")
    assert session.outcomes().startswith("1 passed, 1 skipped"), session.output
    assert "the backend needssix needs the package six" in session.output
    assert "or let an environment be made in the cache: --backend needssix" in session.output
    assert not list((tmp_path / "cache").glob("environment/*"))


def test_a_session_in_which_no_backend_is_installed_is_not_green(benchmarks: RunSession, tmp_path: Path) -> None:
    session = benchmarks(*UNNAMED, f"--mlperf-cache={tmp_path / 'cache'}", "-k", "null-needssix")
    assert session.outcomes().endswith("1 error"), session.output
    assert "or let an environment be made in the cache: --backend needssix" in session.output


@pytest.mark.slow
def test_a_backend_that_the_user_named_gets_an_environment_that_later_sessions_have(
    benchmarks: RunSession, tmp_path: Path
) -> None:
    cache = f"--mlperf-cache={tmp_path / 'cache'}"
    session = benchmarks(*NEEDS_SIX, cache)
    assert session.outcomes().startswith("1 passed"), session.output
    assert "making six python" in session.output
    offline = benchmarks(*NEEDS_SIX, cache, "--mlperf-offline")
    assert offline.outcomes().startswith("1 passed"), offline.output
    unnamed = benchmarks(*UNNAMED, cache, "-k", "null-needssix")
    assert unnamed.outcomes().startswith("1 passed"), unnamed.output


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info >= (3, 13), reason="numpy below 2 has no wheel for this Python")
def test_backends_whose_requirements_conflict_run_side_by_side_in_one_session(
    benchmarks: RunSession, tmp_path: Path
) -> None:
    session = benchmarks(
        *("--model=null,retinanet-tiny", "--backend=oldnumpy,onnxruntime", "--scenario=Offline", "--mode=accuracy"),
        *("--dataset-size=8", f"--mlperf-cache={tmp_path / 'cache'}", f"--mlperf-json={tmp_path / 'report.json'}"),
    )
    assert session.outcomes().startswith("2 passed"), session.output
    results = json.loads((tmp_path / "report.json").read_text())["results"]
    found = {result["case"]: result["versions"]["numpy"] for result in results}
    assert found.pop("retinanet-tiny-onnxruntime-cpu-Offline") == version("numpy")
    assert int(version("numpy").partition(".")[0]) >= 2
    [(case, older)] = found.items()
    assert (case, older.partition(".")[0]) == ("null-oldnumpy-cpu-Offline", "1")


@pytest.mark.slow
def test_uv_makes_the_environment_where_it_is_installed(
    benchmarks: RunSession, tmp_path: Path, pip_installed: Callable[[str], Path]
) -> None:
    path = os.pathsep.join([str(pip_installed("uv") / "bin"), os.environ["PATH"]])
    options = ("--model=null", "--backend=null", "--scenario=Offline", "--mode=accuracy", "--mlperf-venv=lab")
    session = benchmarks(*options, f"--mlperf-cache={tmp_path / 'cache'}", PATH=path)
    assert session.outcomes().startswith("1 passed"), session.output
    packages = (tmp_path / "cache").glob("environment/lab*/content/lib/python3*/site-packages/*.dist-info")
    installers = {package.name.partition("-")[0]: (package / "INSTALLER").read_text() for package in packages}
    assert installers == dict.fromkeys(["mlcommons_loadgen", "msgspec", "numpy", "pillow"], "uv")

"""A project that never asked for the plugin: its options and its fixtures are its own; benchmarks run beside them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.plugin import SHORT_FORMS
from pytest_mlperf.plugin.flags import in_long_form
from tests.conftest import REPOSITORY, run_benchmarks

if TYPE_CHECKING:
    from pathlib import Path

#: What a test-suite of models has in its conftest.py, or in a plugin of its own.
OPTIONS = """
def pytest_addoption(parser):
    parser.addoption("--device", default="theirs", choices=["theirs", "tpu"])
    group = parser.getgroup("models")
    group.addoption("--model", action="append", help="their models")
    group.addoption("--mode", action="store_true")
    group.addoption("--scenario", nargs=2)
    group.addoption("--backend", nargs="?", const="alone")
    parser.addoption("--round", type=int, default=3)
    parser.addoption("--short", action="store_false", dest="long_way")
    parser.addoption("--precision", "--exactness", type=float)
    parser.addini("device", "theirs", default="theirs")
"""
SAY = """
import json, os
def test_it(request):
    names = ("device", "model", "mode", "scenario", "backend", "round", "long_way", "exactness")
    option = request.config.getoption
    said = {name: option(name, None) for name in names} | {"by flag": option("--round")}
    with open(os.environ["SAID"], "w") as file:
        json.dump(said, file)
"""
GIVEN = ["--device", "tpu", "--model", "a", "--model=b", "--mode", "test_it.py"]
GIVEN += ["--scenario", "x", "y", "--backend", "--round", "7", "--short"]
THEIRS = {"device": "tpu", "model": ["a", "b"], "mode": True, "scenario": ["x", "y"], "backend": "alone", "round": 7}
THEIRS |= {"long_way": False, "by flag": 7}


@pytest.fixture
def said(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a session of the project; return what its test saw of the options."""
    pytester.makepyfile(test_it=SAY)
    monkeypatch.setenv("SAID", str(pytester.path / "said"))

    def said(*args: str, subprocess: bool = False) -> dict[str, Any]:
        run = pytester.runpytest_subprocess if subprocess else pytester.runpytest_inprocess
        result = run("-p", "no:cacheprovider", *args)
        assert result.ret == 0, result.stdout.str() + result.stderr.str()
        assert "mlperf:" not in result.stdout.str()
        options: dict[str, Any] = json.loads((pytester.path / "said").read_text())
        return {name: value for name, value in options.items() if name in THEIRS}

    return said


def test_options_of_a_projects_conftest_are_the_projects(pytester: pytest.Pytester, said: Any) -> None:
    pytester.makeconftest(OPTIONS)
    assert said(*GIVEN) == THEIRS
    unset = said()
    assert (unset["device"], unset["round"], unset["model"], unset["by flag"]) == ("theirs", 3, None, 3)


def test_they_are_the_projects_in_every_worker(pytester: pytest.Pytester, said: Any) -> None:
    pytester.makeconftest(OPTIONS)
    assert said("-n2", *GIVEN, subprocess=True) == THEIRS


def test_they_may_be_given_in_addopts_and_in_the_environment(
    pytester: pytest.Pytester, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeconftest(OPTIONS)
    pytester.makeini("[pytest]\naddopts = --device tpu --model a --round=7\n")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--short --backend --scenario x y")
    assert said("--model", "b", "--mode", "test_it.py") == THEIRS


@pytest.mark.parametrize("place", ["testpaths", "argument", "plugin before", "plugin after", "read late"])
def test_it_does_not_matter_where_they_are_defined(pytester: pytest.Pytester, said: Any, place: str) -> None:
    if place.startswith("plugin"):
        info = pytester.mkdir("theirs-1.0.dist-info")
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[pytest11]\ntheirs = theirs\n")
        pytester.makepyfile(theirs=OPTIONS)
        pytester.syspathinsert()
        assert said(*(("-p", "theirs") if place == "plugin before" else ()), *GIVEN) == THEIRS
        return
    checks = pytester.mkdir("checks")
    (checks / "conftest.py").write_text(OPTIONS)
    (pytester.path / "test_it.py").rename(checks / "test_it.py")
    if place == "testpaths":
        pytester.makeini("[pytest]\ntestpaths = checks\n")
        assert said("--device", "tpu", "--round", "7")["device"] == "tpu"
    elif place == "argument":
        assert said("checks/test_it.py", *(arg for arg in GIVEN if arg != "test_it.py")) == THEIRS
    else:
        assert said()["device"] == "theirs"


def test_a_short_form_that_is_free_is_ours_beside_those_of_the_project(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_addoption(parser): parser.addoption('--device', default='theirs')")
    config = pytester.parseconfigure("--device=tpu", "--scenario", "Server", "--mlperf-device", "cuda")
    assert config.getoption("--device") == config.getoption("device") == "tpu"
    assert (config.getoption("mlperf_device"), config.getoption("mlperf_scenario")) == (["cuda"], ["Server"])


@pytest.mark.skipif(pytest.version_tuple < (8, 2), reason="pytest has no argument files")
def test_short_forms_come_from_an_argument_file_too(pytester: pytest.Pytester) -> None:
    (pytester.path / "given").write_text("--scenario=Server\n--short\n")
    config = pytester.parseconfig("@given", "--mode", "accuracy")
    assert config.getoption("mlperf_scenario") == ["Server"]
    assert (config.getoption("mlperf_run_length"), config.getoption("mlperf_mode")) == ("short", ["accuracy"])


def test_what_stands_behind_two_dashes_is_no_option() -> None:
    assert in_long_form(["--short", "a", "--", "--short"], taken=()) == ["--mlperf-short", "a", "--", "--short"]


def test_messages_name_the_flags_that_work_in_the_session(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    free = pytester.runpytest("--scenario=Ofline")
    free.stderr.fnmatch_lines(["ERROR: --scenario: there is no 'Ofline'"])
    pytester.makeconftest(
        "def pytest_addoption(parser):\n    for name in ('scenario', 'model'): parser.addoption('--' + name)"
    )
    taken = pytester.runpytest("--mlperf-scenario=Ofline")
    taken.stderr.fnmatch_lines(["ERROR: --mlperf-scenario: there is no 'Ofline'"])
    header = pytester.runpytest("--mlperf-model=retinanet-tiny", "--mode=accuracy", "--model=theirs")
    header.stdout.fnmatch_lines(["mlperf: --mlperf-model retinanet-tiny (command line)", "mlperf: --mode accuracy *"])
    paths = pytester.runpytest("--mlperf-model-path=nothing=x")
    paths.stderr.fnmatch_lines(["ERROR: --model-path: there is no 'nothing'"])


def test_the_help_shows_both_forms_on_one_line_and_only_what_works(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    pytester.makeconftest("def pytest_addoption(parser): parser.addoption('--device', help='that of the project')")
    text = pytester.runpytest("--help").stdout.str()
    lines = [line for line in text.splitlines() if line.startswith("  --")]
    assert len([line for line in lines if "--device" in line]) == 1
    for short, long in SHORT_FORMS.items():
        [line] = [line for line in lines if f"{long}=" in line or f"{long} " in line or line.endswith(long)]
        assert line.startswith(f"  {short}") == (short != "--device"), line
    assert "that of the project" in text


#: A conftest.py with the names that the plugin has, too.
FIXTURES = """
import pytest

def pytest_generate_tests(metafunc):
    if "dataset" in metafunc.fixturenames:
        metafunc.parametrize("dataset", ["one", "two"])

@pytest.fixture(params=["small", "large"])
def model(request):
    return request.param

@pytest.fixture
def python():
    return "their interpreter"

@pytest.fixture(scope="module")
def loadgen(request):
    return "their load"
"""


def test_a_projects_fixtures_are_its_own_and_benchmarks_run_beside_them(tmp_path: Path, shared_cache: Path) -> None:
    (tmp_path / "conftest.py").write_text(FIXTURES)
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "def test_model(model): assert model in ('small', 'large')\n"
        "def test_dataset(dataset): assert dataset in ('one', 'two')\n"
        "def test_others(python, loadgen): assert (python, loadgen) == ('their interpreter', 'their load')\n"
        "@pytest.mark.mlperf('null', scenario='Offline', backend='null')\n"
        "def test_case(mlperf, mlperf_model, mlperf_dataset, model):\n"
        "    assert mlperf_dataset.is_dir() and mlperf_model.sha256 and model in ('small', 'large')\n"
        "    mlperf.require(mlperf.run())\n"
    )
    (tmp_path / "test_mlperf.py").write_text((REPOSITORY / "benchmarks" / "test_mlperf.py").read_text())
    options = ("--model=null", "--backend=null", "--scenario=Offline", "--mode=accuracy", "--dataset-size=20")
    session = run_benchmarks(*options, f"--mlperf-cache={shared_cache}", path=tmp_path, directory=tmp_path)
    assert session.outcomes() == "8 passed, 1 deselected", session.output


def test_a_parameter_with_the_name_of_a_fixture_is_no_fixture_of_ours(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "def pytest_generate_tests(metafunc):\n"
        "    for name in {'model', 'python'} & set(metafunc.fixturenames):\n"
        "        metafunc.parametrize(name, [1, 2])\n"
    )
    pytester.makepyfile(
        "def test_it(model): assert model in (1, 2)\ndef test_both(model, python): assert model * python"
    )
    pytester.runpytest().assert_outcomes(passed=6)


def test_no_attribute_of_a_modules_objects_is_read(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "from unittest.mock import call\n"
        "class Proxy:\n"
        "    def __getattribute__(self, name): raise RuntimeError('outside of the application')\n"
        "current_app = Proxy()\n"
        "def test_it(): pass\n"
    )
    pytester.runpytest().assert_outcomes(passed=1)

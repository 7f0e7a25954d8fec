"""A user's own model, function or backend in a test of a few lines, and the hooks."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.shipped import shipped
from tests.conftest import run_benchmarks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Session

QUICK = ("--dataset-size=40", "--test-query-count=200")
SLOW = pytest.mark.slow
IMPORTS = "import pytest\nimport numpy as np\n\n\n"
FUNCTIONS = """
def predict(inputs):
    return inputs["x"]


def named(inputs):
    return {"y": inputs["x"].astype("float64"), "more": None}


class Models:
    @staticmethod
    def listed(inputs):
        return [inputs["x"].tolist()]


def wrong(inputs):
    return inputs["x"] + 1


def nothing(inputs):
    return None


def not_a_number(inputs):
    return np.full_like(inputs["x"], np.nan)


def crooked(inputs):
    return inputs["x"].reshape(-1)


def no_more(inputs):
    raise RuntimeError("the licence has ended")


not_callable = "predict"
"""


@pytest.fixture
def session(tmp_path: Path, shared_cache: Path) -> Callable[..., Session]:
    """Run a test file of a user's own project."""

    def run(code: str, *options: str, **files: str) -> Session:
        (tmp_path / "test_mine.py").write_text(IMPORTS + code)
        for name, content in files.items():
            (tmp_path / f"{name}.py").write_text(content)
        ours = (f"--mlperf-cache={shared_cache}", f"--mlperf-json={tmp_path / 'results.json'}")
        return run_benchmarks(*ours, *QUICK, *options, directory=tmp_path, path="test_mine.py")

    return run


def results(tmp_path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((tmp_path / "results.json").read_text())["results"]
    return found


OWN_MODEL = """
@pytest.mark.mlperf("bert-99-tiny", scenario=["Offline", "SingleStream"])
def test_my_quantised_model(mlperf):
    assert mlperf.run(model="models/mine-int8.onnx").accuracy.value >= SHARE * mlperf.reference
"""


def test_a_model_of_ones_own_is_held_against_the_reference_in_three_lines(
    session: Callable[..., Session], tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    shutil.copy(shipped("bert-tiny-int8.onnx"), tmp_path / "models" / "mine-int8.onnx")
    found = session(OWN_MODEL.replace("SHARE", "0.97"), "--backend=onnxruntime")
    assert found.outcomes() == "2 passed", found.output
    for result in results(tmp_path):
        assert result["case"].startswith("bert-99-tiny-onnxruntime-lengths-mine-int8-cpu-")
        assert "int8" in result["weight_types"]
        assert result["label"] == "mine-int8"
        assert any("mine-int8" in note and "which the test gave" in note for note in result["notes"])


@SLOW
def test_a_model_that_is_below_its_bound_or_missing_fails(session: Callable[..., Session], tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    shutil.copy(shipped("bert-tiny-int8.onnx"), tmp_path / "models" / "mine-int8.onnx")
    found = session(OWN_MODEL.replace("SHARE", "1.5"), "--backend=onnxruntime", "--scenario=Offline")
    assert found.outcomes() == "1 failed", found.output
    found = session(OWN_MODEL.replace("mine-int8", "none"), "--backend=onnxruntime", "--scenario=Offline")
    assert "models/none.onnx is not a file" in found.output
    assert "Traceback" not in found.output


@pytest.mark.parametrize(
    "function", ["named", *(pytest.param(name, marks=SLOW) for name in ("predict", "Models.listed"))]
)
def test_any_function_is_a_backend_by_its_name(session: Callable[..., Session], tmp_path: Path, function: str) -> None:
    code = "@pytest.mark.mlperf('null', scenario='Offline')\ndef test_it(mlperf):\n    mlperf.require(mlperf.run())\n"
    found = session(code, f"--backend=mine:{function}", mine=IMPORTS + FUNCTIONS)
    assert found.outcomes() == "1 passed", found.output
    [result] = results(tmp_path)
    assert (result["backend"], result["verdict"]) == (f"mine.{function}", "reached")
    assert result["model"] == f"mine:{function}"
    assert result["accuracy"]["value"] == 100


IN_A_TEST = """
from mine import *


@pytest.mark.mlperf("null", backend="null", scenario="Offline")
def test_it(mlperf):
    result = mlperf.run(backend=FUNCTION)
    assert result.accuracy.value == 100
"""


@pytest.mark.parametrize(
    "function", ["predict", *(pytest.param(name, marks=SLOW) for name in ("Models.listed", "'mine:predict'", "'null'"))]
)
def test_a_test_gives_its_function(session: Callable[..., Session], function: str) -> None:
    found = session(IN_A_TEST.replace("FUNCTION", function), mine=IMPORTS + FUNCTIONS)
    assert found.outcomes() == "1 passed", found.output


@SLOW
def test_a_function_of_the_tests_own_module_is_found(session: Callable[..., Session]) -> None:
    code = FUNCTIONS + IN_A_TEST.replace("from mine import *", "").replace("FUNCTION", "predict")
    for options in ((), ("-n2",)):
        found = session(code, *options)
        assert found.outcomes() == "1 passed", found.output


@pytest.mark.parametrize(
    ("function", "says"),
    [
        ("lambda inputs: inputs['x']", "the run is another process, which cannot import it"),
        ("(lambda: [f for f in [lambda inputs: 0]])()[0]", "found: a lambda"),
        ("3", "found: 3"),
        ("'mine:missing'", "mine:missing cannot be used as a backend"),
        ("'nowhere:predict'", "No module named 'nowhere'"),
        ("'mine:not_callable'", "is neither a function nor a class of backends"),
        ("'nul'", "did you mean 'null'?"),
        ("'onnxruntime'", "null does not run on onnxruntime in Offline on cpu"),
        ("nothing", "mine:nothing does not return the outputs of the benchmark's model"),
        ("not_a_number", "mine.not_a_number computes no valid output: y for sample 0"),
        ("crooked", "expected: the shape (n, 1); found: ("),
        ("no_more", "the run failed: RuntimeError: the licence has ended"),
        ("predict, model='x.onnx'", "the function mine.predict takes no model"),
    ],
)
@SLOW
def test_a_function_that_cannot_be_run_is_refused_with_a_reason(
    session: Callable[..., Session], function: str, says: str
) -> None:
    found = session(IN_A_TEST.replace("FUNCTION", function), mine=IMPORTS + FUNCTIONS)
    assert found.outcomes() == "1 failed", found.output
    assert says in found.output
    assert "Traceback" not in found.output


@SLOW
def test_an_option_that_names_no_function_is_a_usage_error(session: Callable[..., Session]) -> None:
    for reference, says in (
        ("mine:missing", "mine:missing cannot be used"),
        ("nowhere:f", "No module named 'nowhere'"),
    ):
        found = session("def test_it(mlperf): pass\n", f"--backend={reference}", mine=FUNCTIONS)
        assert found.code == pytest.ExitCode.USAGE_ERROR, found.output
        assert says in found.output
        assert "Traceback" not in found.output


MARKED = """
@pytest.mark.mlperf("bert-99-tiny", backend="right", implementation="python", scenario="Offline")
def test_it(mlperf):
    assert mlperf.run().backend == "right"


@pytest.mark.mlperf("null", backend="mine:predict", scenario="Offline")
def test_function(mlperf):
    mlperf.require(mlperf.run())
"""


def test_a_mark_names_backends_that_no_option_selects(session: Callable[..., Session]) -> None:
    found = session(MARKED, mine=FUNCTIONS)
    assert found.outcomes() == "2 passed", found.output
    found = session(MARKED, "--backend=null", mine=FUNCTIONS)
    assert found.outcomes() == "2 skipped", found.output


HOOKS = """
import pathlib
from msgspec import structs


def pytest_mlperf_configure_run(item, case, options):
    if "other" in item.name:
        return structs.replace(options, num_threads=3)
    if "bad" in item.name:
        return {"num_threads": 3}


def pytest_mlperf_result(item, case, result):
    with pathlib.Path("seen").open("a") as seen:
        seen.write(f"{case.id} {result.verdict}\\n")
"""
HOOKED = """
@pytest.mark.mlperf("null", backend=["null"], scenario="Offline")
def test_other(mlperf):
    assert mlperf.run().layout.streams == 3


@pytest.mark.mlperf("null", backend=["null", "raises"], scenario="Offline")
def test_same(mlperf):
    assert mlperf.run().layout.streams == 2


@pytest.mark.mlperf("null", backend=["null"], scenario="Offline")
def test_bad(mlperf):
    mlperf.run()
"""


def test_hooks_change_a_runs_options_and_see_its_result(session: Callable[..., Session], tmp_path: Path) -> None:
    found = session(HOOKED, "--num-threads=2", conftest=HOOKS)
    assert found.outcomes() == "2 failed, 2 passed", found.output
    assert "pytest_mlperf_configure_run returned no options" in found.output
    seen = (tmp_path / "seen").read_text().splitlines()
    assert sorted(seen) == ["null-null-cpu-Offline reached"] * 2 + ["null-raises-cpu-Offline failed"]


@SLOW
def test_a_hook_that_does_not_exist_is_told_by_pytest(session: Callable[..., Session]) -> None:
    found = session(HOOKED, conftest="def pytest_mlperf_configure_runs(case): pass\n")
    assert "unknown hook 'pytest_mlperf_configure_runs'" in found.output

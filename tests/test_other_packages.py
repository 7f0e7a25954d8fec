"""Benchmarks and backends of other packages: what cannot be loaded costs its own cases; paths go where they belong."""

from __future__ import annotations

import json
import os
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.conftest import SUPPORT, run_benchmarks
from tests.test_retinanet_tiny_model import MODEL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import RunSession

QUICK = ("--scenario=Offline", "--mode=accuracy", "--dataset-size=20")


def package(directory: Path, code: str, *, benchmark: str = "", backend: str = "") -> Path:
    """Install a package: a module, and the metadata that names its entry points."""
    directory.mkdir()
    (directory / "visitor.py").write_text(code)
    info = directory / "visitor-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: visitor\nVersion: 1.0\n")
    points = f"[pytest_mlperf.benchmarks]\n{benchmark}\n[pytest_mlperf.backends]\n{backend}\n"
    (info / "entry_points.txt").write_text(points)
    return directory


@pytest.fixture
def beside(tmp_path: Path, shared_cache: Path) -> Callable[..., RunSession]:
    """Run sessions with the test runtimes and one more package."""
    here = tmp_path / "here"
    here.mkdir()

    def make(code: str, **points: str) -> RunSession:
        place = package(tmp_path / "visitor", code, **points)
        path = os.pathsep.join((str(place), str(SUPPORT)))
        return partial(run_benchmarks, f"--mlperf-cache={shared_cache}", directory=here, PYTHONPATH=path)

    return make


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (
            "import no_such_runtime\n",
            "expected: an importable visitor:THING; found: ModuleNotFoundError",
        ),
        ("raise OSError('no licence')\n", "found: OSError: no licence"),
        ("import sys; sys.exit(3)\n", "found: SystemExit: 3"),
        ("THING = 'a text'\n", "is not a valid "),
    ],
    ids=["no module", "raises", "exits", "another type"],
)
@pytest.mark.parametrize("kind", ["benchmark", "backend"])
def test_what_cannot_be_loaded_costs_its_own_cases(
    beside: Callable[..., RunSession], kind: str, code: str, says: str
) -> None:
    session = beside(code, **{kind: "guest = visitor:THING"})
    option = "--model" if kind == "benchmark" else "--backend"
    alone = session(f"{option}=guest", *QUICK)
    assert alone.outcomes().endswith("1 error"), alone.output
    assert f"the {kind} guest of visitor 1.0" in alone.output
    assert says in alone.output
    assert "Traceback" not in alone.output


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["benchmark", "backend"])
def test_what_cannot_be_loaded_is_skipped_beside_others_with_its_reason(
    beside: Callable[..., RunSession], kind: str
) -> None:
    session = beside("import no_such_runtime\n", **{kind: "guest = visitor:THING"})
    found = session("-k", "null-null or guest", *QUICK, "-rs")
    assert found.outcomes().startswith("1 passed, 1 skipped"), found.output
    assert f"the {kind} guest of visitor 1.0 cannot be imported" in found.output


RAISES = """
from dataclasses import dataclass, replace

from mlperf_test_runtimes import NULL, NullDataset


@dataclass(frozen=True)
class Raises(NullDataset):
    def source(self, count):
        raise KeyError("no such edition")


THING = replace(NULL, dataset=Raises())
"""


@pytest.mark.slow
def test_a_benchmark_that_raises_while_its_cases_are_made_costs_its_own_cases(
    beside: Callable[..., RunSession],
) -> None:
    session = beside(RAISES, benchmark="guest = visitor:THING")
    found = session("-k", "null-null or guest-null", *QUICK, "-rs")
    assert found.outcomes().startswith("1 passed, 1 skipped"), found.output
    alone = session("--model=guest", "--backend=null", *QUICK)
    assert alone.outcomes().endswith("1 error"), alone.output
    assert "the cases of guest with python on null cannot be made" in alone.output
    assert "KeyError: 'no such edition' at " in alone.output
    assert "visitor.py:" in alone.output
    assert "Traceback" not in alone.output


def test_an_entry_points_name_is_the_benchmarks_name(beside: Callable[..., RunSession]) -> None:
    code = "from mlperf_test_runtimes import NULL as THING\n"
    session = beside(code, benchmark="another-name = visitor:THING")
    found = session("--model=another-name", "--backend=null", *QUICK, "--collect-only", "-q")
    assert "test_accuracy[another-name-null-cpu-Offline]" in found.output


BOTH = ("--model=retinanet-tiny,null", "--backend=onnxruntime,null", *QUICK)


@pytest.mark.slow
def test_a_named_path_is_for_its_benchmark_only(benchmarks: RunSession, shared_cache: Path) -> None:
    options = (*BOTH, f"--mlperf-cache={shared_cache}", "--model-path=null=/no/such/file")
    session = benchmarks(*options)
    assert session.outcomes().endswith("1 passed, 2 deselected, 1 error"), session.output
    assert "/no/such/file is not a file" in session.output
    session = benchmarks(*BOTH, f"--mlperf-cache={shared_cache}", f"--model-path=retinanet-tiny={MODEL}")
    assert session.outcomes().startswith("2 passed"), session.output


@pytest.mark.parametrize("option", ["--model-path", pytest.param("--dataset-path", marks=pytest.mark.slow)])
def test_a_path_without_a_benchmark_is_refused_for_several(benchmarks: RunSession, option: str, tmp_path: Path) -> None:
    session = benchmarks(*BOTH, f"{option}={tmp_path}")
    assert session.code == pytest.ExitCode.USAGE_ERROR, session.output
    assert f"{option} {tmp_path} is given for several benchmarks" in session.output
    assert "found: null, retinanet-tiny" in session.output
    spread = benchmarks(*BOTH, f"{option}={tmp_path}", "-n2")
    assert "is given for several benchmarks" in spread.output
    assert "passed" not in spread.outcomes()


@pytest.mark.slow
def test_a_path_without_a_benchmark_is_for_the_one_that_is_selected(benchmarks: RunSession, shared_cache: Path) -> None:
    session = benchmarks(
        "-k", "retinanet-tiny-onnxruntime", *QUICK, f"--model-path={MODEL}", f"--mlperf-cache={shared_cache}"
    )
    assert session.outcomes().startswith("1 passed"), session.output


def test_a_path_for_a_benchmark_that_does_not_exist_is_a_usage_error(benchmarks: RunSession) -> None:
    session = benchmarks("--model-path=retinanet_tiny=model.onnx")
    assert session.code == pytest.ExitCode.USAGE_ERROR
    assert "did you mean 'retinanet-tiny'?" in session.output


@pytest.mark.slow
def test_backend_options_reach_the_runtime_and_unknown_ones_are_refused(
    benchmarks: RunSession, shared_cache: Path
) -> None:
    options = ("--model=retinanet-tiny", "--backend=onnxruntime", *QUICK, f"--mlperf-cache={shared_cache}")
    good = benchmarks(*options, "--backend-option=session.set_denormal_as_zero=1")
    assert good.outcomes().startswith("1 passed"), good.output
    bad = benchmarks(*options, "--backend-option=speed=more")
    assert "onnxruntime has no option speed" in bad.output
    assert bad.code == 1


def test_a_precision_that_no_file_has_selects_nothing(benchmarks: RunSession) -> None:
    session = benchmarks("--model=retinanet-tiny", "--precision=bf16")
    assert session.code == pytest.ExitCode.USAGE_ERROR
    assert "the options select no case" in session.output
    assert "precision bf16" in session.output
    session = benchmarks("--model=retinanet-tiny", "--mlperf-variant=tails")
    assert "precision fp32, variant tails" in session.output


COMPUTED = ("--model=null", "--backend=computes", "--scenario=Offline", "--mode=accuracy")


@pytest.mark.slow
def test_a_precision_that_a_backend_computes_from_another_file_is_that_of_the_result(
    benchmarks: RunSession, tmp_path: Path
) -> None:
    results = tmp_path / "results.json"
    session = benchmarks(*COMPUTED, "--precision=bf16", f"--mlperf-json={results}")
    assert session.outcomes().startswith("1 passed"), session.output
    [result] = json.loads(results.read_text())["results"]
    assert (result["case"], result["precision"]) == ("null-computes-bf16-cpu-Offline", "bf16")
    assert result["weight_types"] == ["bf16"]


def test_one_of_several_devices_is_a_device_of_its_own(benchmarks: RunSession, tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    session = benchmarks(*COMPUTED, "--device=gpu:1", f"--mlperf-json={results}", MLPERF_TEST_LEASES=str(tmp_path))
    assert session.outcomes().startswith("1 passed"), session.output
    [result] = json.loads(results.read_text())["results"]
    assert (result["case"], result["device"]) == ("null-computes-cuda:1-Offline", "cuda:1")


@pytest.mark.slow
def test_a_backend_may_run_only_where_it_is_named(benchmarks: RunSession) -> None:
    plain = benchmarks("--model=null", "--collect-only", "-q").output
    assert "null-null-cpu-Offline" in plain
    assert "computes" not in plain
    everything = benchmarks("--model=null", "--backend=all", "--collect-only", "-q").output
    assert "null-computes-cpu-Offline" in everything


@pytest.mark.slow
def test_what_is_not_collected_says_why_in_the_plan_and_in_the_summary(benchmarks: RunSession) -> None:
    options = ("--model=null,tally", "--backend=null,onnxruntime", "--scenario=Offline", "--mode=accuracy")
    why = "not collected on onnxruntime: null, tally (no model file of the format onnx for fp32)"
    assert why in benchmarks(*options, "--mlperf-plan").output
    assert why in benchmarks(*options, "-rs").output
    assert "not collected" not in benchmarks(*options, "-o", "addopts=").output


@pytest.mark.slow
def test_a_model_is_made_in_steps_and_with_a_tool_of_its_own(benchmarks: RunSession, tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    options = ("--model=chained", "--backend=chained", "--scenario=Offline", "--mode=accuracy", "--mlperf-fetch")
    session = benchmarks(*options, f"--mlperf-cache={tmp_path / 'cache'}", f"--mlperf-json={results}")
    assert session.outcomes().startswith("1 passed"), session.output
    [made] = (tmp_path / "cache").glob("model/second.txt-*/**/second.txt")
    assert made.read_text() == "first.txt, True six\n"
    given = benchmarks(*options, f"--model-path={made}", f"--mlperf-json={results}")
    assert given.outcomes().startswith("1 passed"), given.output
    assert "second.txt was made from" in session.output

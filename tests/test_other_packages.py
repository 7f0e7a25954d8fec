"""Benchmarks and backends of other packages: what cannot be loaded costs its own cases; paths go where they belong."""

from __future__ import annotations

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


def test_a_path_without_a_benchmark_is_for_the_one_that_is_selected(benchmarks: RunSession, shared_cache: Path) -> None:
    session = benchmarks(
        "-k", "retinanet-tiny-onnxruntime", *QUICK, f"--model-path={MODEL}", f"--mlperf-cache={shared_cache}"
    )
    assert session.outcomes().startswith("1 passed"), session.output


def test_a_path_for_a_benchmark_that_does_not_exist_is_a_usage_error(benchmarks: RunSession) -> None:
    session = benchmarks("--model-path=retinanet_tiny=model.onnx")
    assert session.code == pytest.ExitCode.USAGE_ERROR
    assert "did you mean 'retinanet-tiny'?" in session.output


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
    session = benchmarks("--model=retinanet-tiny", "--precision=int8")
    assert session.code == pytest.ExitCode.USAGE_ERROR
    assert "the options select no case" in session.output
    assert "precision int8" in session.output
    session = benchmarks("--model=retinanet-tiny", "--mlperf-variant=tails")
    assert "precision fp32, variant tails" in session.output

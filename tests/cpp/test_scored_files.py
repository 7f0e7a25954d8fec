"""Files like the official .tflite ones have the same answers in C++ as in Python: scores, quantised, undescribed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.benchmarks.resnet50 import TINY
from pytest_mlperf.cpp import build
from pytest_mlperf.environments.compiler import find_compiler
from pytest_mlperf.environments.installed import find_loadgen
from pytest_mlperf.implementations.base import Program
from pytest_mlperf.implementations.cpp import TFLITE_CPP
from pytest_mlperf.implementations.protocol import RunSpec
from pytest_mlperf.run.child import execute
from pytest_mlperf.shipped import shipped
from tests.backends.test_tensorflow_formats import python
from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from pytest_mlperf.artifacts.recipe import Recipe

pytestmark = [
    pytest.mark.backends,
    pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed"),
]

SAMPLES = 64


def programs(interpreter: str, store: Store) -> list[Program]:
    """Return what runs a case: the worker, and the program in C++."""
    compiler = find_compiler(None)
    library = build.LibraryRecipe(compiler, find_loadgen().version)
    recipe = build.ProgramRecipe(compiler, library, store.get(library).path, build.SOURCES / "litert", TFLITE_CPP.name)
    executable = str(store.get(recipe).path / build.PROGRAM)
    environment = {"PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY / "src", REPOSITORY)))}
    commands = (("pytest_mlperf.worker",), ("pytest_mlperf.cpp", TFLITE_CPP.name, executable, ""))
    return [Program((interpreter, "-m", *command), environment) for command in commands]


def answers(program: Program, output: Path, **of_file: Any) -> dict[int, str]:
    """Return the answers of a run, by sample."""
    output.mkdir()
    spec = RunSpec(
        run_length="short",
        benchmark="tests.cpp.scored:SCORED",
        backend="pytest_mlperf.backends.tflite:TFLite",
        backend_name="tflite",
        device="cpu",
        scenario="Offline",
        mode="accuracy",
        model_format="tflite",
        output=str(output),
        sample_count=SAMPLES,
        **of_file,
    )
    assert execute(spec, TFLITE_CPP, program, lambda _: None).result.samples_done == SAMPLES
    rows = json.loads((output / "mlperf_log_accuracy.json").read_text())
    return {row["qsl_idx"]: row["data"] for row in rows}


@pytest.mark.parametrize(
    ("source", "precision", "variant", "more"),
    [("resnet50-tiny", "fp32", "NHWC-scores", ()), ("resnet50-tiny-int8", "int8", "edgetpu", ("quantised",))],
    ids=["scores", "quantised scores"],
)
def test_the_answers_are_those_of_python(
    source: str, precision: str, variant: str, more: tuple[str, ...], shared_cache: Path, tmp_path: Path
) -> None:
    store = Store(shared_cache)
    interpreter = python("tflite", shared_cache)
    model = tmp_path / "model.tflite"
    script = Path(__file__).with_name("make_scored_files.py")
    subprocess.run([interpreter, str(script), str(shipped(f"{source}.tflite")), str(model), *more], check=True)
    recipe: Recipe = TINY.dataset.source(SAMPLES)  # type: ignore[assignment]
    of_file = {"model": str(model), "model_precision": precision, "precision": precision, "variant": variant}
    of_file["dataset"] = str(store.get(recipe).path)
    worker, mine = (
        answers(program, tmp_path / name, **of_file)
        for name, program in zip(("python", "cpp"), programs(interpreter, store), strict=True)
    )
    assert len(set(worker.values())) > 5
    assert mine == worker

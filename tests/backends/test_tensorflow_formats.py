"""TensorFlow's formats with the real runtimes: the tiny editions, files like the official ones, and broken files."""

from __future__ import annotations

import json
import os
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.backends.base import Traits
from pytest_mlperf.backends.model_content import model_content
from pytest_mlperf.backends.tensorflow import TensorFlow
from pytest_mlperf.backends.tflite import TFLite
from pytest_mlperf.conversion.recipe import SAVED_MODEL, TFLITE, ConversionRecipe
from pytest_mlperf.environments.provide import Needs, from_store, provide
from pytest_mlperf.environments.pythons import Wanted, choose
from pytest_mlperf.errors import ModelError, RequirementError
from pytest_mlperf.shipped import shipped
from tests.conftest import REPOSITORY, RunSession, Session
from tests.conversion.graphs import write_convolutions

pytestmark = pytest.mark.backends

HERE = Path(__file__).parent
TINY, OFFICIAL = "pytest_mlperf.benchmarks.resnet50:TINY", "pytest_mlperf.benchmarks.resnet50:OFFICIAL"
BACKENDS: dict[str, Any] = {"tf": TensorFlow, "tflite": TFLite}


def python(backend: str, cache: Path) -> str:
    """Return an interpreter with a backend's packages, as a session finds or makes it."""
    found, traits = BACKENDS[backend], Traits.of(BACKENDS[backend])
    needs = Needs(backend, "cpu", found.requirements, Wanted(), also=(*traits.also_requires, "pillow"), install=True)
    store = Store(cache)
    return provide(needs, from_store(store, lambda recipe: store.get(recipe).path, install=True)).executable


def run(interpreter: str, script: str, *arguments: str) -> str:
    """Run one of the scripts here and return its standard output."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [interpreter, HERE / script, *arguments], env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def load(backend: str, cache: Path, *cases: tuple[str, tuple[str, str, str], Path, dict[str, Any]]) -> list[Any]:
    """Return what came of loading some files for a row of a benchmark: `load_models.py`."""
    name = f"{BACKENDS[backend].__module__}:{BACKENDS[backend].__name__}"
    asked = [
        {"backend": name, "benchmark": benchmark, "row": row, "file": str(file), "batches": [1, 4, 3], **more}
        for benchmark, row, file, more in cases
    ]
    outcomes: list[Any] = json.loads(run(python(backend, cache), "load_models.py", json.dumps(asked)).splitlines()[-1])
    return outcomes


@pytest.fixture(scope="module")
def files(shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with small files that have the names and layouts of the official ones."""
    place = tmp_path_factory.mktemp("files")
    run(python("tf", shared_cache), "make_tensorflow_files.py", str(place))
    return place


@pytest.fixture
def session(benchmarks: RunSession, shared_cache: Path) -> RunSession:
    return partial(benchmarks, "--mlperf-cache", str(shared_cache), "--short")


def classes(scores: list[Any]) -> list[list[int]]:
    """Return the class of each image by batch, from batches of scores."""
    return [[row.index(max(row)) for row in outputs[0]] for outputs in scores]


def test_a_tflite_file_with_float_scores_and_one_with_integers_have_the_classes_of_the_frozen_graph(
    files: Path, shared_cache: Path
) -> None:
    frozen, missing, other, cut = load(
        "tf",
        shared_cache,
        (OFFICIAL, ("pb", "fp32", "NHWC"), files / "resnet50_v1.pb", {}),
        ("pytest_mlperf.benchmarks.bert:OFFICIAL_99", ("tf", "fp32", ""), files / "resnet50_v1.pb", {}),
        (OFFICIAL, ("pb", "fp32", "NHWC"), shipped("resnet50-tiny.json"), {}),
        (TINY, ("savedmodel", "fp32", ""), files / "plain", {}),
    )
    assert frozen["max_batch"] is None
    assert (frozen["device"], frozen["weights"][0]) == ("cpu", "fp32")
    assert any(version.endswith(" with oneDNN") for version in frozen["versions"].values())
    expected = [outputs[0] for outputs in frozen["answers"]]
    assert [len(each) for each in expected] == [1, 4, 3]
    assert len(set(expected[1])) > 1, "the file must tell colours apart"
    assert "has no tensor input_ids:0" in missing["error"]
    assert "placeholders input_tensor" in missing["error"]
    assert "cannot load" in other["error"]
    assert "has no signature serving_default" in cut["error"]

    broken = files / "cut.tflite"
    broken.write_bytes((files / "scores.tflite").read_bytes()[:9000])
    scores, integers, fixed, cut = load(
        "tflite",
        shared_cache,
        (OFFICIAL, ("tflite", "fp32", "NHWC-scores"), files / "scores.tflite", {}),
        (OFFICIAL, ("tflite", "int8", "edgetpu"), files / "edgetpu.tflite", {}),
        (OFFICIAL, ("tflite", "fp32", "NHWC-scores"), files / "fixed.tflite", {"batches": [1, 2]}),
        (TINY, ("tflite", "fp32", ""), broken, {}),
    )
    assert (scores["max_batch"], scores["weights"]) == (None, ["fp32"])
    assert classes(scores["answers"]) == expected
    assert "int8" in integers["weights"]
    assert classes(integers["answers"]) == expected
    assert fixed["max_batch"] == 2
    assert classes(fixed["answers"]) == [expected[1][:1], expected[1][:2]]
    assert "cannot load" in cut["error"] or "cannot run" in cut["error"]


def test_the_tiny_resnet50_runs_on_tflite_in_all_scenarios_without_a_converter(session: RunSession) -> None:
    # A rate and a bound that a busy machine keeps to.
    done = session("--backend", "tflite", "--model", "resnet50-tiny", "--target-qps=100", "--target-latency=2000")
    assert done.code == 0, done.output
    assert done.outcomes().startswith("8 passed"), done.output
    assert "was made from" not in done.output


def accuracy(session: RunSession, backend: str, *models: str, more: tuple[str, ...] = ()) -> Session:
    chosen = [part for model in models for part in ("--model", model)]
    return session("--backend", backend, *chosen, "--scenario", "Offline", "--mode", "accuracy", *more)


def test_the_int8_files_reach_their_targets(session: RunSession) -> None:
    done = accuracy(session, "tflite", "resnet50-tiny", "retinanet-tiny", more=("--precision", "int8"))
    assert done.outcomes().startswith("2 passed"), done.output
    assert "resnet50-tiny-tflite-int8-cpu-Offline" in done.output


def test_bert_and_retinanet_are_converted_once_and_reach_their_targets_on_tflite(
    session: RunSession, shared_cache: Path
) -> None:
    try:
        choose(Wanted(specifier=TFLITE.tool.python), os.environ)
    except RequirementError as error:
        pytest.skip(f"onnx2tf needs a Python that is not here: {error.what}")
    python("tflite", shared_cache)
    without = accuracy(session, "tflite", "resnet50-tiny", "bert-99.9-tiny", more=("--mlperf-offline",))
    made = accuracy(session, "tflite", "bert-99-tiny", "bert-99.9-tiny", "retinanet-tiny")
    assert made.code == 0, made.output
    assert made.outcomes().startswith("3 passed"), made.output
    again = accuracy(session, "tflite", "bert-99.9-tiny", more=("--mlperf-offline",))
    assert again.code == 0, again.output
    if "making onnx2tf" in made.output:  # the first to use this cache
        assert without.code == 1
        assert "offline, and onnx2tf python" in without.output


def test_tensorflow_runs_resnet50_bert_and_retinanet(session: RunSession) -> None:
    done = session("--backend", "tf", "--model", "resnet50-tiny", "--scenario", "Offline")
    assert done.outcomes().startswith("2 passed"), done.output
    done = accuracy(session, "tf", "bert-99-tiny", "bert-99.9-tiny", "retinanet-tiny")
    assert done.outcomes().startswith("3 passed"), done.output


@pytest.mark.parametrize("last", ["Softmax", "Gelu"])
def test_a_graph_is_built_again_in_tensorflow_or_its_unknown_operator_is_named(
    last: str, shared_cache: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model.onnx"
    inputs = write_convolutions(model, last)
    made = tmp_path / "made"
    made.mkdir()
    sha256 = model_content(model, "onnx").sha256
    recipe = ConversionRecipe(model, sha256, python("tf", shared_cache), SAVED_MODEL, lambda: inputs)
    if last == "Softmax":
        recipe.build(made)
        assert (made / "saved_model.pb").is_file()
    else:
        with pytest.raises(ModelError, match="cannot be converted to a SavedModel") as error:
            recipe.build(made)
        assert "there is no translation of the operators Gelu" in error.value.found

"""The backend openvino with OpenVINO itself, in the environment that is made for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pytest_mlperf.artifacts.layout import default_cache_dir
from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.backends.openvino import OpenVino
from pytest_mlperf.environments.provide import Needs, environment
from pytest_mlperf.environments.pythons import Wanted
from pytest_mlperf.environments.venv import executable
from tests.conftest import REPOSITORY, run_benchmarks

pytestmark = pytest.mark.backends

EACH_TASK = ("retinanet-tiny", "bert-99-tiny", "rnnt-tiny", "3d-unet-99-tiny", "yolo-95-tiny")
IN_OTHER_PRECISIONS = ("retinanet-tiny", "bert-99-tiny")
#: What a busy machine can serve.
SERVED = ("--target-qps=100", "--target-latency=2000")


def reached(tmp_path: Path, *options: str) -> list[dict[str, object]]:
    session = run_benchmarks(
        "--backend=openvino",
        "--short",
        f"--mlperf-json={tmp_path}/r.json",
        *options,
        directory=tmp_path,
        MLPERF_TEST_LEASES=str(tmp_path),
    )
    assert session.code == 0, session.output
    results: list[dict[str, object]] = json.loads((tmp_path / "r.json").read_text())["results"]
    assert {(each["backend"], each["device"]) for each in results} == {("openvino", "cpu")}
    return results


def test_resnet50_runs_in_every_scenario_and_mode(tmp_path: Path) -> None:
    results = reached(tmp_path, "--model=resnet50-tiny", *SERVED)
    assert len(results) == 8
    served = [each["verdict"] for each in results if each["scenario"] == "Server" and each["mode"] == "performance"]
    assert served == ["not comparable"]  # the bound on latency is the test's
    assert {each["verdict"] for each in results} == {"reached", "VALID", *served}
    assert {str(each["weight_types"]) for each in results} == {"['fp32']"}


def test_every_other_task_reaches_its_target(tmp_path: Path) -> None:
    results = reached(tmp_path, *(f"--model={name}" for name in EACH_TASK), "--scenario=Offline", "--mode=accuracy")
    assert {each["benchmark"] for each in results} == set(EACH_TASK)
    assert {each["verdict"] for each in results} == {"reached"}


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_two_tasks_reach_their_targets_in_other_precisions(tmp_path: Path, precision: str) -> None:
    if precision == "bf16" and "avx512_bf16" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this CPU does not compute in bf16")
    results = reached(
        tmp_path,
        *(f"--model={name}" for name in IN_OTHER_PRECISIONS),
        f"--precision={precision}",
        "--scenario=Offline",
        "--mode=accuracy",
    )
    assert {each["verdict"] for each in results} == {"reached"}
    assert {(each["precision"], str(each["weight_types"])) for each in results} == {(precision, f"['{precision}']")}


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--backend-option=FOO=1", "openvino has no option FOO"),
        ("--model-path=broken.onnx", "broken.onnx\nexpected: an ONNX model; found: Unable to read the model"),
    ],
)
def test_a_bad_option_or_file_is_a_failed_item_that_says_why(tmp_path: Path, option: str, says: str) -> None:
    (tmp_path / "broken.onnx").write_text("<html>404 Not Found</html>\n")
    selected = ("--model=resnet50-tiny", "--scenario=Offline", "--mode=accuracy", "--short")
    session = run_benchmarks("--backend=openvino", *selected, option, directory=tmp_path)
    assert session.outcomes().startswith("1 failed"), session.output
    assert says in session.output
    assert "Traceback" not in session.output


def python_with_openvino() -> str:
    needs = Needs(
        backend="openvino",
        device="cpu",
        requirements=OpenVino.requirements,
        wanted=Wanted(),
        also=OpenVino.also_requires,
        install=True,
    )
    recipe = environment(needs)
    return sys.executable if recipe is None else str(executable(Store(default_cache_dir(os.environ)).get(recipe).path))


#: Three threads ask for their first inference at once, of samples of different lengths.
LENGTHS = """
import sys, threading, numpy as np
from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.backends.openvino import OpenVino
from pytest_mlperf.benchmarks.rnnt import TINY
row = TINY.models[0]
ours, theirs = (each.load(row.source, row, "cpu", 1, {}) for each in (OpenVino(), OnnxRuntime()))
batch = {"features": np.random.default_rng(1).random((3, 17, 240), np.float32), "lengths": np.array([17, 9, 4])}
found = []
threads = [threading.Thread(target=lambda: found.append(ours.run(batch, "encoder")[0])) for _ in range(3)]
for each in threads: each.start()
for each in threads: each.join()
print(max(abs(each - theirs.run(batch, "encoder")[0]).max() for each in found) < 1e-5, len(found))
print("openvino_telemetry.main" in sys.modules)
"""
#: The last state of a layer with lengths is used.
STATES = """
import sys
from pathlib import Path
from pytest_mlperf.backends.model_file import Graph, ModelFile, Tensor
from pytest_mlperf.backends.openvino import OpenVino
from pytest_mlperf.errors import ModelError
inputs = Tensor("x", "float32", (None, None, 2)), Tensor("lengths", "int32", (None,))
row = ModelFile("onnx", "fp32", Path(sys.argv[1]), (Graph(inputs, (Tensor("last", "float32", (1, None, 3)),)),))
try:
    OpenVino().load(row.source, row, "cpu", 1, {})
except ModelError as error:
    print(error.what.partition(" computes ")[2].rpartition(" ")[2])
"""


def says(script: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [python_with_openvino(), "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,  # ends what hangs
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_recurrent_layer_ends_where_a_samples_sequence_does_and_nothing_is_reported_to_anybody() -> None:
    assert says(LENGTHS) == ["True", "3", "False"]


def test_a_recurrent_layer_whose_last_state_would_be_wrong_is_refused(tmp_path: Path) -> None:
    weights = [
        numpy_helper.from_array(np.ones(shape, np.float32), name)
        for name, shape in (("w", (1, 12, 2)), ("r", (1, 12, 3)))
    ]
    node = helper.make_node("LSTM", ["x", "w", "r", "", "lengths"], ["", "last"], hidden_size=3)
    values = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["t", "n", 2]),
        helper.make_tensor_value_info("lengths", TensorProto.INT32, ["n"]),
        helper.make_tensor_value_info("last", TensorProto.FLOAT, [1, "n", 3]),
    ]
    graph = helper.make_graph([node], "g", values[:2], values[2:], weights)
    path = tmp_path / "states.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8), path)
    assert says(STATES, str(path)) == ["wrongly"]

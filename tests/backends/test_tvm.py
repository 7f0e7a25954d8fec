"""TVM: what can be told without it, and sessions that run it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.backends.model_file import ModelFile
from pytest_mlperf.backends.tvm import DEFAULT_TARGET, TvmOnnx
from pytest_mlperf.benchmarks.resnet50 import TINY, class_graph
from pytest_mlperf.errors import ModelError, OptionError, RequirementError
from pytest_mlperf.machine.cores import available_cores
from pytest_mlperf.shipped import shipped

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession

MODEL = shipped("resnet50-tiny.onnx")
ROW = ModelFile("onnx", "fp32", MODEL, (class_graph(48),))
SHORT = ("--short", "--dataset-size=24", "--scenario=Offline")


@pytest.mark.parametrize(
    "options",
    [
        {"tune": "many"},
        {"tune": "-1"},
        {"opt_level": "3"},
        {"target": "cuda"},
        {"target": '{"kind":"cuda"}'},
        {"target": "{kind"},
        {"target": "llvm -mcpu=znver4"},
    ],
)
def test_options_that_do_not_exist_are_refused_before_anything_is_compiled(options: dict[str, str]) -> None:
    with pytest.raises(OptionError) as caught:
        TvmOnnx().preparation(MODEL, "", ROW, options, "python", "cpu")
    [(name, value)] = options.items()
    assert f"{name}={value}" in caught.value.found
    assert caught.value.fix


def test_a_library_is_one_of_a_model_a_target_and_shapes() -> None:
    def key(sha256: str = "0", **options: str) -> dict[str, object]:
        return dict(TvmOnnx().preparation(MODEL, sha256, ROW, options, "python", "cpu").recipe.key())

    assert key() == key(target=DEFAULT_TARGET)
    assert len({str(each) for each in (key(), key("1"), key(target="llvm"))}) == 3
    assert key()["shapes"] == [["input_tensor:0", 1, 3, 48, 48]]
    assert key(tune="0") == key()
    tuned = key(tune="8")
    assert tuned["candidates"] == 8
    assert {"processor", "candidates"} == tuned.keys() - key().keys()
    assert json.loads(str(tuned["target"]))["num-cores"] == available_cores()
    assert tuned != key(tune="16")


def test_the_notice_says_what_is_compiled_and_how_long_it_takes() -> None:
    notice = TvmOnnx().preparation(MODEL, "", ROW, {}, "python", "cpu").notice
    assert notice.startswith(f"compiling resnet50-tiny.onnx with TVM for {DEFAULT_TARGET}: seconds")
    notice = TvmOnnx().preparation(MODEL, "", ROW, {"tune": "8", "target": "llvm"}, "python", "cpu").notice
    assert notice.startswith("compiling resnet50-tiny.onnx with TVM for {")
    assert "and timing 8 candidates for each operator: minutes, or hours" in notice


def test_a_model_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        TvmOnnx().preparation(tmp_path / "none.onnx", "", ROW, {}, "python", "cpu")


def test_no_compiler_is_said_before_anything_is_tuned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recipe = TvmOnnx().preparation(MODEL, "", ROW, {"tune": "8"}, "/nowhere/python", "cpu").recipe
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("CC", "CXX"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RequirementError, match="TVM has nothing to link the library with") as caught:
        recipe.build(tmp_path)
    assert "install" in caught.value.fix


def unknown_operator(path: Path) -> Path:
    """Write a classifier with an operator that TVM does not know, and ONNX Runtime does."""
    from onnx import TensorProto, helper, save

    nodes = [
        helper.make_node("Det", ["input_tensor:0"], ["volumes"]),
        helper.make_node("ArgMax", ["volumes"], ["ArgMax:0"], axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("input_tensor:0", TensorProto.FLOAT, ["n", 3, 48, 48])],
        [helper.make_tensor_value_info("ArgMax:0", TensorProto.INT64, ["n"])],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.mark.backends
def test_tvm_onnx_reaches_the_targets_and_compiles_each_model_once(
    benchmarks: RunSession, shared_cache: Path, tmp_path: Path
) -> None:
    options = ("--backend=tvm-onnx", *SHORT, f"--mlperf-cache={shared_cache}")
    classifier, detector = "(resnet50 and tiny)", "(retinanet and tiny and test_accuracy)"
    session = benchmarks(*options, f"--mlperf-json={tmp_path / 'results.json'}", "-k", f"{classifier} or {detector}")
    assert session.outcomes().startswith("3 passed"), session.output
    assert session.output.count("compiling resnet50-tiny.onnx with TVM") == 1
    assert session.output.count("compiling retinanet-tiny-heads.onnx with TVM") == 1
    results = json.loads((tmp_path / "results.json").read_text())["results"]
    assert {result["case"] for result in results} == {
        "resnet50-tiny-tvm-onnx-cpu-Offline",
        "retinanet-tiny-tvm-onnx-heads-cpu-Offline",
    }
    assert {result["versions"]["apache-tvm"] for result in results} == {"0.27.0.post1"}
    assert {result["layout"]["batch"] for result in results} == {1}

    unknown = unknown_operator(tmp_path / "unknown.onnx")
    bad = benchmarks(*options, "--model=resnet50-tiny", "--mode=accuracy", f"--model-path={unknown}")
    assert "cannot compile" in bad.output, bad.output
    assert "Det" in bad.output
    assert "Traceback" not in bad.output
    assert "compiling resnet50-tiny.onnx" not in bad.output


def small_classifier(path: Path) -> Path:
    """Write a classifier of few operators, which are tuned in seconds."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save

    weights = np.random.default_rng(0).normal(size=(21, 3, 5, 5)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["input_tensor:0", "weights"], ["maps"], strides=[3, 3]),
        helper.make_node("ReduceMean", ["maps"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("ArgMax", ["means"], ["ArgMax:0"], axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("input_tensor:0", TensorProto.FLOAT, ["n", 3, 48, 48])],
        [helper.make_tensor_value_info("ArgMax:0", TensorProto.INT64, ["n"])],
        [numpy_helper.from_array(weights, "weights")],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.mark.backends
def test_what_is_tuned_is_kept_with_the_time_that_it_took(
    benchmarks: RunSession, shared_cache: Path, tmp_path: Path
) -> None:
    model, out = small_classifier(tmp_path / "small.onnx"), tmp_path / "results.json"
    options = ("--backend=tvm-onnx", *SHORT, f"--mlperf-cache={shared_cache}", f"--mlperf-json={out}")
    for times in (1, 0):
        session = benchmarks(
            *options, "--model=resnet50-tiny", "--mode=performance", f"--model-path={model}", "--backend-option=tune=2"
        )
        assert session.outcomes().startswith("1 passed"), session.output
        assert session.output.count("and timing 2 candidates for each operator: minutes") == times
        [result] = json.loads(out.read_text())["results"]
        [note] = [note for note in result["notes"] if "tuned" in note]
        assert re.fullmatch(r"tvm-onnx: tuned: 2 candidates for each of \d+ operators, \d+ s", note)


@pytest.mark.backends
@pytest.mark.skipif(all(row.format != "pytorch" for row in TINY.models), reason="there is no PyTorch file to compile")
def test_tvm_pytorch_reaches_the_target(benchmarks: RunSession, shared_cache: Path) -> None:
    options = ("--backend=tvm-pytorch", *SHORT, f"--mlperf-cache={shared_cache}")
    session = benchmarks(*options, "-k", "resnet50 and tiny and test_accuracy")
    assert session.outcomes().startswith("1 passed"), session.output

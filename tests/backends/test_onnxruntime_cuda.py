"""ONNX Runtime that is asked for a GPU and does not use it is found out, by what it says and by its profile."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from pytest_mlperf.backends import onnxruntime as backend
from pytest_mlperf.backends.onnxruntime_cuda import cause, check_profile, heard, is_hidden, run_bound
from pytest_mlperf.benchmarks.resnet50 import TINY
from pytest_mlperf.errors import RequirementError

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
ROW = TINY.model_file("onnx", "fp32", "")
#: What onnxruntime-gpu 1.31.1 writes where CUDA's libraries are missing.
SAID = (
    "\x1b[1;31m2026-11-27 09:27:28.669214687 [E:onnxruntime:Default, provider_bridge_ort.cc:2458 operator()] "
    "/onnxruntime_src/onnxruntime/core/session/provider_bridge_ort.cc:2043 onnxruntime::Provider& "
    "onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load library "
    "/venv/lib/python3.11/site-packages/onnxruntime/capi/libonnxruntime_providers_cuda.so with error: "
    "libcublasLt.so.13: cannot open shared object file: No such file or directory\n\x1b[m\n"
    "\x1b[0;93m2026-11-27 09:27:28.669243089 [W:onnxruntime:Default, onnxruntime_pybind_state.cc:1295 "
    "CreateExecutionProviderFactoryInstance] Failed to create CUDAExecutionProvider. Require cuDNN 9.* and CUDA 13.*. "
    "Please install all dependencies as mentioned in the GPU requirements page.\x1b[m\n"
)


def profile(path: Path, *nodes: tuple[str, str]) -> Path:
    """Write a profile of the form that ONNX Runtime writes, of these operators and providers."""
    events: list[dict[str, Any]] = [
        {"cat": "Session", "pid": 367, "dur": 1912, "ph": "X", "name": "model_loading_uri", "args": {}}
    ]
    for operator, provider in nodes:
        arguments = {"op_name": operator, "node_index": "69", "provider": provider}
        events.append({"cat": "Node", "dur": 192, "ph": "X", "name": f"{operator}_kernel_time", "args": arguments})
    path.write_text(json.dumps(events))
    return path


def test_a_profile_of_work_on_the_gpu_passes_and_is_removed(tmp_path: Path) -> None:
    file = profile(tmp_path / "p.json", ("Conv", CUDA), ("Shape", CPU), ("Gather", CPU), ("Softmax", CUDA))
    check_profile(file, "cuda")
    assert not file.exists()


@pytest.mark.parametrize(
    ("nodes", "says"),
    [
        ([("Conv", CPU), ("Conv", CUDA), ("FusedConv", CPU)], "elsewhere: 1 Conv, 1 FusedConv"),
        ([("QLinearMatMul", CPU), ("Softmax", CUDA)], "elsewhere: 1 QLinearMatMul"),
        ([("LSTM", CPU), ("Softmax", CUDA)], "1 LSTM"),
        ([("Relu", CPU), ("Relu", CPU)], "elsewhere: 2 Relu"),
        ([], "elsewhere: everything"),
    ],
)
def test_a_profile_of_work_elsewhere_is_an_error(tmp_path: Path, nodes: list[tuple[str, str]], says: str) -> None:
    with pytest.raises(RequirementError, match=f"did not run on cuda:1[^$]*{says}"):
        check_profile(profile(tmp_path / "p.json", *nodes), "cuda:1")


def test_the_profile_of_a_real_inference_on_the_cpu_does_not_pass_as_one_on_a_gpu() -> None:
    session = backend.OnnxRuntime().load(Path(str(ROW.source)), ROW, "cpu", 1, {})
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    profiled = onnxruntime.InferenceSession(str(ROW.source), options, providers=[CPU])
    images = {"input_tensor:0": np.zeros((2, 3, 48, 48), np.float32)}
    on_gpu = backend._OnGpu("cuda")
    with pytest.raises(RequirementError, match=r"did not run on cuda[^$]*Conv"):
        on_gpu.run(profiled, ["ArgMax:0"], images)
    # A session whose profile was read goes on, with bound tensors and the same answers.
    [bound], [plain] = (
        run_bound(profiled, ["ArgMax:0"], images),
        session.run({ROW.graph.inputs[0].name: images["input_tensor:0"]}),
    )
    assert np.array_equal(bound, plain)


def test_the_missing_library_is_named_from_what_onnxruntime_says() -> None:
    assert cause(SAID) == "libcublasLt.so.13 is missing; it needs cuDNN 9.* and CUDA 13.*"
    assert cause("CUDA failure 100: no CUDA-capable device is detected") == ""


@pytest.mark.parametrize("raises", [False, True])
def test_a_provider_that_is_listed_but_falls_back_to_the_cpu_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], raises: bool
) -> None:
    made = onnxruntime.InferenceSession

    def falls_back(path: str, options: Any, providers: list[Any]) -> onnxruntime.InferenceSession:
        assert providers == [(CUDA, {"device_id": "1"})]
        os.write(2, SAID.encode())
        if raises:
            raise RuntimeError("Failed to create the provider")
        return made(path, options, providers=[CPU])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", falls_back)
    with pytest.raises(
        RequirementError, match=r"cannot run on cuda:1 here[^$]*libcublasLt.so.13 is missing[^$]*onnxruntime-gpu"
    ):
        backend.OnnxRuntime().load(Path(str(ROW.source)), ROW, "cuda:1", 1, {})
    assert "libcublasLt.so.13" in capfd.readouterr().err  # the run's log has it, too


def test_what_is_heard_is_written_as_well(capfd: pytest.CaptureFixture[str]) -> None:
    with heard() as said:
        os.write(2, b"one\n")
        os.write(2, b"two\n")
    assert said == ["one\ntwo\n"]
    assert capfd.readouterr().err == "one\ntwo\n"


@pytest.mark.parametrize(
    ("said", "count"),
    [
        ("Invalid device ID: 7, must be between 0 (inclusive) and 2 (exclusive).", 2),
        ("CUDA failure 101: invalid device ordinal ; GPU=0 ; expr=cudaSetDevice(info_.device_id);", 0),
        (SAID, None),
    ],
)
def test_a_gpu_that_is_not_there_is_known_from_what_is_said(said: str, count: int | None) -> None:
    assert is_hidden(said) == count


def test_a_number_that_no_gpu_has_is_no_fault_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, providers: list[tuple[str, dict[str, str]]]) -> None:
        [(_provider, settings)] = providers
        raise RuntimeError(
            f"Invalid device ID: {settings['device_id']}, must be between 0 (inclusive) and 2 (exclusive)."
        )

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", refuse)
    with pytest.raises(
        RequirementError, match=r"there is no device cuda:7\nexpected: .*cuda:0 to cuda:1; found: cuda:7"
    ):
        backend.OnnxRuntime().load(Path(str(ROW.source)), ROW, "cuda:7", 1, {})

"""TensorRT without a GPU: what is collected, refused and told, and whole sessions with something that stands in for it.

No machine that runs these tests has TensorRT. Its place is taken by `standins`, in which ONNX Runtime computes behind
the part of its Python API that is called: all of this package's own code runs, and TensorRT's does not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.backends.tensorrt import TensorRT
from pytest_mlperf.backends.tensorrt_builder import Job, Seen, profiles
from pytest_mlperf.backends.tensorrt_engine import EngineRecipe, require_seen
from pytest_mlperf.benchmarks.resnet50 import TINY
from pytest_mlperf.errors import MLPerfError, OptionError, RequirementError
from pytest_mlperf.implementations import nvidia
from pytest_mlperf.plugin.matrix import Matrix
from pytest_mlperf.plugin.options import read_settings
from pytest_mlperf.registry import Registry
from pytest_mlperf.shipped import shipped
from tests.conftest import run_benchmarks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import RunSession

MODEL = shipped("resnet50-tiny.onnx")
ROW = TINY.model_file("onnx", "fp32", "")
GPU = Seen("", "", "10.16.1", 13000, 2, "NVIDIA H100", "9.0")
NAMED = ("--implementation=nvidia", "--backend=tensorrt")
QUICK = ("--short", "--scenario=Offline", "--dataset-size=24", "--model=resnet50-tiny")


@pytest.fixture
def gpus(standin_python: Path, standin_variables: dict[str, str], tmp_path: Path) -> RunSession:
    """Run ``pytest benchmarks`` where the stand-ins are installed."""
    here = tmp_path / "there"
    here.mkdir()
    return partial(run_benchmarks, directory=here, python=(str(standin_python),), **standin_variables)


@pytest.fixture
def matrix(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Matrix]:
    """Return the matrix of some options."""
    monkeypatch.delenv("PYTEST_MLPERF_CACHE", raising=False)

    def make(*options: str) -> Matrix:
        registry = Registry()
        return Matrix(registry, read_settings(pytester.parseconfig("--scenario=Offline", *options), registry))

    return make


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--backend=tensorrt",), "it runs on cuda, not on cpu"),
        (
            ("--backend=tensorrt", "--device=cuda"),
            "the implementation python does not run its file onnx fp32; --implementation nvidia does",
        ),
        (NAMED, "it runs on cuda, not on cpu"),
        (("--implementation=nvidia", "--device=cuda"), "the implementation nvidia does not run its file onnx fp32; "),
    ],
)
def test_what_is_not_collected_says_why(matrix: Callable[..., Matrix], options: tuple[str, ...], says: str) -> None:
    made = matrix("--model=resnet50-tiny", *options)
    assert made.cases("accuracy") == []
    [line] = made.not_collected()
    assert says in line


def test_nobody_is_told_of_a_device_that_all_backends_were_not_asked_about(matrix: Callable[..., Matrix]) -> None:
    made = matrix("--model=resnet50-tiny", "--backend=all")
    assert made.cases("accuracy")
    assert not [line for line in made.not_collected() if "not on cpu" in line]


def test_a_gpu_has_cases_of_all_graphs_with_fixed_shapes(matrix: Callable[..., Matrix]) -> None:
    made = matrix(*NAMED, "--device=cuda:1")
    found = {case.id for case in made.cases("accuracy")}
    assert "retinanet-tiny-nvidia-tensorrt-heads-cuda:1-Offline" in found
    assert {name.partition("-nvidia-")[0] for name in found} >= {"resnet50", "bert-99-tiny", "yolo-95", "3d-unet-99.9"}
    assert list(made.not_collected()) == ["not collected on tensorrt: rnnt, rnnt-tiny (it has several graphs)"]
    assert [case.id for case in made.cases("conformance")] == []
    [case] = matrix(*NAMED, "--device=cuda", "--model=resnet50-tiny", "--mode=conformance").cases("conformance")
    assert case.id == "resnet50-tiny-nvidia-tensorrt-cuda"


def test_a_machine_without_a_driver_is_told_before_anything_is_installed(
    benchmarks: RunSession, tmp_path: Path
) -> None:
    if nvidia.DRIVER.exists():
        pytest.skip("this machine has a driver")
    cache = tmp_path / "cache"
    session = benchmarks(*NAMED, *QUICK, "--device=cuda", f"--mlperf-cache={cache}")
    assert session.outcomes() == "2 errors", session.output
    assert "the implementation nvidia needs a GPU of NVIDIA" in session.output
    assert "run it on a machine with a GPU" in session.output
    assert "Traceback" not in session.output
    assert not list(cache.glob("environment/*"))


def test_a_package_that_no_index_has_is_told_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from pytest_mlperf.implementations.base import Provision

    def no_python() -> None:
        raise RequirementError("pip cannot install tensorrt", found="No matching distribution found")

    (tmp_path / "version").touch()
    monkeypatch.setattr(nvidia, "DRIVER", tmp_path / "version")
    provision = Provision((), no_python, lambda _: tmp_path, lambda: tmp_path)  # type: ignore[arg-type]
    with pytest.raises(RequirementError) as caught:
        nvidia.NVIDIA.provide(provision)
    assert "needs TensorRT" in caught.value.what
    assert "No matching distribution" in caught.value.found
    assert "pip install 'tensorrt-cu12" in caught.value.fix
    assert "https://pypi.nvidia.com" in caught.value.fix


@pytest.mark.parametrize(
    ("seen", "precision", "what", "fix"),
    [
        (Seen("tensorrt", "ModuleNotFoundError: No module named 'tensorrt'"), "fp32", "cannot run", "pypi.nvidia.com"),
        (Seen("cuda-bindings", "ModuleNotFoundError", "10.16"), "fp32", "cannot run", "pip install cuda-bindings"),
        (Seen("gpu", "cudaErrorInsufficientDriver", "10.16"), "fp32", "cannot run on cuda:1", "with a GPU"),
        (Seen("device", "1 GPUs", "10.16", 13000, 1), "fp32", "there is no device cuda:1", "CUDA_VISIBLE_DEVICES"),
        (replace(GPU, tensorrt="8.6.1"), "fp32", "TensorRT is too old", "tensorrt-cu12>=10.3"),
        (replace(GPU, tensorrt="11.4.0"), "fp16", "does not run an fp32 file in fp16", "TensorRT 10"),
        (replace(GPU, tensorrt="11.4.0"), "bf16", "does not run an fp32 file in bf16", "TensorRT 10"),
    ],
)
def test_what_is_missing_is_named_with_what_to_do(seen: Seen, precision: str, what: str, fix: str) -> None:
    with pytest.raises(MLPerfError) as caught:
        require_seen(seen, "cuda:1", precision)
    assert what in caught.value.what
    assert fix in caught.value.fix
    assert caught.value.found


@pytest.mark.parametrize(("version", "precision"), [("10.3.0", "bf16"), ("11.4.0", "fp32"), ("11.4.0", "int8")])
def test_what_is_there_is_enough(version: str, precision: str) -> None:
    require_seen(replace(GPU, tensorrt=version), "cuda", precision)


def test_an_engine_belongs_to_a_model_a_precision_a_gpu_and_versions() -> None:
    first = EngineRecipe(MODEL, "0", ROW, 64, GPU, "580.95", 0, sys.executable)
    others = [
        replace(first, sha256="1"),
        replace(first, file=replace(ROW, precision="fp16")),
        replace(first, batch=8),
        replace(first, driver="570.00"),
        *(
            replace(first, seen=replace(GPU, **{name: value}))  # type: ignore[arg-type]
            for name, value in (("tensorrt", "10.3"), ("name", "NVIDIA L4"), ("capability", "8.9"), ("cuda", 12080))
        ),
    ]
    assert len({json.dumps(each.key()) for each in (first, *others)}) == len(others) + 1
    # The second of two equal GPUs runs the engine of the first; where Python lies makes no difference.
    same = replace(first, device=1, interpreter="python3", model=MODEL.with_name("other.onnx"))
    assert same.key() == first.key()


def test_an_engine_has_one_profile_for_one_sample_and_one_for_a_batch() -> None:
    job = Job("m", "e", 0, "fp32", {"image": [None, 3, 48, 48]}, ["y"], 64)
    one, most = (1, 3, 48, 48), (64, 3, 48, 48)
    assert profiles(job, {"image": (-1, 3, 48, 48)}) == [{"image": (one,) * 3}, {"image": (one, most, most)}]
    assert profiles(job, {"image": one}) == []
    fixed = replace(job, inputs={"image": [1, 3, 48, 48]})
    assert profiles(fixed, {"image": (-1, 3, 48, 48)}) == [{"image": (one,) * 3}]


@pytest.mark.parametrize("options", [{"workspace": "1"}, {"batch": "0"}, {"batch": "many"}, {"batch": "-1"}])
def test_options_that_do_not_exist_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(OptionError) as caught:
        TensorRT().preparation(MODEL, "", ROW, options, "python", "cuda")
    [(name, value)] = options.items()
    assert f"{name}={value}" in caught.value.found


def test_an_interpreter_without_tensorrt_says_so() -> None:
    with pytest.raises(RequirementError, match="TensorRT cannot run on cuda here") as caught:
        TensorRT().preparation(MODEL, "", ROW, {}, sys.executable, "cuda")
    assert "No module named 'tensorrt'" in caught.value.found


def test_an_engine_serves_calls_from_many_threads_on_its_own_gpu_and_leaves_nothing(
    standin_python: Path, standin_variables: dict[str, str], tmp_path: Path
) -> None:
    command = [str(standin_python), str(Path(__file__).with_name("run_engine.py")), str(tmp_path), "cuda:1"]
    done = subprocess.run(command, env=os.environ | standin_variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["notice"].startswith("building an engine of resnet50-tiny.onnx in fp32 for Stand-in GPU")
    assert told["right"] == [True] * 6
    assert (told["device"], told["max_batch"], told["precision"]) == ("cuda:1", 8, "fp32")
    assert told["owners"] == [1]
    assert 1 < told["streams"] <= 3  # one for each call at a time
    assert "does not take input_tensor:0 of the shape (9, 3, 48, 48)" in told["too many"]
    assert (told["left"], told["streams left"]) == (0, 0)
    assert "cannot load the engine" in told["other version"]
    assert "not compatible" in told["other version"]


def engines(cache: Path) -> list[dict[str, object]]:
    """Return what stands in the engines of a cache, the newest last."""
    files = sorted(cache.glob("engine/*/content/model.engine"), key=lambda file: file.stat().st_mtime)
    return [json.loads(file.read_bytes().partition(b"\n")[0]) for file in files]


@pytest.mark.slow
def test_a_session_builds_one_engine_for_a_gpu_and_runs_it(
    gpus: RunSession, shared_cache: Path, tmp_path: Path
) -> None:
    cache, out = shared_cache, tmp_path / "results.json"
    options = (*NAMED, *QUICK, f"--mlperf-cache={cache}", f"--mlperf-json={out}")
    session = gpus(*options, "--device=cuda:1", "--backend-option=batch=4")
    assert session.outcomes().startswith("2 passed"), session.output
    assert session.output.count("building an engine of resnet50-tiny.onnx in fp32 for Stand-in GPU") == 1
    accuracy, performance = json.loads(out.read_text())["results"]
    for result in (accuracy, performance):
        assert result["case"] == "resnet50-tiny-nvidia-tensorrt-cuda:1-Offline"
        assert result["device"] == "cuda:1"
        assert result["versions"]["tensorrt"] == "10.16.1"
        assert result["weight_types"] == ["fp32"]
    assert performance["layout"]["batch"] <= 4
    [state] = performance["machine"]["device"]["accelerators"]
    assert (state["name"], state["driver"], state["power_limit_w"]) == ("Stand-in GPU", "580.95.05", 700)
    assert (state["clock_mhz"], state["max_clock_mhz"]) == (1980, 1980)
    engine = engines(cache)[-1]
    assert engine["device"] == 1
    assert (engine["flags"], engine["strongly typed"]) == ([], True)  # no TF32
    assert len(engine["profiles"]) == 2  # type: ignore[arg-type]

    # Products in 16 bits, whatever TensorRT would choose; another engine, which the first GPU builds.
    session = gpus(*options, "--device=cuda", "--precision=fp16", "--mode=accuracy")
    assert session.outcomes().startswith("1 passed"), session.output
    reduced = engines(cache)[-1]
    assert (reduced["device"], reduced["strongly typed"]) == (0, False)
    assert reduced["flags"] == ["FP16", "OBEY_PRECISION_CONSTRAINTS"]
    kinds = dict(each.split() for each in reduced["precisions"])  # type: ignore[attr-defined]
    assert kinds == {"ACTIVATION": "FLOAT", "CONVOLUTION": "HALF", "MATRIX_MULTIPLY": "HALF"}
    [result] = json.loads(out.read_text())["results"]
    assert (result["precision"], result["weight_types"]) == ("fp16", ["fp16"])


def test_a_gpu_that_is_not_there_and_a_file_that_tensorrt_does_not_take_are_told(
    gpus: RunSession, shared_cache: Path
) -> None:
    options = (*NAMED, *QUICK, f"--mlperf-cache={shared_cache}", "--mode=accuracy")
    session = gpus(*options, "--device=cuda:2,cuda:1", "--precision=int8")
    assert session.outcomes().startswith("2 failed"), session.output
    assert "there is no device cuda:2" in session.output
    assert "one of the GPUs that CUDA shows: cuda:0 to cuda:1" in session.output
    assert "cannot build an engine" in session.output
    assert "int8 and zero points of 0" in session.output
    assert "Traceback" not in session.output


@pytest.mark.slow
def test_the_conformance_suite_looks_at_an_engine(gpus: RunSession, shared_cache: Path) -> None:
    options = (*NAMED, *QUICK, f"--mlperf-cache={shared_cache}", "--mode=conformance", "--device=cuda")
    session = gpus(*options)
    assert session.outcomes().startswith("1 passed"), session.output

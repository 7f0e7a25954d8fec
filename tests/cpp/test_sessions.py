"""The C++ programs give the worker's logs and answers, to the last byte, and their faults are those of an item."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pytest_mlperf.conversion.recipe import TFLITE
from pytest_mlperf.cpp.libraries import onnxruntime_library
from pytest_mlperf.environments.pythons import Wanted, choose
from pytest_mlperf.errors import RequirementError
from tests.conftest import support_path
from tests.sandbox import command_line, item, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    import psutil

    from tests.conftest import RunSession, Session
    from tests.sandbox import Sandbox

pytestmark = [
    pytest.mark.backends,
    pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed"),
]

HERE = Path(__file__).parent
#: Not Server, whose batches are as the samples happen to arrive: batches may change the last bits.
SCENARIOS = "Offline,SingleStream,MultiStream"
ONE = ("--model", "resnet50-tiny", "--scenario", "SingleStream", "--mode", "accuracy", "--dataset-size", "50")
GPLUSPLUS = ("g++", "-std=c++17", "-shared", "-fPIC")


@dataclass(frozen=True)
class Kind:
    """An implementation in C++, the backend whose answers it gives, and what it says when the runtime fails."""

    implementation: str
    backend: str
    package: str
    failure: str

    def chosen(self, *more: str) -> tuple[str, ...]:
        return ("--implementation", ",".join((self.implementation, *more)), "--backend", self.backend)


CPP = Kind("cpp", "onnxruntime", "onnxruntime", "ONNX Runtime: the 21st inference failed")
LITE = Kind("tflite-cpp", "tflite", "ai-edge-litert", "LiteRT: an inference failed with status 3")
each_kind = pytest.mark.parametrize("kind", [CPP, LITE], ids=["cpp", "tflite-cpp"])


class RunCpp(Protocol):
    def __call__(self, kind: Kind, *options: str, **variables: str) -> Session: ...


@pytest.fixture
def run_cpp(benchmarks: RunSession, shared_cache: Path, tmp_path: Path) -> RunCpp:
    """Run cases with an implementation in C++, which is built once for all of these tests."""

    def run(kind: Kind, *options: str, **variables: str) -> Session:
        own = {"MLPERF_TEST_LEASES": str(tmp_path), **variables}
        return benchmarks(*kind.chosen(), "--mlperf-cache", str(shared_cache), *options, **own)

    return run


Fault = tuple[tuple[str, ...], dict[str, str]]


@pytest.fixture
def fault(run_cpp: RunCpp, shared_cache: Path, tmp_path: Path) -> Callable[[Kind, str], Fault]:
    """Return the options and variables with which a kind's runtime fails after 20 inferences."""

    def with_fault(kind: Kind, how: str) -> Fault:
        if kind is CPP:
            return faulty_onnxruntime(tmp_path, how)
        run_cpp(LITE, *ONE)  # makes the environment with the package
        return (), {"FAULT": how, "PYTHONPATH": packages(tmp_path, litert(shared_cache))}

    return with_fault


def faulty_onnxruntime(place: Path, how: str) -> Fault:
    command = [*GPLUSPLUS, str(HERE / "faulty_runtime.cc"), "-o", str(place / "libonnxruntime.so"), "-ldl"]
    subprocess.run(command, check=True)
    return (f"--onnxruntime-dir={place}",), {"FAULT": how, "REAL_LIBRARY": str(onnxruntime_library(None))}


def litert(cache: Path) -> Path:
    """Return the package in the environment that a session made."""
    return next(cache.glob("environment/ai-edge-litert-*/content/lib/*/site-packages/ai_edge_litert"))


def packages(place: Path, real: Path, version: str = "2.3.0") -> str:
    """Return a PYTHONPATH with a package of LiteRT whose library is the real one but for a fault."""
    package, described = place / "ai_edge_litert", place / f"ai_edge_litert-{version}.dist-info"
    package.mkdir()
    described.mkdir()
    for each in real.iterdir():
        if each.name != "libLiteRt.so":
            (package / each.name).symlink_to(each)
    (place / "flatbuffers").symlink_to(real.parent / "flatbuffers")
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: ai-edge-litert\nVersion: {version}\n")
    command = [*GPLUSPLUS, str(HERE / "faulty_litert.cc"), "-o", str(package / "libLiteRt.so"), "-ldl"]
    linked = ["-Wl,--no-as-needed", f"-Wl,-rpath,{real}", str(real / "libLiteRt.so")]
    subprocess.run([*command, *linked], check=True)
    return os.pathsep.join((str(place), *support_path()))


def tasks(kind: Kind) -> str:
    """Return the tasks of which a kind has files: some are converted with a newer Python."""
    if kind is LITE:
        try:
            choose(Wanted(specifier=TFLITE.tool.python), os.environ)
        except RequirementError:
            return "resnet50-tiny"
    return "resnet50-tiny,retinanet-tiny,bert-99-tiny"


def results(report: Path) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["case"], each["mode"]): each for each in json.loads(report.read_text())["results"]}


def answers(result: dict[str, Any]) -> dict[int, str]:
    rows = json.loads((Path(result["output"]) / "mlperf_log_accuracy.json").read_text())
    return {row["qsl_idx"]: row["data"] for row in rows}


def settings(result: dict[str, Any]) -> list[str]:
    text = (Path(result["output"]) / "mlperf_log_detail.txt").read_text()
    return re.findall(r'"key": "((?:requested|effective)_\w+", "value": [^,]+)', text)


@each_kind
def test_answers_and_settings_are_those_of_python(
    kind: Kind, benchmarks: RunSession, shared_cache: Path, tmp_path: Path
) -> None:
    cases = (*kind.chosen("python"), "--model", tasks(kind), "--scenario", SCENARIOS)
    found = compared(benchmarks, shared_cache, tmp_path, kind, *cases)
    assert len(found) == 3 * len(tasks(kind).split(",")) - ("bert" in tasks(kind))  # which has no MultiStream
    for result, worker in found:
        assert settings(result) == settings(worker)
        assert result["layout"] == worker["layout"]
        assert result["versions"][kind.package] == worker["versions"][kind.package]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (CPP, ("--model", "retinanet-tiny", "--mlperf-variant", "heads")),
        (CPP, ("--model", "retinanet-tiny", "--mlperf-variant", "batched-heads")),
        (LITE, ("--model", "resnet50-tiny,retinanet-tiny", "--precision", "int8")),
        (LITE, ("--model", "resnet50-tiny", "--backend-option", "xnnpack=0")),
    ],
    ids=["heads", "batched-heads", "int8", "without XNNPACK"],
)
def test_answers_of_other_files_are_those_of_python(
    kind: Kind, options: tuple[str, ...], benchmarks: RunSession, shared_cache: Path, tmp_path: Path
) -> None:
    cases = (*kind.chosen("python"), *options, "--scenario", "Offline")
    assert compared(benchmarks, shared_cache, tmp_path, kind, *cases)


def compared(
    benchmarks: RunSession, cache: Path, tmp_path: Path, kind: Kind, *cases: str
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Run cases with both implementations; return the results of both when the answers are the same."""
    report = tmp_path / "report.json"
    how = ("--mode", "accuracy", "--dataset-size", "96", f"--mlperf-cache={cache}", f"--mlperf-json={report}")
    session = benchmarks(*cases, *how, MLPERF_TEST_LEASES=str(tmp_path))
    assert session.code == 0, session.output
    every = results(report)
    name = f"-{kind.implementation}-"
    pairs = [(each, every[case.replace(name, "-", 1), mode]) for (case, mode), each in every.items() if name in case]
    for result, worker in pairs:
        assert len(answers(result)) == 96
        for key in ("accuracy", "model_sha256", "weight_types", "device"):
            assert result[key] == worker[key], (result["case"], key)
        assert [each["outcome"] for each in result["checks"]] == [each["outcome"] for each in worker["checks"]]
        assert answers(result) == answers(worker), result["case"]
    return pairs


@each_kind
def test_a_performance_run_has_all_of_a_result(kind: Kind, run_cpp: RunCpp, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    easy = ("--test-query-count=700", "--target-qps=200", "--target-latency=2000")
    session = run_cpp(kind, "--model", "resnet50-tiny", "--mode", "performance", *easy, "--mlperf-json", str(report))
    assert session.code == 0, session.output
    assert len(results(report)) == 4
    for (case, _), result in results(report).items():
        # A latency bound of one's own makes another test of Server.
        assert result["verdict"] == ("not comparable" if "Server" in case else "VALID"), case
        assert result["versions"]["loadgen_built"].startswith("source distribution ")
        assert 10 << 20 < result["peak_memory_bytes"] < 1 << 30
        clock = result["clock"]
        assert 0 < clock["shortest"] <= clock["longest"]
        assert sum(result["timeline"]["completed"]) == result["performance"]["samples"]
        assert (result["latencies"] is None) == ("Offline" in case)
        if "Stream" in case:  # in Server, LoadGen's begin when a query was due
            ours, logged = result["latencies"]["quantiles_ms"][50], result["performance"]["latency_ms"]["p50"]
            assert 0.8 * logged < ours <= logged
        assert not (Path(result["output"]) / ".answer_times").exists()
        log = (Path(result["output"]) / "mlperf_log_detail.txt").read_text()
        assert '"is_error": true' not in log
        assert '"file": "loadgen/loadgen.cc"' in log


@pytest.mark.parametrize(
    ("how", "limit", "first", "last_words"),
    [
        ("fails", 0, "the run failed: RuntimeError: {failure}", "{failure}"),
        ("segfaults", 0, "the run crashed: SIGSEGV", "the C++ program crashed; its frames:"),
        ("exits", 0, "the C++ program ended before its test", "exit code 0"),
        ("hangs", 4, "the run did not end within 4 s", "Timeout (0:00:04)!"),
    ],
)
@each_kind
def test_a_fault_of_the_runtime_is_the_items(
    kind: Kind, run_cpp: RunCpp, fault: Callable[[Kind, str], Fault], how: str, limit: int, first: str, last_words: str
) -> None:
    options, variables = fault(kind, how)
    session = run_cpp(kind, *ONE, *options, f"--mlperf-timeout={limit}", **variables)
    assert session.outcomes() == "1 failed, 1 deselected", session.output
    assert "\n" + first.format(failure=kind.failure) in session.output
    assert last_words.format(failure=kind.failure) in session.output


def test_a_library_or_a_model_that_cannot_be_used(run_cpp: RunCpp, tmp_path: Path) -> None:
    (tmp_path / "libonnxruntime.so").write_text("no library")
    session = run_cpp(CPP, *ONE, "--onnxruntime-dir", str(tmp_path))
    assert "libonnxruntime.so cannot be used" in session.output
    assert "file too short" in session.output or "invalid ELF header" in session.output
    (tmp_path / "model.onnx").write_bytes(b"no model" * 100)
    session = run_cpp(CPP, *ONE, "--model-path", str(tmp_path / "model.onnx"))
    assert f"ONNX Runtime cannot load {tmp_path / 'model.onnx'}" in session.output
    other = Path(__file__).parents[2] / "src" / "pytest_mlperf" / "data" / "retinanet-tiny.onnx"
    session = run_cpp(CPP, *ONE, "--model-path", str(other))
    assert "is not a model of this benchmark: its inputs differ" in session.output
    assert "inputs: input_tensor:0 float32[n,3,48,48]; found: images float32[1,3,192,192]" in session.output
    session = run_cpp(CPP, *ONE, "--device", "cuda")
    assert "ONNX Runtime cannot run on cuda here" in session.output
    session = run_cpp(CPP, *ONE, "--backend-option", "threads=2")
    assert "onnxruntime has no option threads" in session.output


def test_a_library_or_a_file_that_litert_cannot_use(run_cpp: RunCpp, shared_cache: Path, tmp_path: Path) -> None:
    session = run_cpp(LITE, *ONE, "--backend-option", "threads=2")
    assert "tflite has no option threads=2" in session.output
    data = HERE.parents[1] / "src" / "pytest_mlperf" / "data"
    session = run_cpp(LITE, *ONE, "--model-path", str(data / "retinanet-tiny-heads-int8.tflite"))
    assert "is not a model of this benchmark: its inputs differ" in session.output
    assert "inputs: input_tensor:0 float32[n,3,48,48]; found: input_tensor:0 float32[n,3,192,192]" in session.output
    cut = tmp_path / "cut.tflite"
    cut.write_bytes((data / "resnet50-tiny.tflite").read_bytes()[:9000])
    session = run_cpp(LITE, *ONE, "--model-path", str(cut))
    assert f"TensorFlow Lite cannot load {cut}" in session.output
    place = tmp_path / "old"
    place.mkdir()
    session = run_cpp(LITE, *ONE, PYTHONPATH=packages(place, litert(shared_cache), "2.1.6"))
    assert "the implementation tflite-cpp needs LiteRT's shared library" in session.output
    assert "version 2.1.6" in session.output
    (place / "ai_edge_litert-2.1.6.dist-info").rename(place / "ai_edge_litert-2.3.0.dist-info")
    metadata = place / "ai_edge_litert-2.3.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("2.1.6", "2.3.0"))
    (place / "ai_edge_litert" / "libLiteRt.so").write_text("no library")
    session = run_cpp(LITE, *ONE, PYTHONPATH=os.pathsep.join((str(place), *support_path())))
    assert "ai-edge-litert cannot be used" in session.output


def programs(sandbox: Sandbox) -> list[psutil.Process]:
    return [
        each for each in sandbox.processes() if command_line(each)[:1] and "pytest-mlperf-sut" in command_line(each)[0]
    ]


@pytest.mark.parametrize("victim", ["session", pytest.param("preparation", marks=pytest.mark.thorough)])
@each_kind
def test_the_program_leaves_with_its_parents(
    kind: Kind,
    sandbox: Sandbox,
    shared_cache: Path,
    run_cpp: RunCpp,
    fault: Callable[[Kind, str], Fault],
    victim: str,
) -> None:
    run_cpp(kind, "--collect-only")
    options, variables = fault(kind, "hangs")
    node = item(f"resnet50-tiny-{kind.implementation}-{kind.backend}-cpu-SingleStream")
    arguments = [node, *kind.chosen(), "--dataset-size=50", *options, f"--mlperf-cache={shared_cache}"]
    session = sandbox.start(*arguments, **variables)
    wait_until(lambda: programs(sandbox), "the program")
    sandbox.wait_for_start_test()
    if victim == "session":
        session.kill()
    else:
        programs(sandbox)[0].parent().kill()
    wait_until(lambda: not programs(sandbox), "the program's end")
    session.communicate()
    sandbox.assert_nothing_is_left()


@pytest.mark.thorough
def test_the_program_is_not_built_twice(run_cpp: RunCpp, shared_cache: Path) -> None:
    assert run_cpp(CPP, *ONE).code == 0
    made = {path: path.stat().st_mtime for path in shared_cache.glob("program/cpp-*/content/*")}
    assert len(made) == 1
    assert run_cpp(CPP, *ONE).code == 0
    assert {path: path.stat().st_mtime for path in shared_cache.glob("program/cpp-*/content/*")} == made

"""The C++ program gives the worker's logs and answers, to the last byte, and its faults are those of an item."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pytest_mlperf.cpp.libraries import onnxruntime_library
from tests.sandbox import command_line, item, wait_until

if TYPE_CHECKING:
    import psutil

    from tests.conftest import RunSession, Session
    from tests.sandbox import Sandbox

pytestmark = [
    pytest.mark.backends,
    pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed"),
]

TASKS = "resnet50-tiny,retinanet-tiny,bert-99-tiny"
#: Not Server, whose batches are as the samples happen to arrive: batches may change the last bits.
SCENARIOS = "Offline,SingleStream,MultiStream"
ONE = ("--model", "resnet50-tiny", "--scenario", "SingleStream", "--mode", "accuracy", "--dataset-size", "50")


class RunCpp(Protocol):
    def __call__(self, *options: str, **variables: str) -> Session: ...


@pytest.fixture
def run_cpp(benchmarks: RunSession, shared_cache: Path, tmp_path: Path) -> RunCpp:
    """Run cases with the implementation cpp, which is built once for all of these tests."""

    def run(*options: str, **variables: str) -> Session:
        own = {"MLPERF_TEST_LEASES": str(tmp_path), **variables}
        return benchmarks("--implementation", "cpp", "--mlperf-cache", str(shared_cache), *options, **own)

    return run


@pytest.fixture(scope="session")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of an ONNX Runtime with a fault."""
    place = tmp_path_factory.mktemp("faulty")
    source = Path(__file__).parent / "faulty_runtime.cc"
    command = ["g++", "-std=c++17", "-shared", "-fPIC", str(source), "-o", str(place / "libonnxruntime.so"), "-ldl"]
    subprocess.run(command, check=True)
    return place


def fault(place: Path, kind: str) -> tuple[str, dict[str, str]]:
    return f"--onnxruntime-dir={place}", {"FAULT": kind, "REAL_LIBRARY": str(onnxruntime_library(None))}


def results(report: Path) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["case"], each["mode"]): each for each in json.loads(report.read_text())["results"]}


def answers(result: dict[str, Any]) -> dict[int, str]:
    rows = json.loads((Path(result["output"]) / "mlperf_log_accuracy.json").read_text())
    return {row["qsl_idx"]: row["data"] for row in rows}


def settings(result: dict[str, Any]) -> list[str]:
    text = (Path(result["output"]) / "mlperf_log_detail.txt").read_text()
    return re.findall(r'"key": "((?:requested|effective)_\w+", "value": [^,]+)', text)


def test_answers_and_settings_are_those_of_python(benchmarks: RunSession, shared_cache: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    cases = ("--implementation", "cpp,python", "--backend", "onnxruntime", "--model", TASKS, "--scenario", SCENARIOS)
    how = ("--mode", "accuracy", "--dataset-size", "96", f"--mlperf-cache={shared_cache}", f"--mlperf-json={report}")
    session = benchmarks(*cases, *how, MLPERF_TEST_LEASES=str(tmp_path))
    assert session.code == 0, session.output
    found = results(report)
    mine = {case: each for (case, _), each in found.items() if "-cpp-" in case}
    assert len(mine) == 8
    for case, result in mine.items():
        worker = found[case.replace("-cpp-", "-", 1), "accuracy"]
        assert len(answers(result)) == 96
        assert settings(result) == settings(worker), case
        assert result["layout"] == worker["layout"]
        assert result["versions"]["onnxruntime"] == worker["versions"]["onnxruntime"]
        for key in ("accuracy", "model_sha256", "weight_types", "device"):
            assert result[key] == worker[key], (case, key)
        assert answers(result) == answers(worker), case


def test_a_performance_run_has_all_of_a_result(run_cpp: RunCpp, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    easy = ("--test-query-count=700", "--target-qps=200", "--target-latency=2000")
    session = run_cpp("--model", "resnet50-tiny", "--mode", "performance", *easy, "--mlperf-json", str(report))
    assert session.code == 0, session.output
    for (case, _), result in results(report).items():
        # A latency bound of one's own makes another test of Server.
        assert result["verdict"] == ("not comparable" if "Server" in case else "VALID"), case
        assert result["versions"]["loadgen_built"].startswith("source distribution ")
        assert 10 << 20 < result["peak_memory_bytes"] < 1 << 30
        clock = result["clock"]
        assert 0 < clock["shortest"] <= clock["longest"]
        log = (Path(result["output"]) / "mlperf_log_detail.txt").read_text()
        assert '"is_error": true' not in log
        assert '"file": "loadgen/loadgen.cc"' in log


@pytest.mark.parametrize(
    ("kind", "limit", "first", "last_words"),
    [
        (
            "fails",
            0,
            "the run failed: RuntimeError: ONNX Runtime: the 21st inference failed",
            "21st inference",
        ),
        ("segfaults", 0, "the run crashed: SIGSEGV", "the C++ program crashed; its frames:"),
        ("exits", 0, "the C++ program ended before its test", "exit code 0"),
        ("hangs", 4, "the run did not end within 4 s", "Timeout (0:00:04)!"),
    ],
)
def test_a_fault_of_the_runtime_is_the_items(
    run_cpp: RunCpp, faulty: Path, kind: str, limit: int, first: str, last_words: str
) -> None:
    option, variables = fault(faulty, kind)
    session = run_cpp(*ONE, option, f"--mlperf-timeout={limit}", **variables)
    assert session.outcomes() == "1 failed, 1 deselected", session.output
    assert f"\n{first}" in session.output
    assert last_words in session.output


def test_a_library_or_a_model_that_cannot_be_used(run_cpp: RunCpp, tmp_path: Path) -> None:
    (tmp_path / "libonnxruntime.so").write_text("no library")
    session = run_cpp(*ONE, "--onnxruntime-dir", str(tmp_path))
    assert "libonnxruntime.so cannot be used" in session.output
    assert "file too short" in session.output or "invalid ELF header" in session.output
    (tmp_path / "model.onnx").write_bytes(b"no model" * 100)
    session = run_cpp(*ONE, "--model-path", str(tmp_path / "model.onnx"))
    assert f"ONNX Runtime cannot load {tmp_path / 'model.onnx'}" in session.output
    other = Path(__file__).parents[2] / "src" / "pytest_mlperf" / "data" / "retinanet-tiny.onnx"
    session = run_cpp(*ONE, "--model-path", str(other))
    assert "is not a model of this benchmark: its inputs differ" in session.output
    assert "inputs: input_tensor:0 float32[n,3,48,48]; found: images float32[1,3,192,192]" in session.output
    session = run_cpp(*ONE, "--device", "cuda")
    assert "ONNX Runtime cannot run on cuda here" in session.output
    session = run_cpp(*ONE, "--backend-option", "threads=2")
    assert "onnxruntime has no option threads" in session.output


def programs(sandbox: Sandbox) -> list[psutil.Process]:
    return [
        each for each in sandbox.processes() if command_line(each)[:1] and "pytest-mlperf-sut" in command_line(each)[0]
    ]


@pytest.mark.parametrize("victim", ["session", pytest.param("preparation", marks=pytest.mark.thorough)])
def test_the_program_leaves_with_its_parents(
    sandbox: Sandbox, shared_cache: Path, run_cpp: RunCpp, faulty: Path, victim: str
) -> None:
    run_cpp("--collect-only")
    option, variables = fault(faulty, "hangs")
    node = item("resnet50-tiny-cpp-onnxruntime-cpu-SingleStream")
    arguments = [node, "--implementation=cpp", "--dataset-size=50", option, f"--mlperf-cache={shared_cache}"]
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
    assert run_cpp(*ONE).code == 0
    made = {path: path.stat().st_mtime for path in shared_cache.glob("program/*/content/*")}
    assert len(made) == 1
    assert run_cpp(*ONE).code == 0
    assert {path: path.stat().st_mtime for path in shared_cache.glob("program/*/content/*")} == made

"""A run that fails, whatever way, is one failed item with its reason; the others go on and nothing is left behind."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.sandbox import PATIENCE_SECONDS, assert_no_traceback, command_line, item, wait_until

if TYPE_CHECKING:
    from tests.sandbox import Sandbox

#: Quick and valid whatever the machine is doing.
EASY = ("--test-query-count=700", "--target-qps=2000", "--target-latency=20000")
#: For each runtime that fails: the scenario, what the item's first line says, and what the end of its log holds.
FAULTS = {
    "raises": ("Offline", "the run failed: RuntimeError: the 21st inference failed", "raise RuntimeError("),
    "aborts": ("SingleStream", "the run crashed: SIGABRT", "runtime: internal invariant violated"),
    "segfaults": ("MultiStream", "the run crashed: SIGSEGV", "Fatal Python error: Segmentation fault"),
    "killed": ("Offline", "the run was killed (SIGKILL), probably because memory ran out", "nothing"),
    "exits": ("Server", "the run failed: SystemExit: 0", "sys.exit(0)"),
    "starves": ("MultiStream", "the run ran out of memory", "Unable to allocate 1.00 EiB"),
    "hangs": ("Server", "the run did not end within 6 s", "Timeout (0:00:06)!"),
    "stalls": ("SingleStream", "the run did not end within 6 s", "Timeout (0:00:06)!"),
}


def check_failure(text: str | None, first: str, last_words: str) -> None:
    assert text is not None
    lines = text.strip().splitlines()
    assert lines[0] == first
    if "within" in first:
        assert re.fullmatch(r"(expected: its end; .+; )?found: .+ after \d+\.\d s; the end of its log:", lines[1]), text
        assert "--mlperf-timeout" in lines[-2]
    else:
        assert lines[1] == "found: the end of its log:"
    assert any(last_words in line for line in lines[2:-1]), text
    assert Path(lines[-1].removeprefix("see the whole log: ")).is_file(), text


#: The quick ones; the rest runs with the slow tests.
QUICK = ("raises", "segfaults")


@pytest.mark.parametrize(
    "runtime", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in FAULTS]
)
def test_a_fault_is_one_failed_item_and_the_others_go_on(sandbox: Sandbox, runtime: str) -> None:
    scenario, first, last_words = FAULTS[runtime]
    limit = ("--mlperf-timeout=6",) if "within" in first else ()
    modes = ("accuracy", "performance")
    items = [item(f"null-{name}-cpu-{scenario}", mode) for mode in modes for name in (runtime, "null")]
    code, output = sandbox.run(*items, *EASY, *limit)
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert_no_traceback(output)
    failures, results = sandbox.failures(), sandbox.results()
    assert len(failures) == len(results) == 4
    for mode, good in (("accuracy", "reached"), ("performance", "VALID")):
        check_failure(failures[f"test_{mode}[null-{runtime}-cpu-{scenario}]"], first, last_words)
        assert failures[f"test_{mode}[null-null-cpu-{scenario}]"] is None
        failed = results[f"null-{runtime}-cpu-{scenario}", mode]
        assert (failed["verdict"], failed["accuracy"], failed["performance"]) == ("failed", None, None)
        assert results[f"null-null-cpu-{scenario}", mode]["verdict"] == good
    sandbox.assert_nothing_is_left()


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["SingleStream", "MultiStream", "Offline", "Server"])
def test_a_failed_inference_in_start_test_is_never_an_empty_answer(sandbox: Sandbox, scenario: str) -> None:
    code, _ = sandbox.run(item(f"null-raises-cpu-{scenario}"))
    assert code == pytest.ExitCode.TESTS_FAILED
    [result] = sandbox.results().values()
    assert (result["verdict"], result["accuracy"]) == ("failed", None)
    # LoadGen was at work, and its accuracy log was not completed by answers that nobody gave.
    assert (Path(result["output"]) / "mlperf_log_detail.txt").exists()
    log = Path(result["output"]) / "mlperf_log_accuracy.json"
    assert not log.exists() or not log.read_text().rstrip().endswith("]")


@pytest.mark.slow
@pytest.mark.parametrize(("runtime", "culprit"), [("segfaults", "string_at"), ("hangs", "in fail")])
def test_the_last_words_show_the_thread_at_fault_among_many(sandbox: Sandbox, runtime: str, culprit: str) -> None:
    limit = ("--mlperf-timeout=6",) if runtime == "hangs" else ()
    sandbox.run(item(f"null-{runtime}-cpu-Offline"), "--num-threads=16", *limit)
    [text] = sandbox.failures().values()
    assert text is not None
    assert text.startswith(FAULTS[runtime][1])
    assert culprit in text
    assert "worker/progress.py" not in text
    sandbox.assert_nothing_is_left()


@pytest.mark.slow
def test_a_forked_process_that_keeps_the_pipes_open_does_not_keep_a_dead_run_alive(sandbox: Sandbox) -> None:
    code, output = sandbox.run(item("null-forks-cpu-SingleStream"), "--mlperf-timeout=0")
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "the run was killed (SIGKILL)" in output
    sandbox.assert_nothing_is_left()


@pytest.mark.slow
def test_another_device_than_the_one_asked_for_fails(sandbox: Sandbox) -> None:
    code, output = sandbox.run(
        str(Path(item("")).parent), "--model=null", "--backend=elsewhere", "--device=gpu", "--scenario=Offline"
    )
    assert code == pytest.ExitCode.TESTS_FAILED
    failures = sandbox.failures()
    assert set(failures) == {f"test_{mode}[null-elsewhere-cuda-Offline]" for mode in ("accuracy", "performance")}
    for text in failures.values():
        assert text is not None
        assert text.startswith("elsewhere did not run on cuda\nexpected: cuda; found: cpu\n")
    assert {result["verdict"] for result in sandbox.results().values()} == {"failed"}
    assert_no_traceback(output)


def test_a_killed_worker_is_one_failed_item(sandbox: Sandbox) -> None:
    session = sandbox.start(item("null-slow-cpu-Offline"), item("null-null-cpu-Offline"), "--dataset-size=30000")
    sandbox.wait_for_start_test()
    [worker] = sandbox.workers()
    worker.kill()
    output, _ = session.communicate(timeout=PATIENCE_SECONDS)
    assert session.returncode == pytest.ExitCode.TESTS_FAILED
    failures = sandbox.failures()
    check_failure(failures["test_accuracy[null-slow-cpu-Offline]"], FAULTS["killed"][1], "nothing")
    assert failures["test_accuracy[null-null-cpu-Offline]"] is None
    assert_no_traceback(output)
    sandbox.assert_nothing_is_left()


@pytest.mark.slow
def test_a_killed_pytest_leaves_nothing_to_the_next_session(sandbox: Sandbox) -> None:
    session = sandbox.start(item("null-stalls-cpu-Offline", "accuracy"), "--mlperf-timeout=0")
    wait_until(
        lambda: any(command_line(process) == ["sleep", "3600.125"] for process in sandbox.processes()),
        "the process that the runtime starts",
    )
    psutil.Process(session.pid).kill()
    session.communicate(timeout=PATIENCE_SECONDS)
    sandbox.assert_nothing_is_left()
    code, output = sandbox.run(item("null-null-cpu-Offline", "performance"), *EASY)
    assert code == 0, output
    assert not any(word in output.lower() for word in ("waiting", "warning", "damaged", "left"))


@pytest.mark.slow
def test_a_pytest_killed_while_it_builds_a_data_set_leaves_a_cache_that_serves(sandbox: Sandbox) -> None:
    cases = [item(f"retinanet-tiny-{backend}-cpu-SingleStream") for backend in ("malformed", "onnxruntime")]
    session = sandbox.start(*cases)
    datasets = sandbox.root / "cache" / "dataset"
    wait_until(lambda: list(datasets.glob(".*/content/**/*.jpg")), "a scene")
    psutil.Process(session.pid).kill()
    session.communicate(timeout=PATIENCE_SECONDS)
    assert [path.name[0] for path in datasets.iterdir()] == ["."], "the kill came too late to meet the build"
    sandbox.assert_nothing_is_left()

    code, output = sandbox.run(*cases, "--dataset-size=20")
    assert code == pytest.ExitCode.TESTS_FAILED, output
    failures = sandbox.failures()
    # A detector whose outputs do not belong together is a model that computes wrongly, not detections of something.
    [what, values, *_] = (failures["test_accuracy[retinanet-tiny-malformed-cpu-SingleStream]"] or "").splitlines()
    assert what == "malformed computes other values than ONNX Runtime: labels for sample 0"
    assert values == "expected: 3 rows, as boxes; found: 2"
    assert failures["test_accuracy[retinanet-tiny-onnxruntime-cpu-SingleStream]"] is None
    assert not any(word in output.lower() for word in ("waiting", "warning", "damaged", "left"))
    assert not list(datasets.glob(".*"))

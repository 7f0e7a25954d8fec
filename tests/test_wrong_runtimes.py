"""A runtime that computes wrongly, or that cannot be used, is one failed item with the reason; the next is unharmed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import BENCHMARKS, assert_no_traceback

if TYPE_CHECKING:
    from tests.sandbox import Sandbox

#: For each runtime: what the failure's first line says, and what its second line holds.
WRONG = {
    "sometimes-wrong": (
        "sometimes-wrong computes other values than ONNX Runtime: output_start_logits",
        "within 0.0005",
    ),
    "shapeless": ("shapeless computes other values than ONNX Runtime: output_start_logits", "expected: the shape ("),
    "not-a-number": (
        "not-a-number computes no valid output: output_end_logits",
        "expected: finite values; found: nan at",
    ),
    "fewer": (
        "fewer computes no valid output: output_start_logits, output_end_logits",
        "expected: 2 outputs; found: 1",
    ),
    "other-precision": ("other-precision did not run in fp32", "expected: fp32; found: bf16"),
    "quits": ("the run ended with exit code 0 and no result", ""),
    "no-import": ("the run failed: ImportError: libruntime.so.7: cannot open shared object file", ""),
    "hangs-at-close": ("hangs-at-close does not come back from close()", "within 20 s"),
}
#: Those that no tests of others show and that take seconds; the rest runs with the slow tests.
QUICK = ("sometimes-wrong", "fewer")


#: What does no harm to a result, and is found by the conformance suite alone.
HARMLESS = ("right", "prints", "spawns", "leaks")


def run(sandbox: Sandbox, *runtimes: str, mode: str = "accuracy") -> dict[str, dict[str, Any]]:
    """Run the tiny BERT on runtimes, those that are right last; check what fails, and return the results."""
    # Its data ships, and takes no time to make.
    options = ("--model=bert-99-tiny", "--scenario=Offline", "--dataset-size=40", "--test-query-count=700")
    code, output = sandbox.run(str(BENCHMARKS), *options, f"--mode={mode}", f"--backend={','.join(runtimes)}")
    assert code == (pytest.ExitCode.TESTS_FAILED if set(runtimes) - {*HARMLESS} else 0), output
    assert_no_traceback(output)
    failures = sandbox.failures()
    results = {result["backend"]: result for result in sandbox.results().values()}
    assert set(results) == set(runtimes)
    for runtime in runtimes:
        text = failures[f"test_{mode}[bert-99-tiny-{runtime}-lengths-cpu-Offline]"]
        result = results[runtime]
        if runtime in HARMLESS:
            assert text is None
            continue
        assert text is not None
        first, second = WRONG[runtime]
        lines = text.strip().splitlines()
        assert lines[0].startswith(first), text
        assert second in "\n".join(lines[1:2]), text
        assert (result["verdict"], result["accuracy"], result["performance"]) == ("failed", None, None)
    sandbox.assert_nothing_is_left()
    return results


def test_a_model_that_computes_wrongly_is_refused_and_the_next_is_unharmed(sandbox: Sandbox) -> None:
    results = run(sandbox, *QUICK, "right")
    [check] = results["right"]["checks"]
    assert (check["name"], check["outcome"]) == ("reference", "passed")
    assert check["said"].startswith("within 0.0e+00 of ONNX Runtime in 2 outputs (8 samples, ")
    assert results["right"]["notes"] == [note for note in results["right"]["notes"] if "compared" not in note]
    assert results["right"]["verdict"] == "reached"


@pytest.mark.slow
def test_every_other_way_to_be_wrong_is_refused_too(sandbox: Sandbox) -> None:
    run(sandbox, *(runtime for runtime in WRONG if runtime not in QUICK), "right")


@pytest.mark.slow
def test_what_a_runtime_prints_and_keeps_does_no_harm_to_its_result(sandbox: Sandbox) -> None:
    results = run(sandbox, *HARMLESS)
    assert len({result["accuracy"]["value"] for result in results.values()}) == 1
    assert "inference done" in (Path(results["prints"]["output"]) / "worker.log").read_text()


@pytest.mark.slow
def test_a_wrong_model_has_no_figure_of_performance(sandbox: Sandbox) -> None:
    results = run(sandbox, "sometimes-wrong", "right", mode="performance")
    assert results["right"]["verdict"] == "VALID"
    assert results["right"]["seconds"]["comparison"] > 0


@pytest.mark.slow
def test_a_runtime_that_is_too_old_is_one_failed_item_that_says_so(sandbox: Sandbox) -> None:
    options = ("--model=bert-99-tiny", "--scenario=Offline", "--dataset-size=40", "--mode=accuracy", "--mlperf-offline")
    code, output = sandbox.run(str(BENCHMARKS), *options, "--backend=too-old,right")
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert_no_traceback(output)
    assert "the backend too-old needs the package numpy\nexpected: numpy>=99; found: numpy " in output
    assert "1 passed, 2 deselected, 1 error" in output

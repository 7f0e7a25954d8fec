"""The conformance suite as a user runs it: one item for a backend with all that was found, whatever that does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import BENCHMARKS, assert_no_traceback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.conftest import RunSession
    from tests.sandbox import Sandbox

NAMES = [
    "device",
    "precision",
    "versions",
    "outputs",
    "reference",
    "reference-batches",
    "repeats",
    "batches",
    "threads",
    "cores",
]
NAMES += ["concurrency", "memory", "close", "stdout"]


def run(sandbox: Sandbox, *backends: str) -> tuple[Mapping[str, str | None], Mapping[str, Mapping[str, Any]], str]:
    """Run the suite on the tiny BERT; return failures and results by backend, and the output."""
    options = ("--mode=conformance", "--model=bert-99-tiny", f"--backend={','.join(backends)}")
    code, output = sandbox.run(str(BENCHMARKS), *options)
    assert code in (0, pytest.ExitCode.TESTS_FAILED), output
    assert_no_traceback(output)
    failures = sandbox.failures()
    assert failures.keys() == {f"test_conformance[bert-99-tiny-{name}-lengths-cpu]" for name in backends}
    results = {result["backend"]: result for result in sandbox.results().values()}
    sandbox.assert_nothing_is_left()
    return {name: failures[f"test_conformance[bert-99-tiny-{name}-lengths-cpu]"] for name in backends}, results, output


@pytest.mark.slow
def test_the_suite_is_collected_where_it_is_asked_for(benchmarks: RunSession) -> None:
    for options, count in (
        ((), 0),
        (("--mode", "accuracy,performance"), 0),
        (("--mode", "conformance"), 1),
        (("--mode", "conformance", "--scenario", "Offline,Server"), 1),
    ):
        session = benchmarks("--collect-only", "-q", "--model=resnet50-tiny", "--backend=onnxruntime", *options)
        collected = [line for line in session.output.splitlines() if "test_conformance[" in line]
        assert len(collected) == count, session.output
        assert all(line.endswith("::test_conformance[resnet50-tiny-onnxruntime-cpu]") for line in collected)


@pytest.mark.slow
def test_every_finding_of_a_backend_is_said_and_the_next_is_unharmed(sandbox: Sandbox) -> None:
    failures, results, output = run(sandbox, "prints", "drifts", "right")
    assert failures["right"] is None
    assert [check["name"] for check in results["right"]["checks"]] == NAMES
    assert results["right"]["verdict"] == "conforms"
    assert re.search(r"right-lengths-cpu +conformance +13 of 14 checks +– +conforms  ", output), output
    assert failures["prints"] is not None
    assert failures["prints"].startswith(
        "prints does not pass the check stdout [conformance]\nexpected: nothing; found: "
    )
    assert failures["drifts"] is not None
    for check in ("reference", "repeats", "concurrency"):
        assert f"drifts does not pass the check {check} [conformance]" in failures["drifts"]
    assert results["drifts"]["verdict"] == "does not conform"
    xml = (sandbox.root / "xml").read_text()
    assert xml.count('name="mlperf.check.stdout" value="failed"') == 1
    assert xml.count('name="mlperf.check.stdout" value="passed"') == 2


@pytest.mark.slow
def test_a_backend_that_ends_the_process_is_told_with_the_check(sandbox: Sandbox) -> None:
    failures, results, _ = run(sandbox, "quits", "segfaults-at-close", "right")
    assert failures["right"] is None
    assert failures["quits"] is not None
    assert failures["quits"].startswith("the run ended with exit code 0 and no result, during the first calls\n")
    assert failures["segfaults-at-close"] is not None
    assert failures["segfaults-at-close"].startswith("the run crashed: SIGSEGV, during the check threads\n")
    assert results["segfaults-at-close"]["verdict"] == "failed"

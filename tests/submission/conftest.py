"""Real finished runs of the tiny edition, short, and submissions made of them."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import pytest

from pytest_mlperf.machine.hardware import Machine
from pytest_mlperf.rules.round import Layout, find_round
from pytest_mlperf.run.result import RunResult
from pytest_mlperf.submission.plan import Result, SubmissionPlan, system_directory
from pytest_mlperf.submission.system import Identity, describe_system
from tests.conftest import REPOSITORY, run_benchmarks

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = "pytest benchmarks -k retinanet --scenario Offline --mlperf-submit --submitter Community"
MACHINE = Machine(processor="AMD EPYC", sockets=1, cores_per_socket=2, memory_bytes=16 << 30, storage_bytes=10**12)


class MakePlan(Protocol):
    def __call__(self, layout: Layout = ..., **changes: Any) -> SubmissionPlan: ...


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> tuple[Result, ...]:
    """Accuracy and performance of Offline and SingleStream."""
    here = tmp_path_factory.mktemp("runs")
    options = (
        "--model=retinanet-tiny",
        "--backend=onnxruntime",
        "--scenario=Offline,SingleStream",
        "--dataset-size=20",
    )
    easy = ("--test-query-count=70", "--target-qps=100", "--mlperf-json=results.json", f"--mlperf-cache={shared_cache}")
    session = run_benchmarks(*options, *easy, directory=here)
    found = json.loads((here / "results.json").read_text())["results"]
    results = [msgspec.convert({**each, "output": str(here / each["output"])}, RunResult) for each in found]
    assert len(results) == 4, session.output
    by_case: dict[str, dict[str, RunResult]] = {}
    for result in results:
        by_case.setdefault(result.case, {})[result.mode] = result
    return tuple(Result(modes["accuracy"], modes["performance"]) for _, modes in sorted(by_case.items()))


@pytest.fixture
def make_plan(runs: tuple[Result, ...]) -> MakePlan:
    """Plan a submission of the runs."""

    def make(layout: Layout = "measurements", **changes: Any) -> SubmissionPlan:
        identity = Identity("open", "Community", "edge", "box")
        every = [run for result in runs for run in (result.accuracy, result.performance)]
        plan = SubmissionPlan(
            division="open",
            submitter="Community",
            system=system_directory("box", runs[0].performance),
            round=find_round("v5.1" if layout == "measurements" else "v6.0"),
            description=describe_system(identity, every, machine=MACHINE),
            results=runs,
            command=COMMAND,
            code=(REPOSITORY / "benchmarks",),
        )
        return dataclasses.replace(plan, **changes)

    return make


def files_of(directory: Path) -> dict[str, bytes]:
    return {p.relative_to(directory).as_posix(): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}

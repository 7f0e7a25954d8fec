"""Each official edition runs on stand-in files in every scenario, and ends in a submission that is short at worst."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession


@dataclass(frozen=True)
class Edition:
    """An official edition.

    Attributes
    ----------
    stand_ins
        The module of this directory whose ``make`` writes a model and a data set.
    round
        A round that has the benchmark in all of its scenarios.
    scenarios
        How many that are.
    samples
        What the data set of the stand-ins has.
    rate
        Queries a second in Server, so low that they are on time on a machine that is a tenth as fast as a quiet one.
    """

    stand_ins: str
    round: str
    scenarios: int
    samples: int
    rate: int = 100


EDITIONS = {
    # 15 ms for 99 of 100 queries: on a busy machine each pause of the process makes the queries of that time late.
    "resnet50": Edition("resnet50", "v5.1", 4, 6, rate=50),
    "bert-99": Edition("bert", "v4.1", 3, 8),
    "bert-99.9": Edition("bert", "v4.1", 3, 8),
    "rnnt": Edition("rnnt", "v4.0", 3, 4, rate=30),
    "3d-unet-99": Edition("unet3d", "v6.1", 2, 3),
    "3d-unet-99.9": Edition("unet3d", "v6.1", 2, 3),
    "yolo-95": Edition("yolo", "v6.1", 3, 6),
    "yolo-99": Edition("yolo", "v6.1", 3, 6),
}
#: The other target of a benchmark changes one number: these are run in one scenario.
FEW = ("bert-99.9", "3d-unet-99.9", "yolo-99")


@pytest.mark.slow
@pytest.mark.flaky(reruns=2, only_rerun="early-stopping")  # a latency bound, on a machine that does other work
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.thorough] if name in FEW else []) for name in EDITIONS]
)
def test_an_official_edition_runs_in_each_scenario_and_is_packed_as_short(
    name: str, benchmarks: RunSession, tmp_path: Path
) -> None:
    edition = EDITIONS[name]
    (tmp_path / "stand-ins").mkdir()
    model, dataset = import_module(f"tests.official.{edition.stand_ins}").make(tmp_path / "stand-ins")
    results, scenario = tmp_path / "results.json", ("--scenario=Offline",) if name in FEW else ()
    session = benchmarks(
        f"--model={name}",
        f"--model-path={model}",
        f"--dataset-path={dataset}",
        f"--dataset-size={edition.samples}",
        f"--round={edition.round}",
        *scenario,
        f"--target-qps={edition.rate}",
        "--backend=onnxruntime",
        "--system-type=datacenter,edge",
        "--mlperf-submit",
        "--submitter=Community",
        f"--mlperf-json={results}",
        MLPERF_TEST_LEASES=str(tmp_path),
    )
    assert session.code == 0, session.output
    count = 1 if name in FEW else edition.scenarios
    assert session.outcomes().startswith(f"{3 * count} passed"), session.output
    verdicts = {result["verdict"] for result in json.loads(results.read_text())["results"]}
    assert verdicts <= {"not comparable", "VALID"}
    tarball = tmp_path / "here" / "open.tar.gz"
    done = subprocess.run(
        [sys.executable, "-m", "pytest_mlperf", "check", tarball, "--json"], capture_output=True, text=True, check=False
    )
    assert json.loads(done.stdout)["verdict"] == "short", done.stdout

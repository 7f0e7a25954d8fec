"""Which round a case is run by, with real LoadGen runs: the seeds of its log say it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.errors import OptionError
from pytest_mlperf.implementations.protocol import RunOptions
from pytest_mlperf.plugin.matrix import Matrix
from pytest_mlperf.plugin.options import Settings
from pytest_mlperf.plugin.selection import Selection
from pytest_mlperf.registry import Registry
from pytest_mlperf.rules.round import find_round
from pytest_mlperf.run.case import Case, Plan
from pytest_mlperf.run.spec import spec_of
from tests.conftest import SUPPORT

if TYPE_CHECKING:
    from pytest_mlperf.implementations.protocol import RoundSettings
    from tests.conftest import RunSession

#: qsl, sample index and schedule, as each round's mlperf.conf has them.
SEEDS = {
    "v4.0": [13281865557512327830, 198141574272810017, 7575108116881280410],
    "v5.1": [1780908523862526354, 14771362308971278857, 18209322760996052031],
}
TINY = ("--model=retinanet-tiny", "--backend=onnxruntime", "--scenario=Offline")


def seeds(result: dict[str, Any]) -> list[int]:
    log = (Path(result["output"]) / "mlperf_log_detail.txt").read_text("utf-8")
    lines = [json.loads(line.removeprefix(":::MLLOG ")) for line in log.splitlines() if line.startswith(":::MLLOG ")]
    found = {line["key"]: line["value"] for line in lines}
    return [found[f"effective_{name}_rng_seed"] for name in ("qsl", "sample_index", "schedule")]


@pytest.mark.parametrize(
    ("options", "ini", "expected"),
    [
        pytest.param(("--mode=performance",), "", "v5.1", marks=pytest.mark.slow),
        (("--mode=accuracy", "--dataset-size=20"), "", "v5.1"),
        pytest.param(("--mode=performance", "--round=v5.1"), "mlperf_round = v4.0", "v5.1", marks=pytest.mark.slow),
        (("--mode=performance", "--round=4.0"), "", "v4.0"),
        (("--mode=accuracy", "--dataset-size=20"), "mlperf_round = v4.0", "v4.0"),
    ],
)
def test_loadgen_runs_with_the_seeds_of_the_round(
    benchmarks: RunSession,
    tmp_path: Path,
    shared_cache: Path,
    options: tuple[str, ...],
    ini: str,
    expected: str,
) -> None:
    config = tmp_path / "here" / "pytest.ini"
    config.write_text(f"[pytest]\n{ini}\n")
    session = benchmarks(
        *TINY,
        *options,
        "--test-query-count=16",
        f"--mlperf-cache={shared_cache}",
        f"--mlperf-json={tmp_path / 'r.json'}",
        f"--junitxml={tmp_path / 'j.xml'}",
        f"-c={config}",
        COLUMNS="80",
    )
    [result] = json.loads((tmp_path / "r.json").read_text())["results"]
    assert seeds(result) == SEEDS[expected], session.output
    assert result["round"] == expected
    assert f"MLPerf results: tiny edition, round {expected} " in session.output
    properties = {p.get("name"): p.get("value") for p in ET.parse(tmp_path / "j.xml").iter("property")}  # noqa: S314
    assert properties["mlperf.round"] == expected


def test_what_is_in_no_round_runs_by_loadgens_own(benchmarks: RunSession, tmp_path: Path) -> None:
    written = tmp_path / "r.json"
    options = ("--model=null", "--backend=null", "--scenario=Offline", "--mode=performance", "--round=v4.0")
    session = benchmarks(*options, f"--mlperf-json={written}")
    assert session.code == 0, session.output
    [result] = json.loads(written.read_text())["results"]
    assert result["round"] == ""
    assert seeds(result) != SEEDS["v4.0"]
    assert "tiny edition, round" not in session.output


def test_an_unknown_round_is_a_usage_error_that_lists_the_rounds(benchmarks: RunSession) -> None:
    session = benchmarks(*TINY, "--round=v9.9")
    assert session.code == pytest.ExitCode.USAGE_ERROR
    assert "there is no round v9.9" in session.output
    assert "v2.1, v3.0, v3.1, v4.0, v4.1, v5.0, v5.1, v6.0, v6.1" in session.output


def test_a_round_without_the_benchmark_fails_the_item_and_names_those_that_have_it(benchmarks: RunSession) -> None:
    session = benchmarks(*TINY, "--mode=performance", "--round=v6.1")
    assert session.code == 1
    assert "round v6.1 does not have retinanet" in session.output
    assert "expected: one of v2.1, v3.0, v3.1, v4.0, v4.1, v5.0, v5.1, v6.0; found: --round v6.1" in session.output
    assert "Traceback" not in session.output


def plan_of(benchmark: str, *models: str, named: str | None = None) -> Plan:
    """Return what the matrix decides for a benchmark of the test runtimes or of ours, with options of the user."""
    settings = read_settings_of(models, named)
    [case, *_] = [case for case in Matrix(Registry(), settings).cases("accuracy") if case.benchmark == benchmark]
    return case.plan


def read_settings_of(models: tuple[str, ...], named: str | None) -> Settings:
    values: dict[str, Any] = {field.name: None for field in fields(Settings)}
    values |= {
        "model_path": (),
        "endpoint": (),
        "dataset_path": (),
        "compare_model": (),
        "precision": "fp32",
        "run_length": "short",
        "round": named,
    }
    return Settings(**values | {"selection": Selection(model=models, device=("cpu",))})


def name_of(benchmark: str, *models: str, named: str | None = None) -> str:
    found = plan_of(benchmark, *models, named=named).round
    return found.name if found else ""


@pytest.fixture
def _runtimes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SUPPORT))


@pytest.mark.usefixtures("_runtimes")
def test_the_default_is_the_newest_round_of_the_benchmark_and_with_model_that_of_all_of_them() -> None:
    assert name_of("classifier-tiny") == "v6.1"
    both = ("classifier-tiny", "retinanet")
    assert name_of("classifier-tiny", *both) == name_of("retinanet", *both) == "v5.1"
    assert name_of("retinanet", "retinanet", "null") == "v5.1"  # what is in no round has no say
    assert name_of("null") == name_of("null", "null", "retinanet") == ""


def test_a_named_round_counts_for_open_division_too() -> None:
    assert name_of("retinanet", named="v6.0") == "v6.0"  # where closed division does not take it
    with pytest.raises(OptionError, match="does not have retinanet"):
        plan_of("retinanet", named="v6.1")


def test_what_a_case_is_does_not_depend_on_the_cases_beside_it() -> None:
    alone = Matrix(Registry(), read_settings_of(("retinanet-tiny",), None)).cases("accuracy")
    beside = Matrix(Registry(), read_settings_of((), None)).cases("accuracy")
    of_one = {case.id: case.plan.round for case in alone}
    assert of_one
    assert of_one == {case.id: case.plan.round for case in beside if case.id in of_one}


def test_loadgen_is_told_the_rounds_figures_of_the_benchmark() -> None:
    def told(name: str, benchmark: str) -> RoundSettings:
        found = find_round(name)
        plan = replace(plan_of("retinanet-tiny"), round=found, rules=found.benchmarks[benchmark])
        case = Case("b", "python", "onnxruntime", "cpu", "Offline", "performance", decided=plan)
        options = RunOptions(run_length="short")
        spec = spec_of(case, options, plan.model, place="model", dataset=Path("data"), output=Path("out"))
        assert spec.round is not None
        return spec.round

    old, new = told("v2.1", "3d-unet-99"), told("v5.1", "3d-unet-99")
    assert (old.performance_sample_count, old.offline_samples_per_query) == (42, 24_576)
    assert (new.performance_sample_count, new.offline_samples_per_query) == (43, 43)
    assert old.min_duration_ms == new.min_duration_ms == 600_000
    assert told("v4.1", "bert-99").server_target_latency_ns == 130_000_000
    assert told("v5.0", "bert-99").server_target_latency_ns is None

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.errors import OptionError
from pytest_mlperf.plugin.marker import read_mark
from pytest_mlperf.registry import Registry

if TYPE_CHECKING:
    from tests.conftest import RunSession, Session

NULL = ("--model", "null", "--backend", "null")


def test_the_matrix_has_readable_ids(benchmarks: RunSession) -> None:
    listed = benchmarks("--collect-only", "-q", "--model", "retinanet-tiny").output
    for scenario in ("Offline", "Server", "SingleStream", "MultiStream"):
        assert f"test_accuracy[retinanet-tiny-onnxruntime-cpu-{scenario}]" in listed
        assert f"test_performance[retinanet-tiny-onnxruntime-cpu-{scenario}]" in listed


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (
            ("-k", "retinanet and tiny and Server"),
            [
                "test_accuracy[retinanet-tiny-onnxruntime-cpu-Server]",
                "test_performance[retinanet-tiny-onnxruntime-cpu-Server]",
            ],
        ),
        (
            ("--model", "retinanet-tiny", "--scenario", "offline", "--mode", "accuracy"),
            ["test_accuracy[retinanet-tiny-onnxruntime-cpu-Offline]"],
        ),
        (
            ("-m", "performance and official", "--scenario", "Offline", "-k", "retinanet"),
            ["test_performance[retinanet-onnxruntime-cpu-Offline]"],
        ),
        (
            ("--model", "retinanet-tiny", "--device", "gpu", "--scenario", "Offline", "--mode", "performance"),
            ["test_performance[retinanet-tiny-onnxruntime-cuda-Offline]"],
        ),
    ],
)
def test_options_keywords_and_marks_narrow_the_matrix(
    benchmarks: RunSession, options: tuple[str, ...], ids: list[str]
) -> None:
    session = benchmarks("--collect-only", "-q", *options, "--backend", "onnxruntime")
    listed = [line.partition("::")[2] for line in session.output.splitlines() if "::" in line]
    assert listed == ids


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--scenario", "Ofline"), "did you mean 'Offline'?"),
        (("--model", "birch"), "one of 3d-unet-99, 3d-unet-99-tiny, 3d-unet-99.9, "),
        (("--model", "null", "--backend", "onnxruntime"), "the options select no case"),
        (("--user-conf", "missing.conf"), "cannot read the user.conf"),
    ],
)
def test_an_option_that_cannot_be_used_is_a_usage_error(
    benchmarks: RunSession, options: tuple[str, ...], says: str
) -> None:
    session = benchmarks(*options)
    assert session.code == pytest.ExitCode.USAGE_ERROR
    assert says in session.output
    assert "Traceback" not in session.output


def test_a_node_id_runs_its_case_and_reports_it_everywhere(benchmarks: RunSession, tmp_path: Path) -> None:
    from tests.conftest import REPOSITORY

    node = f"{REPOSITORY}/benchmarks/test_mlperf.py::test_performance[null-null-cpu-SingleStream]"
    session = benchmarks(
        "--test-query-count=64", f"--mlperf-json={tmp_path / 'r.json'}", f"--junitxml={tmp_path / 'j.xml'}", path=node
    )
    assert session.code == 0, session.output
    assert session.outcomes() == "1 passed"
    assert "MLPerf results: tiny edition" in session.output
    assert "VALID (short)" in session.output
    assert "a minimum of 600 s (here: 0 s)" in session.output

    [result] = json.loads((tmp_path / "r.json").read_text())["results"]
    assert (result["case"], result["mode"], result["verdict"]) == ("null-null-cpu-SingleStream", "performance", "VALID")
    assert result["performance"]["samples"] == 64
    assert (Path(result["output"]) / "mlperf_log_summary.txt").stat().st_size > 0
    assert str(Path(result["output"]).parent.name) in session.output

    properties = {p.get("name"): p.get("value") for p in ET.parse(tmp_path / "j.xml").iter("property")}  # noqa: S314
    assert properties["mlperf.verdict"] == "VALID"
    assert properties["mlperf.run_length"] == "short"
    assert properties["mlperf.device"] == "cpu"
    assert float(str(properties["mlperf.latency_p99_ms"])) > 0
    assert properties["mlperf.result_name"] == "90th-percentile latency, early stopping"
    assert "p90, early stopping: " in session.output
    assert properties["mlperf.version.loadgen"]


def test_a_run_that_loadgen_calls_invalid_fails_with_each_condition(benchmarks: RunSession) -> None:
    session = benchmarks(*NULL, "--mode=performance", "--scenario=SingleStream", "--test-query-count=10")
    assert session.code == 1
    assert "too few queries for a percentile that can be trusted [early-stopping]" in session.output
    assert "54 more queries: a min_query_count of 64; with pytest: --test-query-count 64" in session.output
    assert "INVALID (short)" in session.output
    assert "Traceback" not in session.output


def test_every_scenario_runs_in_both_modes(benchmarks: RunSession) -> None:
    # A bound that a busy machine keeps, too.
    session = benchmarks(*NULL, "--test-query-count=700", "--target-qps=1000", "--target-latency=2000")
    assert session.outcomes() == "8 passed", session.output
    assert session.output.count("answered 100.000 %") == 4


def test_missing_official_files_are_a_skip_beside_others_and_an_error_alone(benchmarks: RunSession) -> None:
    beside = benchmarks(
        "-k",
        "retinanet-onnxruntime-cpu-Offline or null",
        "--mode",
        "accuracy",
        "--scenario",
        "Offline",
        "-rs",
        "--backend",
        "onnxruntime,null",
    )
    assert beside.outcomes().startswith("1 passed, 1 skipped"), beside.output
    assert "resnext50_32x4d_fpn.onnx (148,688,824 bytes; give it with --model-path FILE" in beside.output
    assert "or fetch it with --mlperf-fetch" in beside.output
    alone = benchmarks("--model", "retinanet", "--mode", "accuracy", "--scenario", "Offline")
    assert alone.code == 1
    assert "retinanet cannot run" in alone.output
    assert "148,688,824 bytes" in alone.output


@pytest.mark.slow
def test_last_failed_runs_what_failed(benchmarks: RunSession, tmp_path: Path) -> None:
    options = (
        *NULL,
        "--mode=performance",
        "--scenario=SingleStream,Offline",
        "--test-query-count=10",
        "-p",
        "cacheprovider",
        "-o",
        f"cache_dir={tmp_path / 'cache'}",
    )
    assert benchmarks(*options).outcomes().startswith("1 failed, 1 passed")
    again = benchmarks(*options, "--lf")
    assert "null-null-cpu-SingleStream" in again.output
    assert again.outcomes().startswith("1 failed")
    assert "passed" not in again.outcomes()


def test_the_header_says_what_is_in_force_and_where_it_comes_from(benchmarks: RunSession, tmp_path: Path) -> None:
    output = benchmarks(*NULL, "--collect-only", "--short", PYTEST_MLPERF_CACHE=str(tmp_path)).output
    assert "run length short, device cpu" in output
    assert "--model null (command line)" in output
    assert f"--mlperf-cache {tmp_path} ($PYTEST_MLPERF_CACHE)" in output
    assert "run length short, device cpu" in benchmarks("--collect-only").output


def test_a_session_without_cases_says_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    assert "mlperf:" not in pytester.runpytest_subprocess().stdout.str()


def test_the_plugin_can_be_turned_off(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest_subprocess("-p", "no:mlperf", "--scenario", "Offline")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "unrecognized arguments: --scenario" in result.stderr.str()


def test_a_users_own_test_gets_the_files_of_its_case(benchmarks: RunSession, tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "import pytest\n"
        "@pytest.mark.mlperf(mode='performance')\n"
        "def test_files(mlperf_case, model, dataset, python, loadgen):\n"
        "    assert mlperf_case.mode == 'performance'\n"
        "    assert model.path.is_file() and len(model.sha256) == 64 and dataset.is_dir()\n"
        "    assert python.version and loadgen.version\n"
    )
    assert benchmarks(*NULL, "--scenario=Offline", path=tmp_path / "test_mine.py").outcomes() == "1 passed"


def collected(benchmarks: RunSession, tmp_path: Path, mark: str) -> Session:
    """Collect a test with a mark."""
    (tmp_path / "test_mine.py").write_text(f"import pytest\n@pytest.mark.mlperf({mark})\ndef test_it(mlperf): pass\n")
    return benchmarks("--collect-only", "-q", path=tmp_path / "test_mine.py")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mark", "says"),
    [
        ("mode='speed'", "expected: one of accuracy, performance, compliance, conformance; found: speed"),
        ("mod='performance'", "the mark mlperf has no such argument"),
        ("'retinanet-tiny', 'Offline'", "the mark mlperf has no such argument"),
        ("'retinanet-tiny', model='null'", "the mark mlperf has no such argument"),
        ("'retinanet_tiny'", "did you mean 'retinanet-tiny'?"),
        ("scenario=['Offline', 'Online']", "did you mean 'Offline'?"),
        ("backend='onnxrt'", "did you mean 'onnxruntime'?"),
        ("device='gpuu'", "did you mean 'gpu'?"),
    ],
)
def test_a_mark_that_means_nothing_is_an_error(benchmarks: RunSession, tmp_path: Path, mark: str, says: str) -> None:
    session = collected(benchmarks, tmp_path, mark)
    assert session.code != 0
    assert says in session.output
    assert "test_it" in session.output


@pytest.mark.parametrize(
    ("mark", "ids"),
    [
        ("'null', backend='null', scenario='Offline'", ["null-null-cpu-Offline"]),
        (
            "model=['null'], backend='null', scenario=['offline', 'Server']",
            ["null-null-cpu-Offline", "null-null-cpu-Server"],
        ),
        (
            "'null', backend='null', scenario='Offline', mode=['accuracy', 'performance']",
            ["null-null-cpu-Offline-accuracy", "null-null-cpu-Offline-performance"],
        ),
        ("'null', backend='null', scenario='Offline', device='gpu'", []),
    ],
)
def test_a_marks_arguments_select(benchmarks: RunSession, tmp_path: Path, mark: str, ids: list[str]) -> None:
    session = collected(benchmarks, tmp_path, mark)
    assert [
        line.partition("[")[2].rstrip("]") for line in session.output.splitlines() if "::test_it[null" in line
    ] == ids


@pytest.mark.parametrize(
    "given", [{"mode": 1}, {"scenario": []}, {"device": None}, {"model": ["retinanet", 2]}, {"backend": {"null"}}]
)
def test_a_marks_argument_is_a_name_or_a_list_of_names(given: dict[str, object]) -> None:
    with pytest.raises(OptionError, match="expected: a name or a list of names"):
        read_mark((), given, Registry())
    assert read_mark((), {"mode": ("accuracy", "accuracy")}, Registry()).mode == ("accuracy",)


def test_a_mark_is_checked_on_a_test_without_a_case_and_in_workers(benchmarks: RunSession, tmp_path: Path) -> None:
    test = tmp_path / "test_mine.py"
    test.write_text("import pytest\n@pytest.mark.mlperf(mod='performance')\ndef test_it(): pass\n")
    for options in ((), ("-n1",)):
        session = benchmarks(*options, path=test)
        assert session.code != 0
        assert "the mark mlperf has no such argument" in session.output
        assert "passed" not in session.outcomes()


@pytest.mark.slow
def test_an_audit_file_in_the_current_directory_is_ignored_with_a_note(benchmarks: RunSession, tmp_path: Path) -> None:
    (tmp_path / "here" / "audit.config").write_text("*.*.mode = 1\n")
    session = benchmarks(*NULL, "--mode=performance", "--scenario=Offline", "--test-query-count=64")
    assert session.outcomes().startswith("1 passed"), session.output
    assert "audit.config is ignored" in session.output
    [log] = (tmp_path / "here" / "mlperf-results").rglob("mlperf_log_detail.txt")
    modes = [json.loads(line.partition(" ")[2]) for line in log.read_text().splitlines() if "_test_mode" in line]
    assert {mode["key"]: mode["value"] for mode in modes} == {
        "requested_test_mode": "PerformanceOnly",
        "effective_test_mode": "PerformanceOnly",
    }

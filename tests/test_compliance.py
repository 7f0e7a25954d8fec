"""Compliance tests as items: an honest system passes, one that is not is caught, and each run is made once."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.rules.detail_log import read_detail_log
from pytest_mlperf.rules.round import rounds
from tests.sandbox import BENCHMARKS

if TYPE_CHECKING:
    from tests.conftest import RunSession, Session

#: The figures of two runs are compared, on a machine that does other work.
pytestmark = pytest.mark.flaky(reruns=3, only_rerun="compliance-performance")

CLASSIFIER = ("--model", "classifier-tiny", "--mode", "compliance")
#: Runs of a moment: the backends for classifier-tiny sleep instead of computing.
BRIEF = ("--test-query-count", "200", "--dataset-size", "100", "--mlperf-json", "results.json")
RUN_LOGS = {"mlperf_log_detail.txt", "mlperf_log_summary.txt"}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "here"


@pytest.fixture
def classifier(benchmarks: RunSession, tmp_path: Path) -> RunSession:
    """Run compliance tests of the benchmark classifier-tiny, briefly; its device is nobody else's."""
    return partial(benchmarks, *CLASSIFIER, *BRIEF, MLPERF_TEST_LEASES=str(tmp_path))


def results(here: Path) -> dict[str, dict[str, Any]]:
    """Return the session's results by test, or by mode where there is none."""
    found = json.loads((here / "results.json").read_text())["results"]
    return {result["test"] or result["mode"]: result for result in found}


def files(directory: str) -> set[str]:
    return {str(path.relative_to(directory)) for path in Path(directory).rglob("*") if path.is_file()}


def verdicts(directory: str, name: str) -> list[str]:
    return [line for line in Path(directory, name).read_text().splitlines() if line.startswith("TEST ")]


def listed(session: Session) -> list[str]:
    return [line.partition("::")[2] for line in session.output.splitlines() if "::" in line]


def test_nobody_is_given_compliance_tests_that_he_did_not_ask_for(benchmarks: RunSession) -> None:
    session = benchmarks(
        "--collect-only", "-q", "--model", "retinanet-tiny", "--backend", "onnxruntime", "-k", "Offline"
    )
    assert listed(session) == [
        "test_accuracy[retinanet-tiny-onnxruntime-cpu-Offline]",
        "test_performance[retinanet-tiny-onnxruntime-cpu-Offline]",
    ]


@pytest.mark.parametrize(
    ("options", "tests"),
    [
        (("--model", "retinanet-tiny", "--backend", "onnxruntime"), ["TEST01"]),
        (("--model", "retinanet-tiny", "--backend", "onnxruntime", "--round", "v4.1"), ["TEST01", "TEST05"]),
        (("--model", "classifier-tiny", "--backend", "honest"), ["TEST01", "TEST04"]),
        (("--model", "classifier-tiny,null", "--backend", "honest", "-k", "TEST04"), ["TEST04"]),
    ],
)
def test_the_round_says_which_tests_a_benchmark_has(
    benchmarks: RunSession, options: tuple[str, ...], tests: list[str]
) -> None:
    session = benchmarks("--collect-only", "-q", "--mode", "compliance", "--scenario", "Offline", *options)
    case = "retinanet-tiny-onnxruntime-cpu" if "retinanet-tiny" in options else "classifier-tiny-honest-cpu"
    assert listed(session) == [f"test_compliance[{case}-Offline-{test}]" for test in tests]


def test_a_benchmark_without_compliance_tests_is_refused_before_anything_runs(benchmarks: RunSession) -> None:
    session = benchmarks("--mode", "compliance", "--model", "null")
    assert session.code == pytest.ExitCode.USAGE_ERROR
    assert "the options select no case" in session.output


@pytest.mark.slow
def test_the_tiny_edition_passes_test01_and_leaves_the_official_files(
    benchmarks: RunSession, here: Path, shared_cache: Path
) -> None:
    session = benchmarks(
        *("--model", "retinanet-tiny", "--backend", "onnxruntime", "--scenario", "SingleStream"),
        *("--mode", "accuracy,performance,compliance"),
        *("--dataset-size", "100", "--mlperf-json", "results.json", "--junitxml", "junit.xml"),
        *("--mlperf-cache", str(shared_cache)),
    )
    assert session.code == pytest.ExitCode.OK, session.output
    accuracy, performance, tested = (results(here)[name] for name in ("accuracy", "performance", "TEST01"))
    compliance = tested["compliance"]
    assert tested["mode"] == "compliance"
    assert tested["case"] == accuracy["case"] == "retinanet-tiny-onnxruntime-cpu-SingleStream"
    assert (compliance["accuracy_run"], compliance["performance_run"]) == (accuracy["output"], performance["output"])
    assert tested["layout"] == performance["layout"]
    assert compliance["answers"] > 0
    assert compliance["different"] == 0

    directory = compliance["directory"]
    assert Path(directory).name == "TEST01"
    assert files(directory) == {
        "verify_accuracy.txt",
        "verify_performance.txt",
        "accuracy/accuracy.txt",
        "accuracy/mlperf_log_accuracy.json",
        *(f"performance/run_1/{name}" for name in RUN_LOGS),
    }
    assert verdicts(directory, "verify_accuracy.txt") == ["TEST PASS"]
    assert Path(directory, "accuracy/accuracy.txt").read_text() == f"mAP={compliance['compliance_accuracy']:.3f}%\n"
    log = read_detail_log(Path(directory, "performance/run_1/mlperf_log_detail.txt"))
    assert log.values["effective_accuracy_log_sampling_target"] == 256
    assert log.values["effective_test_mode"] == "PerformanceOnly"
    assert not log.errors

    recorded = json.loads(Path(tested["output"], "run.json").read_text())["audit"]
    assert Path(tested["output"], "audit.config").read_text() == recorded
    assert "compliance TEST01" in session.output
    junit = ET.parse(here / "junit.xml")  # noqa: S314 - our own
    properties = {each.get("name"): each.get("value") for each in junit.iter("property")}
    assert properties["mlperf.compliance_directory"] == directory


def test_an_honest_system_passes_what_its_round_asks(classifier: RunSession, here: Path) -> None:
    session = classifier("--backend", "honest", "--scenario", "Offline")
    assert session.code == pytest.ExitCode.OK, session.output
    assert results(here).keys() == {"TEST01", "TEST04"}
    repeated = results(here)["TEST04"]["compliance"]["directory"]
    assert files(repeated) == {"verify_performance.txt", *(f"performance/run_1/{name}" for name in RUN_LOGS)}
    log = read_detail_log(Path(repeated, "performance/run_1/mlperf_log_detail.txt"))
    assert log.values["effective_performance_issue_same"] is True
    # Two tests, and the runs that they are about: each once.
    assert len(list(here.glob("mlperf-results/*/*/run.json"))) == 4


@pytest.mark.parametrize("scenario", ["Offline", pytest.param("SingleStream", marks=pytest.mark.slow)])
def test_a_system_that_remembers_samples_is_caught_by_test04(classifier: RunSession, here: Path, scenario: str) -> None:
    session = classifier("--backend", "remembers", "--scenario", scenario, "-k", "TEST04")
    assert session.code == pytest.ExitCode.TESTS_FAILED, session.output
    tested = results(here)["TEST04"]
    assert tested["verdict"] == "TEST FAIL"
    assert verdicts(tested["compliance"]["directory"], "verify_performance.txt")[0].startswith("TEST FAIL")
    assert "TEST04 does not agree with the performance run [compliance-performance]" in session.output
    assert "the system may keep what it knows of a sample" in session.output


@pytest.mark.slow
def test_a_system_that_answers_otherwise_in_performance_mode_is_caught_by_test01(
    classifier: RunSession, here: Path
) -> None:
    session = classifier("--backend", "pretends", "--scenario", "Offline", "-k", "TEST01")
    assert session.code == pytest.ExitCode.TESTS_FAILED, session.output
    tested = results(here)["TEST01"]
    compliance, directory = tested["compliance"], tested["compliance"]["directory"]
    assert tested["verdict"] == "TEST FAIL"
    assert compliance["different"] == compliance["answers"] > 0
    assert (compliance["baseline_accuracy"], compliance["compliance_accuracy"]) == (100.0, 0.0)
    assert verdicts(directory, "verify_accuracy.txt") == ["TEST FAIL"]
    assert Path(directory, "accuracy/baseline_accuracy.txt").read_text() == "answered=100.000%\n"
    assert Path(directory, "accuracy/compliance_accuracy.txt").read_text() == "answered=0.000%\n"
    assert "answers in performance mode are not those of the accuracy run [compliance-accuracy]" in session.output


@pytest.mark.slow
def test_a_system_whose_answers_vary_passes_by_their_accuracy_and_says_so(classifier: RunSession, here: Path) -> None:
    session = classifier("--backend", "varies", "--scenario", "Offline", "-k", "TEST01")
    assert session.code == pytest.ExitCode.OK, session.output
    compliance = results(here)["TEST01"]["compliance"]
    assert compliance["different"] > 0
    assert compliance["baseline_accuracy"] == compliance["compliance_accuracy"]
    assert verdicts(compliance["directory"], "verify_accuracy.txt") == ["TEST FAIL"]
    assert "differ from the accuracy run; accuracy passes: " in session.output


@pytest.mark.slow
def test_test05_has_its_own_seeds(classifier: RunSession, here: Path) -> None:
    session = classifier("--backend", "honest", "--scenario", "SingleStream", "-k", "TEST05", "--round", "v4.1")
    assert session.code == pytest.ExitCode.OK, session.output
    compliance, rules = results(here)["TEST05"]["compliance"], rounds()["v4.1"]
    tested = read_detail_log(Path(compliance["directory"], "performance/run_1/mlperf_log_detail.txt"))
    reference = read_detail_log(Path(compliance["performance_run"], "mlperf_log_detail.txt"))
    for log, seeds in ((tested, rules.test05_seeds), (reference, rules.seeds)):
        assert seeds is not None
        for name in ("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed"):
            assert log.values[f"effective_{name}"] == getattr(seeds, name)


@pytest.mark.slow
def test_without_a_valid_performance_run_a_test_fails_and_says_what_to_fix(classifier: RunSession, here: Path) -> None:
    session = classifier(
        *("--backend", "honest", "--scenario", "Server", "--target-latency", "0.001", "-k", "TEST04"),
        *("--test-query-count", "700"),
    )
    assert session.code == pytest.ExitCode.TESTS_FAILED, session.output
    assert "there is no performance run to compare with" in session.output
    assert "found: INVALID, the 99th-percentile latency is over the bound" in session.output
    assert results(here)["TEST04"]["verdict"] == "failed"
    assert [finding["rule"] for finding in results(here)["TEST04"]["findings"]] == ["run-finished"]
    assert len(list(here.glob("mlperf-results/*/*/run.json"))) == 1


@pytest.mark.slow
def test_a_run_that_a_compliance_test_made_is_reported_by_its_own_item(classifier: RunSession, here: Path) -> None:
    session = classifier(
        *(f"{BENCHMARKS}::test_performance", f"{BENCHMARKS}::test_accuracy", "--mode", "performance,accuracy", "-v"),
        *("--backend", "honest", "--scenario", "SingleStream"),
        path=f"{BENCHMARKS}::test_compliance",
    )
    assert session.code == pytest.ExitCode.OK, session.output
    assert session.output.index("test_compliance[") < session.output.index("test_accuracy[")
    assert results(here).keys() == {"accuracy", "performance", "TEST01", "TEST04"}
    assert len(list(here.glob("mlperf-results/*/*/run.json"))) == 4


@pytest.mark.slow
def test_workers_share_the_runs_that_compliance_tests_are_about(classifier: RunSession, here: Path) -> None:
    session = classifier(
        "--backend", "honest", "--scenario", "Offline,SingleStream", "-n2", "--mode", "performance,accuracy"
    )
    assert session.code == pytest.ExitCode.OK, session.output
    found = json.loads((here / "results.json").read_text())["results"]
    assert len(found) == len({(result["case"], result["mode"], result["test"]) for result in found}) == 8
    assert len(list(here.glob("mlperf-results/*/*/run.json"))) == 8
    outputs = {result["output"] for result in found}
    for result in found:
        if result["compliance"] is not None:
            assert result["compliance"]["performance_run"] in outputs

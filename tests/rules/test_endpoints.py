"""Results of v6.1 that were measured through endpoints: config.yaml and two JSON files in the place of LoadGen's logs.

Each verdict of level official is that of mlcommons/inference's checker (August 2026) on the same tree.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.rules.check import check
from pytest_mlperf.rules.reading.endpoints import read_endpoints
from pytest_mlperf.rules.reading.read import read_submission
from pytest_mlperf.rules.reading.tree import read_tree
from pytest_mlperf.rules.round import find_round

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_mlperf.rules.check import Report
    from tests.rules.submissions import Submission

    Change = Callable[[Path], None]

CONFIG = """
name: example
version: "0.3"
type: {kind}
model_params:
  streaming: "on"
settings:
  runtime:
    min_duration_ms: 600000
    dataloader_random_seed: 2747215439041700203
    scheduler_random_seed: 16159082839903944936
    n_samples_to_issue: 6396
  load_pattern:
    type: {pattern}
    target_qps: 10
"""
SUMMARY: dict[str, Any] = {
    "n_samples_issued": 6396,
    "n_samples_completed": 6396,
    "n_samples_failed": 0,
    "duration_ns": 640_000_000_000,
    "qps": 9.99,
    "tps": 12_900.5,
    "latency": {"avg": 1.0e9, "early_stopping_percentiles": {"50": 0.9e9, "99": 2.0e9, "99.9": 2.2e9}},
    "ttft": {"early_stopping_percentiles": {"99": 1.0e9}},
    "tpot": {"early_stopping_percentiles": {"99": 10_000_000}},
    "output_sequence_lengths": {"avg": 1290.5},
}
RESULTS: dict[str, Any] = {
    "accuracy_scores": [
        {"dataset_type": "accuracy", "total_samples": 4000, "score": 83.1},
        {"dataset_type": "accuracy", "response_counts": {"issued": 395}, "score": 70.0},
        {"dataset_type": "performance", "total_samples": 9, "score": 1.0},
    ]
}


def write(place: Path, content: dict[str, Any]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(content))


def edit(name: str, **changes: Any) -> Change:
    """Return what changes values of a JSON file; None removes one."""

    def change(scenario: Path) -> None:
        content = json.loads((scenario / name).read_text()) | changes
        write(scenario / name, {key: value for key, value in content.items() if value is not None})

    return change


def replaced(old: str, new: str) -> Change:
    """Return what replaces a text in config.yaml."""

    def change(scenario: Path) -> None:
        config = scenario / "config.yaml"
        assert old in config.read_text()
        config.write_text(config.read_text().replace(old, new))

    return change


def make(it: Submission, division: str, *, benchmark: str = "gpt-oss-120b", scenario: str = "Server") -> Path:
    """Make an open submission of v6.1 one of a language model through endpoints; return the scenario's directory."""
    root = it.root
    if division != "open":
        (root / "open").rename(root / division)
    submitter = next((root / division).iterdir())
    [system] = (submitter / "results").iterdir()
    old = system / "resnet50"
    for name in ("Offline", scenario):
        place = system / benchmark / name
        place.mkdir(parents=True, exist_ok=True)
        for file in ("measurements.json", "README.md"):
            shutil.copy(old / "Offline" / file, place / file)
        kind, pattern = ("offline", "max_throughput") if name == "Offline" else ("online", "poisson")
        (place / "config.yaml").write_text(CONFIG.format(kind=kind, pattern=pattern))
        write(place / "performance" / "result_summary.json", SUMMARY)
        write(place / "accuracy" / "accuracy_results.json", RESULTS)
    shutil.rmtree(old)
    (submitter / "src" / "resnet50").rename(submitter / "src" / benchmark)
    (submitter / "calibration.md").write_text("Nothing is calibrated.\n")
    [description] = (submitter / "systems").glob("*.json")
    content = json.loads(description.read_text()) | {"division": division, "system_type": "datacenter"}
    description.write_text(json.dumps(content))
    return system / benchmark / scenario


def judged(scenario: Path, level: Any = "official") -> Report:
    root = scenario.parents[5]
    return check(read_submission(root), find_round("v6.1"), level)


def broken(report: Report) -> set[str]:
    return {finding.rule for finding in report.all_findings() if finding.severity == "error"}


@pytest.mark.parametrize("division", ["open", "closed"])
def test_a_result_through_endpoints_is_judged_by_its_files(copy_of: Callable[[str], Submission], division: str) -> None:
    scenario = make(copy_of("v6.1_open"), division)
    report = judged(scenario)
    assert broken(report) == set()
    figures = {result.record.scenario: (result.record.result, result.record.unit) for result in report.results()}
    assert figures["Server"] == (12_900.5, "tokens/s")
    assert broken(judged(scenario, "strict")) == set()


CHANGES: dict[str, tuple[Change, set[str]]] = {
    "another seed": (replaced("2747215439041700203", "1"), {"seeds"}),
    "too short": (replaced("600000", "60000"), {"min-duration"}),
    "no duration": (replaced("    min_duration_ms: 600000\n", ""), {"min-duration"}),
    "a late first token": (
        edit("performance/result_summary.json", ttft={"early_stopping_percentiles": {"99.0": 4.0e9}}),
        {"token-bounds"},
    ),
    "no tokens' latencies": (edit("performance/result_summary.json", tpot=None), {"token-bounds"}),
    "fewer answers": (
        edit("accuracy/accuracy_results.json", accuracy_scores=[{"total_samples": 4394, "score": 83}]),
        {"accuracy-samples"},
    ),
    "no score": (
        edit("accuracy/accuracy_results.json", accuracy_scores=[{"total_samples": 4395}]),
        {"endpoints-score"},
    ),
    "failed requests in the accuracy run": (
        edit("accuracy/accuracy_results.json", n_samples_failed=2),
        {"accuracy-errors"},
    ),
    "short answers": (
        edit("performance/result_summary.json", output_sequence_lengths={"avg": 900.0}),
        {"compliance-accuracy"},
    ),
    "no figure": (edit("performance/result_summary.json", tps="fast"), {"result-metric"}),
    "a figure of 0": (edit("performance/result_summary.json", tps=0), {"result-metric"}),
    "no user.conf and no README": (lambda scenario: (scenario / "README.md").unlink(), {"measurements-files"}),
    "no measurements": (lambda scenario: (scenario / "measurements.json").unlink(), {"measurements-file"}),
    "a report that did not pass": (
        lambda scenario: write(
            scenario / "audit" / "audit_accuracy_in_performance_full_test.json",
            {"test": "accuracy_in_performance_full_test", "passed": False},
        ),
        {"compliance-accuracy"},
    ),
    "a score below the target, which is not compared": (
        edit("accuracy/accuracy_results.json", accuracy_scores=[{"total_samples": 4395, "score": 1}]),
        set(),
    ),
}


@pytest.mark.parametrize(("change", "rules"), CHANGES.values(), ids=CHANGES)
def test_what_is_wrong_through_endpoints_is_found(
    copy_of: Callable[[str], Submission], change: Change, rules: set[str]
) -> None:
    scenario = make(copy_of("v6.1_open"), "closed")
    change(scenario)
    assert broken(judged(scenario)) == rules


def test_a_benchmark_that_the_round_does_not_take_through_endpoints_is_refused(
    copy_of: Callable[[str], Submission],
) -> None:
    scenario = make(copy_of("v6.1_open"), "open", benchmark="llama2-70b-99")
    assert "endpoints-benchmark" in broken(judged(scenario))


@pytest.mark.parametrize(
    ("division", "rules"), [("open", set()), ("closed", {"required-scenarios", "scenario-name", "scenario-for-system"})]
)
def test_online_is_server_in_open_division(
    copy_of: Callable[[str], Submission], division: str, rules: set[str]
) -> None:
    assert broken(judged(make(copy_of("v6.1_open"), division, scenario="online"))) == rules


QWEN = "qwen3-vl-235b-a22b"


@pytest.mark.parametrize(
    ("score", "rules"), [({"f1": 0.8}, set()), ("0.9", set()), (0.5, {"accuracy-target"}), ("x", {"accuracy-target"})]
)
def test_one_benchmarks_score_is_compared(copy_of: Callable[[str], Submission], score: Any, rules: set[str]) -> None:
    scenario = make(copy_of("v6.1_open"), "closed", benchmark=QWEN)
    for place in (scenario, scenario.parent / "Offline"):
        edit("accuracy/accuracy_results.json", accuracy_scores=[{"total_samples": 48_289, "score": score}])(place)
    assert broken(judged(scenario)) == rules


def test_files_that_cannot_be_read_are_named_at_strict(copy_of: Callable[[str], Submission]) -> None:
    scenario = make(copy_of("v6.1_open"), "open")
    (scenario / "config.yaml").write_text("a: [1\nb: 2")
    report = judged(scenario, "strict")
    assert {"endpoints-files", "seeds", "min-duration"} <= broken(report)
    [finding] = [each for each in report.all_findings() if each.rule == "endpoints-files"]
    assert finding.file.endswith("Server/config.yaml")
    assert "is not YAML" in finding.found


@pytest.mark.parametrize(
    "text",
    ["", "[]", "- a", "a: &a [*a]", "&a {a: *a}", "{" * 5000, "a: !!python/object:os.system {}", "\x00", "a: 1e999"],
)
def test_no_configuration_raises(copy_of: Callable[[str], Submission], text: str) -> None:
    scenario = make(copy_of("v6.1_open"), "open")
    (scenario / "config.yaml").write_text(text)
    for level in ("official", "strict"):
        assert broken(judged(scenario, level))


@pytest.mark.parametrize(
    "content", ["", "[]", "1", '{"accuracy_scores": 3}', '{"accuracy_scores": [3, null, {"score": {}}]}']
)
def test_no_results_raise(copy_of: Callable[[str], Submission], content: str) -> None:
    scenario = make(copy_of("v6.1_open"), "open")
    (scenario / "accuracy" / "accuracy_results.json").write_text(content)
    (scenario / "performance" / "result_summary.json").write_text(content)
    assert broken(judged(scenario))


def test_a_directory_without_any_of_its_files_is_no_result_through_endpoints(tmp_path: Path) -> None:
    assert read_endpoints(tmp_path, read_tree(tmp_path), "x", "Offline") is None

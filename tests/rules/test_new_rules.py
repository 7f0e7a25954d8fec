"""Rules that the base submissions do not show: language models, links, and what one round alone asks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.rules.asked import asked_by_round
from pytest_mlperf.rules.check import check
from pytest_mlperf.rules.checks.case import RunCase
from pytest_mlperf.rules.checks.every import check_run
from pytest_mlperf.rules.detail_log import DetailLog
from pytest_mlperf.rules.figures import figure_of
from pytest_mlperf.rules.reading.files import Text
from pytest_mlperf.rules.reading.read import read_submission
from pytest_mlperf.rules.reading.submission import Run
from pytest_mlperf.rules.round import find_round
from pytest_mlperf.rules.severity import SubmissionWeights
from tests.rules.mutations import DETAIL
from tests.rules.test_check import errors, judged

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tests.rules.submissions import Submission

    Copy = Callable[[str], Submission]

TTFT = "result_first_token_99.00_percentile_latency_ns"
TPOT = "result_time_per_output_token_99.00_percentile_ns"
ASKED = "requested_use_token_latencies"


def broken(round_: str, benchmark: str, scenario: str, **values: Any) -> set[str]:
    """Return the rules of tokens that a log of the scenario breaks."""
    log = DetailLog({"effective_scenario": "Server", **values})
    run = Run("", None, log, Text("mlperf_log_summary.txt"))
    asked = asked_by_round(find_round(round_), benchmark)
    return {
        each.rule for each in check_run(RunCase(run, "performance", scenario, asked)) if each.rule.startswith("token")
    }


@pytest.mark.parametrize(
    ("scenario", "first", "next_", "expected"),
    [
        ("Server", 1_999_999_999, 199_999_999, set()),
        ("Server", 2_000_000_000, 1, {"token-bounds"}),
        ("Server", 1, 200_000_000, {"token-bounds"}),
        ("Interactive", 449_999_999, 39_999_999, set()),
        ("Interactive", 450_000_000, 1, {"token-bounds"}),
        ("Server", None, 1, {"token-bounds"}),
        ("Server", "1", 1, {"token-bounds"}),
        ("Offline", 10**12, 10**12, set()),
    ],
)
def test_a_language_models_tokens_are_below_the_scenarios_bounds(
    scenario: str, first: object, next_: object, expected: set[str]
) -> None:
    values = {ASKED: True, TTFT: first, TPOT: next_}
    assert broken("v5.1", "llama2-70b-99", scenario, **values) == expected


def test_a_language_models_run_takes_the_latencies_of_tokens_and_others_do_not() -> None:
    assert "token-latencies-asked" in broken("v5.1", "llama2-70b-99", "Offline", **{ASKED: False})
    assert broken("v5.1", "whisper", "Offline", **{ASKED: True}) == set()
    assert broken("v5.1", "retinanet", "Offline", **{ASKED: True}) == {"token-latencies"}


def test_pointpaintings_percentile_is_its_own() -> None:
    assert asked_by_round(find_round("v5.1"), "pointpainting").percentiles["SingleStream"] == 0.999
    assert asked_by_round(find_round("v5.1"), "retinanet").percentiles["SingleStream"] == 0.9


def test_a_benchmark_with_tokens_has_its_figure_in_tokens() -> None:
    log = DetailLog(
        {"effective_scenario": "Offline", "result_samples_per_second": 2.0, "result_tokens_per_second": 588.5}
    )
    assert figure_of("Offline", log, find_round("v5.1").figures_of("llama2-70b-99")) == (588.5, "tokens/s", False)
    assert figure_of("Offline", log, find_round("v5.1").figures_of("resnet")).value == 2.0


@pytest.mark.parametrize(("name", "value"), [("v2.1", 90.0), ("v4.0", 90.0), ("v4.1", 80.0), ("v6.1", 80.0)])
def test_servers_figure_is_what_was_scheduled_until_v4_0(name: str, value: float) -> None:
    values = {"effective_scenario": "Server", "result_scheduled_samples_per_sec": 90.0}
    log = DetailLog({**values, "result_completed_samples_per_sec": 80.0})
    assert figure_of("Server", log, find_round(name).figures_of("resnet")).value == value


def test_v3_0_takes_no_file_that_is_a_link_and_any_directory(copy_of: Copy) -> None:
    it = copy_of("v5.1_open")
    (it.code / "other").symlink_to(it.model)
    assert broken_at_official(it, "v3.0") == set()
    (it.code / it.model / "OTHER.md").symlink_to("README.md")
    assert broken_at_official(it, "v3.0") == {"links-any"}


def broken_at_official(it: Submission, round_: str) -> set[str]:
    return errors(check(read_submission(it.root, "measurements"), find_round(round_), "official"))


def test_a_link_from_a_file_to_its_neighbour_is_broken_to_the_official_checker_alone(copy_of: Copy) -> None:
    it = copy_of("v5.1_open")
    (it.code / it.model / "OTHER.md").symlink_to("README.md")
    assert errors(judged(it, "official")) == {"links-from-root"}
    assert "links-from-root" in errors(judged(it, "strict"))
    assert SubmissionWeights(find_round("v6.1"), "strict", enforced=True)("links-from-root") is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("3d-unet.*.sample_concatenate_permutation = 1\n", False),
        ("# a comment\n\n*.*.sample_concatenate_permutation = 1\n", False),
        ("3d-unet.*.sample_concatenate_permutation = 0\n", True),
        ("bert.*.sample_concatenate_permutation = 1\n", True),
        ("a line that is none\n", True),
        ("", True),
    ],
)
def test_equal_issue_of_v4_1_is_what_the_conf_files_say(copy_of: Copy, text: str, found: bool) -> None:
    it = copy_of("v5.1_open")
    for part in it.parts:
        (part / "example-edge" / it.model).rename(part / "example-edge" / "3d-unet-99")
    for file in it.submitter.glob("measurements/*/*/*/user.conf"):
        file.write_text(text)
    report = judged(it, "official", find_round("v4.1"))
    assert "equal-issue-conf" not in errors(report)  # open division
    closed = it.root / "closed"
    it.submitter.parent.rename(closed)
    report = judged(it, "official", find_round("v4.1"))
    assert ("equal-issue-conf" in errors(report)) is found


def test_pictures_lie_beside_the_accuracy_log_of_a_closed_result(copy_of: Copy) -> None:
    it = copy_of("v5.1_closed")
    for part in it.parts:
        (part / "example-edge" / it.model).rename(part / "example-edge" / "stable-diffusion-xl")
    assert "accuracy-directories" in errors(judged(it, "official"))
    for result in it.results.glob("*/stable-diffusion-xl/*"):
        (result / "accuracy" / "images").mkdir()
        for name in find_round("v5.1").benchmarks["stable-diffusion-xl"].accuracy_directories["images"]:
            (result / "accuracy" / "images" / f"{name}.png").write_bytes(b"x")
    assert "accuracy-directories" not in errors(judged(it, "official"))


def test_a_second_submitter_with_nothing_in_it_is_passed_over_officially(copy_of: Copy) -> None:
    it = copy_of("v5.1_closed")
    (it.submitter.parent / "Empty").mkdir()
    assert judged(it, "official").verdict == "OK"
    assert errors(judged(it, "strict")) >= {"results"}


def test_a_code_pointer_leads_to_a_directory(copy_of: Copy) -> None:
    it = copy_of("v5.1_open")
    (it.code / it.model).rename(it.code / "common")
    (it.code / it.model).write_text("common\n")
    assert judged(it, "official").verdict == "OK"
    (it.code / it.model).write_text("nothing\n")
    assert errors(judged(it, "official")) == {"code"}


def test_a_time_before_the_logs_begin_wraps_around_and_is_no_set_clock(copy_of: Copy) -> None:
    it = copy_of("v6.1_open")
    path = it.performance() / DETAIL
    first, *lines = path.read_text("utf-8").splitlines(keepends=True)
    message = json.loads(first.removeprefix(":::MLLOG ")) | {"time_ms": 18446744073709.55}
    path.write_text("".join([f":::MLLOG {json.dumps(message)}\n", *lines]), "utf-8")
    assert judged(it, "strict").verdict == "OK"


def test_a_directory_without_a_description_is_refused_though_it_has_no_results(copy_of: Copy) -> None:
    it = copy_of("v5.1_open")
    (it.results / "left-over").mkdir()
    (it.results / "left-over" / "README.md").write_text("x")
    assert errors(judged(it, "official")) == {"system-file"}
    assert any(not system.results for system in read_submission(it.root, "measurements").submitters[0].systems)


def test_directories_left_over_in_measurements_are_refused(copy_of: Copy) -> None:
    it = copy_of("v5.1_open")
    (it.submitter / "measurements" / "left-over").mkdir()
    (it.submitter / "measurements" / "left-over" / "README.md").write_text("x")
    assert errors(judged(it, "official")) == {"systems-have-results"}

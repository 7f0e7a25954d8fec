"""A user.conf that LoadGen would misread is a usage error before anything is collected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bad_input.conftest import assert_no_traceback, refused_before_all

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bad_input.conftest import Tiny


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "retinanet.Offline.target_pqs = 1",
            ("line 1: LoadGen does not know the setting target_pqs", "did you mean target_qps?"),
        ),
        (
            "retinanet.Offline.target_qps = fast",
            ("line 1: fast is not a valid value for target_qps", "expected: a number"),
        ),
        (None, ("cannot read the user.conf", "No such file", "--user-conf")),
    ],
)
def test_a_user_conf_that_loadgen_would_misread(
    tiny: Tiny, tmp_path: Path, line: str | None, says: tuple[str, ...]
) -> None:
    path = tmp_path / "user.conf"
    if line is not None:
        path.write_text(line)
    refused_before_all(tiny.run("--user-conf", str(path)), str(path), *says)
    assert not tiny.output.exists()
    assert not tiny.report.exists()


def only(scenario: str) -> tuple[str, ...]:
    """Return options for the one performance item of a scenario."""
    return "--mode", "performance", "--scenario", scenario, "-k", f"performance and {scenario}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "options", "says"),
    [
        (
            "retinanet-tiny.Offline.target_qps = 5",
            (),
            ("does not know the model retinanet-tiny", "write retinanet.Offline"),
        ),
        (
            "*.*.performance_sample_count_override = 501",
            (),
            ("does not have so many samples", "at most 500; found: 501"),
        ),
        (
            "retinanet.*.target_latency_percentile = 50",
            ("--scenario", "Server", "--run-length", "official"),
            ("line 1: a run of official length", "expected: at least 99 in Server; found: 50"),
        ),
        (
            "*.MultiStream.samples_per_query = 1",
            ("--scenario", "MultiStream", "--run-length", "official"),
            ("expected: 8 in MultiStream; found: 1",),
        ),
        ("*.*.min_duration = 1000", ("--run-length", "official"), ("expected: at least 600000 in Offline",)),
        ("*.*.performance_issue_same = 1", ("--run-length", "official"), ("another performance_issue_same",)),
        (
            None,
            ("--scenario", "Server", "--run-length", "official", "--target-latency", "100.5"),
            ("--target-latency: a run of official length", "expected: at most 100 in Server; found: 100.5"),
        ),
    ],
)
def test_what_would_bend_a_run_of_official_length_is_refused(
    tiny: Tiny, tmp_path: Path, line: str | None, options: tuple[str, ...], says: tuple[str, ...]
) -> None:
    if line is not None:
        (tmp_path / "user.conf").write_text(line)
        options = (*options, "--user-conf", str(tmp_path / "user.conf"))
    session = tiny.made("--mode", "performance", "--dataset-size", "500", *options)
    assert session.code == pytest.ExitCode.USAGE_ERROR, session.output
    for text in says:
        assert text in session.output
    assert_no_traceback(session.output)
    assert not tiny.output.exists()


@pytest.mark.slow
def test_a_short_run_that_is_another_test_is_told_beside_its_figure(tiny: Tiny, tmp_path: Path) -> None:
    path = tmp_path / "user.conf"
    path.write_text("retinanet.SingleStream.target_latency_percentile = 50\n")
    session = tiny.run(*only("SingleStream"), "--user-conf", str(path))
    assert session.code == 0, session.output
    [result] = tiny.results()
    assert result["verdict"] == "not comparable"
    assert "SingleStream performance: target_latency_percentile 90 (here: 50)" in session.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "options", "says"),
    [
        ("Offline", ("--test-query-count", "1000000000000"), "--test-query-count"),
        pytest.param(
            "Server",
            ("--target-qps", "1000000000", "--min-duration", "3600"),
            "lower --min-duration, or lower --target-qps",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_queries_that_do_not_fit_in_memory_are_refused_before_loadgen_makes_them(
    tiny: Tiny, scenario: str, options: tuple[str, ...], says: str
) -> None:
    session = tiny.run(*only(scenario), *options)
    assert session.code == 1, session.output
    [result] = tiny.results()
    [error] = result["findings"]
    assert error["what"].startswith("the test needs more memory than is free")
    assert says in error["fix"]
    assert tiny.logs() == []

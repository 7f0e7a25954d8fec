"""The official checker is run as it is, in its own process; every way in which it can end is told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from pytest_mlperf.errors import RequirementError
from pytest_mlperf.rules.catalogue import catalogue
from pytest_mlperf.rules.round import Round, Seeds
from pytest_mlperf.submission import official_checker
from pytest_mlperf.submission.official_checker import differences, find_script, run_official_checker

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = Seeds(qsl_rng_seed=1, sample_index_rng_seed=2, schedule_rng_seed=3)
HEAD = Round(
    name="v6.0", checker="head", layout="results", seeds=SEEDS, min_duration_ms=600000, benchmarks={}, official={}
)
TAG = Round(
    name="v5.1",
    checker="v5.1.1",
    layout="measurements",
    seeds=SEEDS,
    min_duration_ms=600000,
    benchmarks={},
    official={},
)


def checkout(directory: Path, name: str, body: str) -> Path:
    """Make a checkout whose checker takes the official arguments and then does `body`."""
    script = directory / name
    script.parent.mkdir(parents=True)
    script.write_text(
        "import argparse, logging, sys\n"
        "logging.basicConfig(level=logging.INFO)\n"
        "parser = argparse.ArgumentParser()\n"
        "parser.add_argument('--input', required=True)\n"
        "parser.add_argument('--version', choices=['v5.1', 'v6.0'])\n"
        "parser.add_argument('--csv')\n"
        "options = parser.parse_args()\n"
        "log = logging.getLogger('main')\n" + body,
        "utf-8",
    )
    return directory


def test_its_good_verdict_needs_its_own_words_and_its_exit_code(tmp_path: Path) -> None:
    source = checkout(tmp_path / "src", official_checker.HEAD_SCRIPTS[0], "log.info('SUMMARY: submission looks OK')\n")
    verdict = run_official_checker(source, HEAD, tmp_path)
    assert verdict.ok
    assert not verdict.crashed
    assert verdict.words == "submission looks OK"


def test_good_words_with_a_bad_exit_code_are_not_good(tmp_path: Path) -> None:
    body = "log.info('SUMMARY: submission looks OK')\nsys.exit(1)\n"
    source = checkout(tmp_path / "src", official_checker.HEAD_SCRIPTS[0], body)
    assert not run_official_checker(source, HEAD, tmp_path).ok


def test_its_error_lines_are_told_by_our_rules(tmp_path: Path) -> None:
    body = (
        "log.error('%s qsl_rng_seed is wrong, expected=%s, found=%s', 'p', 1, 2)\n"
        "log.error('p Test duration less than 600s in user config. expected=600000, found=10000')\n"
        "log.error('something that nobody has seen yet')\n"
        "log.error('SUMMARY: submission has errors')\nsys.exit(1)\n"
    )
    source = checkout(tmp_path / "src", official_checker.TAG_SCRIPTS[0], body)
    verdict = run_official_checker(source, TAG, tmp_path)
    assert not verdict.ok
    assert not verdict.crashed
    assert verdict.rules == {"seeds", "min-duration"}
    assert len(verdict.errors) == 3
    assert differences(verdict, ours=False, our_rules={"seeds", "result-validity"}) == [
        "only the official checker: min-duration",
        "only this checker: result-validity",
    ]


def test_a_crash_is_a_failure_with_its_last_line(tmp_path: Path) -> None:
    source = checkout(tmp_path / "src", official_checker.HEAD_SCRIPTS[0], "None['effective_scenario']\n")
    verdict = run_official_checker(source, HEAD, tmp_path)
    assert not verdict.ok
    assert verdict.crashed
    assert "TypeError" in verdict.words
    assert differences(verdict, ours=True, our_rules=()) == [f"the official checker says {verdict.words}; this one: OK"]


def test_a_package_that_it_lacks_is_named(tmp_path: Path) -> None:
    source = checkout(tmp_path / "src", official_checker.HEAD_SCRIPTS[0], "import no_such_package_at_all\n")
    with pytest.raises(RequirementError, match="no_such_package_at_all"):
        run_official_checker(source, HEAD, tmp_path)


def test_a_checkout_of_another_round_is_refused_with_the_one_to_check_out(tmp_path: Path) -> None:
    source = checkout(tmp_path / "src", official_checker.HEAD_SCRIPTS[0], "")
    with pytest.raises(RequirementError, match=r"the tag v5\.1\.1"):
        find_script(source, TAG)
    future = msgspec.structs.replace(HEAD, name="v7.0")
    with pytest.raises(RequirementError, match=r"does not know round v7\.0"):
        run_official_checker(source, future, tmp_path)


def test_it_leaves_nothing_in_the_checkout_nor_in_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "open('left.txt', 'w').close()\nopen(options.csv, 'w').close()\nlog.info('SUMMARY: submission looks OK')\n"
    source = checkout(tmp_path / "src", official_checker.HEAD_SCRIPTS[0], body)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    before = sorted(source.rglob("*"))
    run_official_checker(source, HEAD, here)
    assert sorted(source.rglob("*")) == before
    assert not list(here.iterdir())


def test_its_messages_name_rules_of_the_catalogue() -> None:
    assert set(official_checker._messages().values()) <= set(catalogue())

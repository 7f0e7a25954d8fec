"""The report about many results: rule by rule, with the first places, or all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.report.submission import lines
from tests.rules.mutations import MUTATIONS
from tests.rules.submissions import submission, unpack_base
from tests.rules.test_check import judged

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.rules.check import Report


@pytest.fixture
def report(tmp_path: Path) -> Report:
    it = submission("v6.1_closed", unpack_base("v6.1_closed", tmp_path / "tree"))
    for name in ("m06", "m22"):
        next(mutation for mutation in MUTATIONS if mutation.name.startswith(name)).apply(it)
    for file in it.results.glob("*/*/*/README.md"):
        file.write_text("")
    return judged(it, "strict")


def test_each_rule_is_told_once_with_its_first_places(report: Report) -> None:
    text = "\n".join(lines(report, 120, "rule"))
    assert text.count("[measurements-files]") == 1
    assert "[measurements-files] broken 4 times" in " ".join(text.split())
    assert text.count("/README.md") == 3
    assert "and 1 more; --all shows every one" in text
    assert text.count("[system-status]") == 1


def test_all_places_are_told_on_request(report: Report) -> None:
    text = "\n".join(lines(report, 120, "rule", everything=True))
    assert text.count("/README.md") == 4
    assert "--all" not in text


def test_submitters_are_told_one_after_the_other(report: Report) -> None:
    by_rule, by_submitter = (lines(report, 120, by) for by in ("rule", "submitter"))
    assert sorted(by_rule) == sorted(by_submitter)


def test_few_results_are_told_result_by_result(report: Report) -> None:
    assert lines(report, 120) == lines(report, 120, "result")

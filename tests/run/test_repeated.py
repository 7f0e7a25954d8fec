"""What several runs of one case say together, wherever it is told."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from pytest_mlperf.plugin.repeating import in_turns
from pytest_mlperf.report.csv_file import table
from pytest_mlperf.report.json_file import document_of
from pytest_mlperf.report.row import row, rows
from pytest_mlperf.results.source import _of_document
from pytest_mlperf.run.case import ONCE, Repetition
from pytest_mlperf.run.repeated import by_repetition, median_run, together, worst_run
from pytest_mlperf.run.result import Compliance
from pytest_mlperf.submission.pairs import pairs_of
from tests.report.results import FINDING, accuracy, finished, performance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.run.result import RunResult

OTHER = "bert-99-tiny-onnxruntime-cpu-Offline"


def runs_of(*values: float | None, unit: str = "queries/s", **facts: Any) -> list[RunResult]:
    """Return the repetitions of a case with these figures; the one without a figure is INVALID."""
    found = []
    for number, value in enumerate(values, 1):
        result = performance(repetition=number, repetitions=len(values), output=f"out/{number}", **facts)
        assert result.performance is not None
        figures = structs.replace(result.performance, value=value if value is not None else 9999.0, unit=unit)
        verdict = "VALID" if value is not None else "INVALID"
        findings = () if value is not None else (FINDING,)
        found.append(structs.replace(result, performance=figures, verdict=verdict, findings=findings))
    return found


def test_the_row_of_a_case_has_the_median_the_spread_and_how_many() -> None:
    [cells] = rows(runs_of(100.0, 130.0, 110.0))
    assert cells.result == "110 queries/s (100–130, 3 runs)"
    assert cells.verdict == "VALID (short)"
    assert cells.wall == "10.5 s"


def test_a_run_that_failed_is_in_the_verdict_and_not_in_the_figures() -> None:
    [cells] = rows(runs_of(100.0, None, 110.0))
    assert cells.result == "105 queries/s (100–110, 2 of 3 runs)"
    assert cells.verdict == "INVALID in 1 of 3 (short)"
    together_ = together(runs_of(100.0, None, 110.0))
    assert (together_.verdict, together_.runs, together_.counted) == ("INVALID in 1 of 3", 3, 2)


def test_a_run_without_a_result_is_missed() -> None:
    """Its setup failed, or it was not selected: the others are not called all."""
    [cells] = rows(runs_of(100.0, 110.0, 120.0)[1:])
    assert cells.result == "115 queries/s (110–120, 2 of 3 runs)"


def test_where_no_run_is_valid_the_figures_are_those_of_all() -> None:
    [cells] = rows(runs_of(None, None))
    assert cells.verdict == "INVALID (short)"
    assert cells.result == "9,999 queries/s (9,999–9,999, 2 runs)"


def test_runs_that_left_nothing_have_a_row_without_figures() -> None:
    left = [structs.replace(run, performance=None, verdict="failed") for run in runs_of(1.0, 2.0)]
    [cells] = rows(left)
    assert (cells.result, cells.verdict) == ("– (0 of 2 runs)", "failed (short)")


def test_a_result_that_is_not_repeated_is_shown_as_ever() -> None:
    results = [accuracy(), performance()]
    assert rows(results) == [row(each) for each in results]


@pytest.mark.parametrize(("unit", "of"), [("queries/s", 110.0), ("ms", 120.0)])
def test_of_two_runs_in_the_middle_the_worse_one_is_the_median_run(unit: str, of: float) -> None:
    median = median_run(runs_of(130.0, 120.0, 100.0, 110.0, unit=unit))
    assert median is not None
    assert median.performance is not None
    assert median.performance.value == of


@given(values=st.lists(st.none() | st.floats(0.1, 1e9), min_size=1, max_size=9))
def test_the_median_lies_in_the_spread_and_no_run_that_failed_hides(values: list[float | None]) -> None:
    runs = runs_of(*values)
    found = together(runs)
    assert found.least is not None
    assert found.median is not None
    assert found.most is not None
    assert found.least <= found.median <= found.most
    assert found.verdict.startswith("INVALID" if None in values else "VALID")
    assert worst_run(runs).verdict == found.verdict.partition(" ")[0]


def test_two_tests_that_repeat_one_case_have_a_row_each() -> None:
    groups = by_repetition([run for pair in zip(runs_of(1.0, 2.0), runs_of(3.0, 4.0), strict=True) for run in pair])
    assert [[run.performance.value for run in runs if run.performance] for runs in groups] == [[1.0, 2.0], [3.0, 4.0]]


def test_json_has_each_run_and_what_they_say_together() -> None:
    document = document_of(finished([*runs_of(100.0, 130.0, 110.0), accuracy()]))
    assert [each.repetition for each in document.results] == [1, 2, 3, 1]
    [found] = document.repeated
    assert (found.median, found.least, found.most, found.runs, found.unit) == (110.0, 100.0, 130.0, 3, "queries/s")


def test_csv_has_a_row_for_each_run_with_the_figures_of_all() -> None:
    lines = csv.DictReader(io.StringIO(table((*runs_of(100.0, 130.0), accuracy())), newline=""))
    first, second, alone = lines
    assert (first["value"], first["repetition"], first["median"], first["most"]) == ("100.0", "1", "115.0", "130.0")
    assert (second["value"], second["repetition"], second["median"]) == ("130.0", "2", "115.0")
    assert (alone["repetitions"], alone["median"], alone["least"], alone["counted"]) == ("1", "", "", "")


def test_a_comparison_of_two_sessions_takes_the_median_and_knows_every_figure() -> None:
    [held] = _of_document(document_of(finished(runs_of(100.0, None, 130.0, 110.0)))).values()
    assert held.result.performance is not None
    assert held.result.performance.value == 110.0
    assert sorted(held.figures) == [100.0, 110.0, 130.0]


def builtins(*results: RunResult) -> list[dict[str, object]]:
    return [msgspec.to_builtins(each) for each in results]


def test_the_median_run_is_submitted_and_that_is_said() -> None:
    case = performance().case
    [pair] = pairs_of(builtins(accuracy(case), *runs_of(100.0, 130.0, 110.0))).values()
    assert pair.performance is not None
    assert pair.performance.repetition == 3
    assert list(pair.notes) == [f"{case}: run 3 of 3 is packed, which has the median figure"]
    assert not pair.incomplete


def test_the_run_that_compliance_tests_were_compared_with_is_submitted() -> None:
    case = performance().case
    test = performance(
        case=f"{case}-TEST04",
        mode="compliance",
        test="TEST04",
        compliance=Compliance(test="TEST04", directory="out/t", performance_run="out/1"),
    )
    [pair] = pairs_of(builtins(accuracy(case), *runs_of(100.0, 130.0, 110.0), test)).values()
    assert pair.performance is not None
    assert pair.performance.repetition == 1
    assert next(pair.notes).endswith("which the compliance tests were compared with")


def test_a_case_that_is_not_repeated_has_nothing_told_of_it_and_the_last_run_counts() -> None:
    first, last = performance(output="out/first"), performance(output="out/last")
    [pair] = pairs_of(builtins(first, last)).values()
    assert pair.performance == last
    assert not list(pair.notes)
    assert "needs both runs" in pair.incomplete


@dataclass(frozen=True)
class Item:
    """As much of a test item as the order needs."""

    name: str
    repetition: Repetition = ONCE


def order(items: Sequence[Item]) -> str:
    return " ".join(item.name for item in in_turns(items, lambda item: item.repetition))  # type: ignore[arg-type, attr-defined]


def test_cases_take_turns_wherever_their_tests_are() -> None:
    tests = [[Item(f"{name}{n}", Repetition(n, 3)) for n in (1, 2, 3)] for name in "abc"]
    plain = Item("x")
    assert order([plain, *tests[0], plain, *tests[1], *tests[2]]) == "x a1 b1 c1 x a2 b2 c2 a3 b3 c3"


@given(items=st.permutations([Item(f"{name}{n}", Repetition(n, 2)) for name, n in product("abc", (1, 2))]))
def test_no_item_is_lost_and_none_of_a_later_turn_comes_before_one_of_an_earlier(items: list[Item]) -> None:
    found = order(items).split()
    assert sorted(found) == sorted(item.name for item in items)
    assert [name[1] for name in found] == ["1", "1", "1", "2", "2", "2"]

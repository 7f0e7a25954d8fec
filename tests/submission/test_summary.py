"""summary.csv has the official columns of its round, summary.json the same records."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.rules.check import check
from pytest_mlperf.rules.reading.read import read_submission
from pytest_mlperf.rules.round import find_round, rounds
from pytest_mlperf.submission.summary import columns, summary_csv, summary_json, write_summary
from pytest_mlperf.submission.tree import write_submission

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.rules.round import Layout
    from tests.submission.conftest import MakePlan

LAYOUTS: tuple[tuple[Layout, str], ...] = (("measurements", "v5.1"), ("results", "v6.0"))


@pytest.mark.parametrize(("layout", "name"), LAYOUTS)
def test_the_records_are_the_runs_own_figures(make_plan: MakePlan, tmp_path: Path, layout: Layout, name: str) -> None:
    plan, round_ = make_plan(layout), find_round(name)
    write_submission(plan, tmp_path / "sub")
    report = check(read_submission(tmp_path / "sub"), round_, "strict")
    rows = list(csv.DictReader(io.StringIO(summary_csv(report, round_))))
    assert [row["Scenario"] for row in rows] == ["Offline", "SingleStream"]
    for row, result in zip(rows, plan.results, strict=True):
        performance, accuracy = result.performance.performance, result.accuracy.accuracy
        assert performance is not None
        assert accuracy is not None
        assert float(row["Result"]) == performance.value
        assert row["Accuracy"] == f"mAP: {round(accuracy.value, 3)}"
        assert (row["Model"], row["MlperfModel"]) == ("retinanet-tiny", "retinanet")
        assert (row["Organization"], row["Division"], row["SystemType"]) == ("Community", "open", "edge")
        assert row["Platform"] == plan.system
        assert row["version"] == name
        assert row["weight_data_types"] == "fp32"
        assert (tmp_path / "sub" / row["Location"]).is_dir()
    assert [row["Units"] for row in rows] == ["Samples/s", "Latency (ms)"]


@pytest.mark.parametrize(("layout", "name"), LAYOUTS)
def test_both_files_have_the_same_records(make_plan: MakePlan, tmp_path: Path, layout: Layout, name: str) -> None:
    round_ = find_round(name)
    write_submission(make_plan(layout), tmp_path / "sub")
    report = check(read_submission(tmp_path / "sub"), round_, "strict")
    table, document = write_summary(report, round_, tmp_path)
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    same = [
        {key: "" if value is None else str(value) for key, value in each.items()}
        for each in json.loads(document.read_text())
    ]
    assert rows == same
    assert summary_json(report, round_) == document.read_text()


def test_the_columns_are_those_of_each_rounds_checker() -> None:
    counts = {name: len(columns(round_)) for name, round_ in rounds().items()}
    assert {name: counts[name] for name in ("v2.1", "v5.0", "v5.1", "v6.0", "v6.1")} == {
        "v2.1": 27,
        "v5.0": 28,
        "v5.1": 28,
        "v6.0": 31,
        "v6.1": 31,
    }
    assert "compilance" in columns(find_round("v2.1"))
    newest = columns(find_round("v6.1"))
    assert newest.index("total_accelerators") == newest.index("Location") - 1
    assert newest[-3:] == ("weight_data_types", "design_power_watts", "PrivateID")


def test_v6_quotes_every_cell(make_plan: MakePlan, tmp_path: Path) -> None:
    write_submission(make_plan("results"), tmp_path / "sub")
    round_ = find_round("v6.0")
    header, *rows = summary_csv(check(read_submission(tmp_path / "sub"), round_, "strict"), round_).splitlines()
    assert header == ",".join(columns(round_))
    for row in rows:
        assert row.startswith('"')
        assert row.endswith('"')
        assert row.count('","') == 30


def test_a_tree_without_its_files_still_has_a_record(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan()
    write_submission(plan, tmp_path / "sub")
    for path in (tmp_path / "sub").rglob("*.txt"):
        path.write_bytes(b"\xff\x00")
    (tmp_path / "sub" / plan.base / "systems" / f"{plan.system}.json").write_text("[]")
    round_ = find_round("v5.1")
    report = check(read_submission(tmp_path / "sub"), round_, "strict")
    assert [each.record.result for each in report.results()] == [None, None]
    assert len(json.loads(summary_json(report, round_))) == 2
    assert summary_csv(report, round_).count("\n") == 3

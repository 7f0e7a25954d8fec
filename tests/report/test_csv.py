"""The table of --mlperf-csv: what other programs read of it is what the results say."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.errors import OutputError
from pytest_mlperf.report.csv_file import COLUMNS, OF_REPEATED, table, write_csv
from tests.conftest import REPOSITORY
from tests.report.results import FINDING, HOSTILE, accuracy, finished, performance

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_row_has_the_figure_of_its_run() -> None:
    first, second = read(table((accuracy(findings=(FINDING,)), performance())))
    assert (first["figure"], float(first["value"]), first["unit"]) == ("F1", 93.5, "%")
    assert (first["samples"], first["dataset_size"], first["errors"], first["valid"]) == ("9", "10", FINDING.rule, "")
    assert (float(second["value"]), second["unit"], second["target"]) == (126.3, "queries/s", "p99 within 100 ms")
    assert (second["latency_p99_ms"], second["valid"], second["versions"]) == ("9.0", "true", "onnxruntime 1.23.0")


@given(label=st.text() | st.just(HOSTILE))
def test_no_name_breaks_a_row_or_is_a_formula(label: str) -> None:
    [row] = read(table((accuracy(label=label),)))
    assert list(row) == [*COLUMNS, *OF_REPEATED]
    assert row["verdict"] == "reached"
    assert not row["label"].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert "\n" not in row["label"]


def test_a_negative_number_stays_a_number() -> None:
    [row] = read(table((performance(seconds={"wall": -1.5}),)))
    assert float(row["wall_seconds"]) == -1.5


def test_the_docs_name_every_column_in_its_order() -> None:
    text = (REPOSITORY / "docs" / "reference.md").read_text("utf-8").partition("### CSV")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    assert [name for cell in cells for name in re.findall("`(.*?)`", cell)] == [*COLUMNS, *OF_REPEATED]


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is not a directory"):
        write_csv(tmp_path / "file" / "results.csv", finished([accuracy()]))


def test_a_session_writes_it_and_refuses_a_bad_place_before_the_runs(benchmarks: RunSession, tmp_path: Path) -> None:
    run = ("--model=null", "--backend=null", "--scenario=Offline", "--mode=performance")
    session = benchmarks(*run, f"--mlperf-csv={tmp_path / 'new' / 'results.csv'}")
    assert session.code == 0, session.output
    [row] = read((tmp_path / "new" / "results.csv").read_text())
    assert (row["case"], row["mode"], row["unit"]) == ("null-null-cpu-Offline", "performance", "samples/s")
    assert float(row["value"]) > 0
    session = benchmarks(*run, f"--mlperf-csv={tmp_path}")
    assert session.code == 4
    assert "name a file with --mlperf-csv" in session.output

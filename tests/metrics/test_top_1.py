"""Top-1 accuracy is the official script's, to the last digit of the line."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.errors import AccuracyLogError
from pytest_mlperf.metrics.accuracy_log import Record, read_records
from pytest_mlperf.metrics.top_1 import LabelType, Top1, score_labels
from pytest_mlperf.rules.reading.accuracy_text import PATTERNS

if TYPE_CHECKING:
    from collections.abc import Iterable

GOLDEN = Path(__file__).parents[1] / "datasets" / "golden" / "resnet50"
CONTENT: dict[str, Any] = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))["accuracy"]
LABELS = [int(line.split()[1]) for line in (GOLDEN / "val_map.txt").read_text().splitlines()]
METRIC = Top1()


def line(records: Iterable[Record], labels: list[int] = LABELS) -> str:
    return METRIC.text(score_labels(records, labels)).rstrip("\n")


def answers(*classes: float, first: int = 0) -> list[Record]:
    return [Record(index, struct.pack("<f", value)) for index, value in enumerate(classes, first)]


def log(directory: Path, records: list[dict[str, Any]]) -> Path:
    entry = '{{ "seq_id" : {seq_id}, "qsl_idx" : {qsl_idx}, "data" : "{data}" }}'
    path = directory / "mlperf_log_accuracy.json"
    path.write_text("[\n" + ",\n".join(entry.format(**record) for record in records) + "\n]\n")
    return path


def test_the_golden_log_gives_the_official_line(tmp_path: Path) -> None:
    assert line(read_records(log(tmp_path, CONTENT["records"]))) == CONTENT["full"]
    subset = [record for record in CONTENT["records"] if record["qsl_idx"] in (0, 1, 2)]
    found = line(read_records(log(tmp_path, subset)))
    assert found == CONTENT["subset"]


def test_the_first_record_of_a_sample_counts(tmp_path: Path) -> None:
    repeated = [*CONTENT["records"], {"seq_id": 7, "qsl_idx": 0, "data": "0000A040"}]
    assert line(read_records(log(tmp_path, repeated))) == CONTENT["repeated_index_first_wins"]


@pytest.mark.parametrize(("good", "key"), [(1, "one_of_three"), (2, "two_of_three")])
def test_thirds_are_rounded_as_the_official_script_does(good: int, key: str) -> None:
    assert line(answers(*([1.0] * good + [2.0] * (3 - good))), [1, 1, 1]) == CONTENT[key]


def test_a_fraction_is_cut_off_towards_zero() -> None:
    assert line(answers(3.9, 0.9), [3, 0]) == CONTENT["fraction_is_truncated"]
    assert score_labels(answers(-0.9), [0])["good"] == 1
    assert score_labels(answers(-1.0), [0])["good"] == 0


def test_integers_are_read_as_the_option_of_the_official_script_reads_them() -> None:
    layouts: dict[LabelType, str] = {"int32": "<i", "int64": "<q"}
    for label_type, layout in layouts.items():
        found = [Record(index, struct.pack(layout, value)) for index, value in enumerate((3, 7))]
        assert METRIC.text(score_labels(found, [3, 0], label_type)).rstrip("\n") == CONTENT["int32"]


def test_where_the_official_script_fails_there_is_an_error() -> None:
    for key in ("empty_data", "index_past_end", "no_records"):
        assert CONTENT[key].startswith("FAILS")
    with pytest.raises(AccuracyLogError, match="answered with 0 bytes"):
        line([Record(0, b"")])
    with pytest.raises(AccuracyLogError, match="sample 7 is answered, which the data set does not have"):
        line(answers(1.0, first=7))
    with pytest.raises(AccuracyLogError, match="no answers"):
        line([])


@pytest.mark.parametrize("data", [b"\0", b"\0\0\0", b"\0" * 8])
def test_an_answer_of_another_size_is_an_error(data: bytes) -> None:
    """The official script would read the first four of eight bytes: half right in the golden data."""
    with pytest.raises(AccuracyLogError, match="4 bytes"):
        line([Record(0, data)])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_class_that_is_not_finite_is_an_error(value: float) -> None:
    with pytest.raises(AccuracyLogError, match=f"answered with {value}"):
        line(answers(value))


@given(st.lists(st.tuples(st.integers(0, 999), st.integers(-1, 999)), min_size=1, max_size=300))
def test_the_line_states_the_values_and_the_checker_reads_it(pairs: list[tuple[int, int]]) -> None:
    labels = [label for label, _ in pairs]
    values = score_labels(answers(*(found for _, found in pairs)), labels)
    good = sum(label == found for label, found in pairs)
    assert (values["good"], values["total"]) == (good, len(pairs))
    assert values["acc"] == 100.0 * good / len(pairs)
    stated = METRIC.text(values)
    match = PATTERNS["acc"].match(stated)
    assert match is not None
    assert float(match[1]) == pytest.approx(values["acc"], abs=0.0005)
    assert stated.endswith(f"%, good={good}, total={len(pairs)}\n")


def test_labels_are_those_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "val_map.txt").write_text("a.JPEG 3\nb.JPEG 7\n")
    assert METRIC.score(answers(3.0, 6.0), tmp_path) == {"acc": 50.0, "good": 1, "total": 2}

"""The word error rate is the official script's, to the last digit of its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.errors import AccuracyLogError
from pytest_mlperf.metrics.accuracy_log import Record
from pytest_mlperf.metrics.word_error_rate import ALPHABET, WordErrorRate
from pytest_mlperf.rules.reading.accuracy_text import PATTERNS

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden/rnnt/wer.json").read_text())
LOG = [Record(entry["qsl_idx"], bytes.fromhex(entry["data"])) for entry in GOLDEN["log"]]
REFERENCES = GOLDEN["normalised_references"]
METRIC = WordErrorRate()


def line(records: list[Record], metric: WordErrorRate = METRIC) -> str:
    return metric.text(metric.score_against(records, REFERENCES)).rstrip("\n")


def record(index: int, words: str) -> Record:
    return Record(index, np.array([ALPHABET.index(letter) for letter in words], "<i8").tobytes())


@pytest.mark.parametrize(
    ("records", "name"),
    [
        (LOG, "all"),
        (LOG[:3], "first_three"),
        ([*LOG, LOG[0]], "duplicate_of_first_record_counts_twice"),
        ([LOG[5]], "only_empty_reference"),
        ([Record(0, b"")], "empty_hypothesis"),
    ],
)
def test_the_line_is_the_official_one(records: list[Record], name: str) -> None:
    assert line(records) == GOLDEN[name]


def test_labels_of_one_byte_give_the_official_line() -> None:
    short = [Record(index, np.frombuffer(data, "<i8").astype(np.int8).tobytes()) for index, data in LOG]
    assert line(short, WordErrorRate("int8")) == GOLDEN["int8"]


def test_the_checker_reads_the_accuracy() -> None:
    found = PATTERNS["word accuracy"].match(line(LOG))
    assert found is not None
    assert float(found[1]) == METRIC.score_against(LOG, REFERENCES)["word accuracy"]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (Record(0, np.array([28], "<i8").tobytes()), "no letter"),  # the official script ends with a KeyError
        (Record(0, np.array([-1], "<i8").tobytes()), "no letter"),
        (Record(0, np.array([1], "<i4").tobytes()), "4 bytes"),
        (Record(6, b""), "sample 6 is answered"),
    ],
)
def test_what_is_no_answer_is_an_error(bad: Record, words: str) -> None:
    with pytest.raises(AccuracyLogError, match=words):
        METRIC.score_against([bad], REFERENCES)


texts = st.lists(st.text("ab ", max_size=12), min_size=1, max_size=5)


@given(texts)
def test_what_was_said_has_no_error_and_silence_has_all(references: list[str]) -> None:
    right = [record(index, words) for index, words in enumerate(references)]
    values = METRIC.score_against(right, references)
    assert values["errors"] == 0
    silent = METRIC.score_against([Record(index, b"") for index in range(len(references))], references)
    assert silent["errors"] == silent["words"] == sum(len(words.split()) for words in references)
    spaced = [record(index, f" {words}  ") for index, words in enumerate(references)]
    assert METRIC.score_against(spaced, references) == values

"""F1 of answers: what the official scripts print for the same log, and what they leave undefined."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.errors import AccuracyLogError
from pytest_mlperf.metrics.accuracy_log import Answers, Record
from pytest_mlperf.metrics.answer_text import answer_text, basic_tokens, project
from pytest_mlperf.metrics.span_f1 import SpanF1, f1_of, normal, scores_of
from pytest_mlperf.rules.reading.accuracy_text import PATTERNS
from tests.metrics.squad_golden import golden, golden_directory, question, squad, write, write_log

if TYPE_CHECKING:
    from pathlib import Path

METRIC = SpanF1()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return golden_directory(tmp_path)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    log = write_log(tmp_path_factory.mktemp("log") / "mlperf_log_accuracy.json")
    return list(Answers(log, last=METRIC.last_record_counts))


def line(metric: SpanF1, records: list[Record], data: Path) -> str:
    return metric.text(metric.score(records, data)).rstrip("\n")


def test_the_golden_log_has_the_official_answers_and_line(data: Path, answers: list[Record]) -> None:
    expected = golden("expected.json")["full"]
    assert METRIC.predictions(answers, data) == expected["predictions"]
    printed = line(METRIC, answers, data)
    assert printed == expected["line"]
    stated = PATTERNS["F1"].match(printed)
    assert stated is not None
    assert float(stated[1]) == METRIC.score(answers, data)["F1"]


def test_the_last_record_of_a_sample_counts(data: Path, tmp_path: Path, answers: list[Record]) -> None:
    path = tmp_path / "log.json"
    entry = '{{ "seq_id" : {0}, "qsl_idx" : 3, "data" : "{0:016X}" }}'.format
    path.write_text(f"[\n{entry(1)},\n{entry(2)}\n]\n", encoding="utf-8")
    assert list(Answers(path)) == [Record(3, (1).to_bytes(8, "big"))]
    last = Answers(path, last=True)
    assert list(last) == [Record(3, (2).to_bytes(8, "big"))]
    assert last.count == 1
    assert METRIC.last_record_counts  # so that a session reads its log like this
    other = [Record(3, bytes(8)), *answers]
    assert METRIC.predictions(other, data) == METRIC.predictions(answers, data)


def test_a_sample_without_a_record_takes_no_part(data: Path, answers: list[Record]) -> None:
    expected = golden("expected.json")["last_feature_missing"]
    records = [record for record in answers if record.qsl_idx != 19]
    assert line(METRIC, records, data) == expected["line"]
    assert METRIC.predictions(records, data)["q9"] == expected["q9"] == "empty"


def test_the_official_part_divides_by_one_question_more_than_it_scores(data: Path, answers: list[Record]) -> None:
    # --max_examples 4 counts the fourth question and does not score it, which is not our meaning of a part.
    expected = golden("expected.json")["max_examples_4"]
    predictions = METRIC.predictions(answers, data)
    assert {name: predictions[name] for name in ("q0", "q1", "q2", "q3")} == expected["predictions"]
    asked = [each.question for each, _ in METRIC.samples_by_question(data)][:3]
    f1 = 100.0 * sum(scores_of(predictions[each.id], each).f1 for each in asked) / 4
    exact = 100.0 * sum(scores_of(predictions[each.id], each).exact for each in asked) / 4
    assert json.dumps({"exact_match": exact, "f1": f1}) == expected["line"]


def test_half_precision_loses_nothing_here(data: Path, answers: list[Record]) -> None:
    rounded = [
        Record(index, np.frombuffer(content, np.float32).astype(np.float16).astype(np.float32).tobytes())
        for index, content in answers
    ]
    assert line(METRIC, rounded, data) == golden("expected.json")["transposed_float16"]["line"]


def test_a_part_scores_the_questions_with_a_sample_in_it(data: Path, answers: list[Record]) -> None:
    # Samples 0 to 4 are of one question each, 5 to 10 of the sixth, 11 to 16 of the seventh; q10 and q11 have none.
    records = answers
    for samples, questions in ((1, 1), (5, 5), (6, 6), (10, 6), (12, 7), (19, 9)):
        part = [record for record in records if record.qsl_idx < samples]
        assert METRIC.over(samples).score(part, data)["questions"] == questions
    assert METRIC.over(4).score([each for each in records if each.qsl_idx < 4], data)["exact_match"] == 100.0
    for samples in (20, 21):
        assert line(METRIC.over(samples), records, data) == line(METRIC, records, data)


def test_paragraphs_without_words_are_answered_and_counted(tmp_path: Path) -> None:
    content = squad(
        (" \t\u202f\n", [question("a", "w ?", "empty"), question("b", "w ?", "x")]), ("w", [question("c", "w", "w")])
    )
    data = write(tmp_path, content, ("w",))
    logits = np.zeros((5, 2), np.float32)
    values = METRIC.score([Record(0, logits.tobytes())], data)
    assert values == {"F1": 200 / 3, "exact_match": 200 / 3, "questions": 3}


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (Record(20, bytes(8)), "samples 0 to 19"),
        (Record(0, bytes(12)), "a multiple of 8 bytes"),
        (Record(0, bytes(8 * 385)), "at most 3,072"),
        (Record(0, np.full((4, 2), np.nan, np.float32).tobytes()), "NaN or infinity"),
        (Record(0, np.full((4, 2), np.inf, np.float32).tobytes()), "NaN or infinity"),
    ],
    ids=["another sample", "half a row", "too long", "NaN", "infinity"],
)
def test_records_that_are_no_answers(data: Path, record: Record, says: str) -> None:
    with pytest.raises(AccuracyLogError, match=says):
        METRIC.score([record], data)


def test_negative_infinity_is_the_least_of_all(data: Path) -> None:
    logits = np.full((43, 2), -np.inf, np.float32)
    assert METRIC.predictions([Record(0, logits.tobytes())], data)["q0"]  # as the reference: some answer
    logits[10] = 0
    assert METRIC.predictions([Record(0, logits.tobytes())], data)["q0"] == "Zürich"


@pytest.mark.parametrize(
    ("predicted", "original", "answer"),
    [
        ("steve smith", "Steve Smith's", "Steve Smith"),
        ("resume", "Résumé,", "Résumé"),
        ("absent", "Steve Smith's", "Steve Smith's"),
        ("x", "ẞ x", "x"),
        ("[SEP]", "[SEP] x", "[SEP]"),
        ("sep", "[SEP] x", "[SEP] x"),
    ],
)
def test_the_answer_is_cut_from_the_text(predicted: str, original: str, answer: str) -> None:
    assert project(predicted, original) == answer


def test_pieces_are_joined() -> None:
    assert answer_text(["zur", "##ich", "(", "1895"], ["Zürich", "(1895–1943)"]) == "Zürich (1895"


@given(st.text(max_size=60))
def test_splitting_twice_splits_no_further(text: str) -> None:
    once = basic_tokens(text)
    assert all(token and not any(c in " \t\n\r" for c in token) for token in once)
    again = [part for token in once for part in basic_tokens(token)]
    # A character may decompose or change its case only once.
    assert "".join(again) == "".join(once) or any(ord(c) > 127 for c in text)


@given(st.text(max_size=40))
def test_the_whole_text_is_found_in_itself(text: str) -> None:
    words = text.split()
    original = " ".join(words)
    found = project(" ".join(basic_tokens(original)), original)
    assert found in original


WORDS = st.lists(st.sampled_from(["a", "the", "an", "plum,", "Plum", "pear.", "X", "y-y"]), max_size=8).map(" ".join)


@given(WORDS, WORDS)
def test_f1_is_symmetric_between_0_and_1_and_1_for_the_same_words(one: str, other: str) -> None:
    assert 0.0 <= f1_of(one, other) <= 1.0
    assert f1_of(one, other) == pytest.approx(f1_of(other, one))
    if normal(one):
        assert f1_of(one, one.upper()) == 1.0
    assert (f1_of(one, other) == 1.0) == (sorted(normal(one).split()) == sorted(normal(other).split()) != [])


def test_the_best_accepted_answer_counts(tmp_path: Path) -> None:
    content = squad(("the plum", [question("a", "w", "pear", "a Plum!", "plum tree")]))
    data = write(tmp_path, content, ("w", "the", "plum"))
    logits = np.full((6, 2), -5, np.float32)
    logits[4] = 5
    assert METRIC.score([Record(0, logits.tobytes())], data)["F1"] == 100.0
    assert math.isclose(f1_of("plum", "plum tree"), 2 / 3)

"""SQuAD: the samples of the official script, and every fault of the files as an error before the test."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.benchmarks.bert import LENGTHS, OFFICIAL_99, TINY_99
from pytest_mlperf.datasets.squad import Questions, Squad
from pytest_mlperf.datasets.squad_features import Asked, Feature, Window, ask, features
from pytest_mlperf.datasets.squad_file import read_squad
from pytest_mlperf.datasets.squad_lengths import OFFICIAL as OFFICIAL_LENGTHS
from pytest_mlperf.datasets.squad_lengths import Lengths
from pytest_mlperf.datasets.squad_recipe import SquadRecipe
from pytest_mlperf.datasets.vocabulary_form import UNCASED
from pytest_mlperf.datasets.wordpiece import WordPieces
from pytest_mlperf.errors import DatasetError
from tests.metrics.squad_golden import golden, golden_directory, official_numbers, question, squad, write

if TYPE_CHECKING:
    from pathlib import Path

QUESTIONS = Questions("questions", OFFICIAL_LENGTHS)
Edit = Callable[[dict[str, Any]], object]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return golden_directory(tmp_path)


# The golden data.


def test_the_samples_are_those_of_the_official_script(data: Path) -> None:
    pieces, numbers = list(official_numbers()), list(official_numbers().values())
    samples = QUESTIONS.open(data, 20, "")
    expected = golden("features.json")["features"]
    whole = replace(OFFICIAL_99, variant="")
    for sample, official in zip(samples, expected, strict=True):
        tokens = [pieces[number] for number in sample.ids]
        assert official["tokens"] in (None, tokens)
        assert [numbers[number] for number in sample.ids] == official["official_ids"]
        inputs = whole.collate([sample])
        assert [value.shape for value in inputs.values()] == [(1, 384)] * 3
        assert inputs["input_mask"].sum() == official["n"] == len(sample)
        assert inputs["segment_ids"].sum() == official["segment_ones"]
        assert inputs["segment_ids"][0, sample.first : len(sample)].all()
        window = sample.asked.windows[sample.window]
        assert sample.window == official["doc_span_index"]
        words = [
            (place, sample.asked.text.word_of[place]) for place in (window.start, window.start + window.length - 1)
        ]
        assert [[place - window.start + sample.first, word] for place, word in words] == official["orig_map_first_last"]
        best = [n for n in range(window.length) if sample.asked.best_windows[window.start + n] == sample.window]
        assert len(best) == official["max_context_count"]
        assert [[best[0] + sample.first, best[-1] + sample.first]] == official["max_context_ranges"]


def test_words_are_split_as_in_the_official_script(data: Path) -> None:
    words = [paragraph.words for paragraph in read_squad(data / "dev-v1.1.json").paragraphs() for _ in paragraph.qas]
    # Those of the long paragraph are left out there.
    assert [each for each in words if len(each) < 500] == golden("features.json")["doc_tokens"]


# Windows.


@given(count=st.integers(0, 900), query=st.integers(0, 64), stride=st.integers(1, 200))
def test_windows_cover_a_paragraph_and_each_piece_has_one_best(count: int, query: int, stride: int) -> None:
    from pytest_mlperf.datasets.squad_features import Text, _windows
    from pytest_mlperf.datasets.wordpiece import Pieces

    lengths = Lengths(384, 64, stride)
    windows = _windows(count, query, lengths)
    covered = sorted({n for window in windows for n in range(window.start, window.start + window.length)})
    assert covered == list(range(count))
    assert all(0 < window.length <= 384 - query - 3 for window in windows)
    ids = list(range(count))
    asked = Asked(None, Pieces([], []), Text([], [""] * count, ids, ids), windows)  # type: ignore[arg-type]
    for piece, number in list(enumerate(asked.best_windows))[:: max(1, count // 20)]:
        assert number == _best(windows, piece)


def _best(windows: tuple[Window, ...], piece: int) -> int:
    scores = [
        min(piece - w.start, w.start + w.length - 1 - piece) + 0.01 * w.length
        if w.start <= piece < w.start + w.length
        else -1.0
        for w in windows
    ]
    return scores.index(max(scores))


def test_a_batch_is_as_long_as_its_longest_sample_or_as_the_graph(data: Path) -> None:
    samples = QUESTIONS.open(data, 3, "")
    lengths = [len(sample) for sample in samples]
    short, whole = (replace(OFFICIAL_99, variant=variant) for variant in (LENGTHS, ""))
    assert {value.shape for value in short.collate(samples).values()} == {(3, max(lengths))}
    assert {value.shape for value in whole.collate(samples).values()} == {(3, 384)}
    assert [short.cost(sample) for sample in samples] == lengths
    assert {whole.cost(sample) for sample in samples} == {1.0}
    for row, sample in enumerate(samples):
        inputs = short.collate(samples)
        assert inputs["input_ids"][row, : len(sample)].tolist() == sample.ids.tolist()
        assert not any(value[row, len(sample) :].any() for value in inputs.values())


def test_records_are_the_logits_without_padding_or_all_places(data: Path) -> None:
    samples = QUESTIONS.open(data, 3, "")
    random = np.random.default_rng(0)
    for variant, length in ((LENGTHS, max(map(len, samples))), ("", 384)):
        start, end = random.normal(size=(2, 3, length)).astype(np.float32)
        records = replace(OFFICIAL_99, variant=variant).encode([start, end], samples, [0, 1, 2])
        for row, sample in enumerate(samples):
            logits = records.data[records.offsets[row] : records.offsets[row + 1]].view(np.float32).reshape(-1, 2)
            count = len(sample) if variant == LENGTHS else 384
            assert np.array_equal(logits, np.stack([start[row, :count], end[row, :count]], -1))


# Faults.


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda file: file["data"][0]["paragraphs"][0]["qas"][0].update(answers=[]), "an answer for each question"),
        (lambda file: file["data"][0]["paragraphs"][0]["qas"][0].pop("answers"), "missing required field `answers`"),
        (
            lambda file: file["data"][0]["paragraphs"][0]["qas"][0]["answers"][0].update(answer_start=5000),
            "q0: answer_start 5000 in 95 characters",
        ),
        (
            lambda file: file["data"][0]["paragraphs"][0]["qas"][0]["answers"][0].update(answer_start=-1),
            "every answer inside its context",
        ),
        (lambda file: file["data"][0]["paragraphs"][0]["qas"][1].update(id="q0"), "q0 twice"),
        (lambda file: file["data"][0]["paragraphs"][0]["qas"][1].update(id=7), "Expected `str`, got `int`"),
        (lambda file: file["data"][0]["paragraphs"][0].update(context=None), "Expected `str`, got `null`"),
        (lambda file: file.update(data={}), "Expected `array`, got `object`"),
        (lambda file: file.update(data=[]), "at least one question"),
        (lambda file: file.pop("data"), "missing required field `data`"),
    ],
    ids=[
        "no answers",
        "no list of answers",
        "an answer behind its context",
        "an answer before its context",
        "an id twice",
        "an id that is a number",
        "no text",
        "articles that are no list",
        "no question",
        "no articles",
    ],
)
def test_questions_that_cannot_be_scored(data: Path, change: Edit, says: str) -> None:
    content = golden("squad.json")
    change(content)
    (data / "dev-v1.1.json").write_text(json.dumps(content), encoding="utf-8")
    refused(QUESTIONS, data, says, str(data / "dev-v1.1.json"), "fetch dev-v1.1.json")


@pytest.mark.parametrize("part", [0.0, 0.5], ids=["empty", "cut off"])
def test_a_file_that_is_not_whole(data: Path, part: float) -> None:
    whole = (data / "dev-v1.1.json").read_bytes()
    (data / "dev-v1.1.json").write_bytes(whole[: int(len(whole) * part)])
    refused(QUESTIONS, data, "Input data was truncated", "is not a file of SQuAD v1.1")


def test_a_file_that_is_no_text(data: Path) -> None:
    (data / "dev-v1.1.json").write_bytes(b'{"data": [{"paragraphs": [{"context": "\xff", "qas": []}]}]}')
    refused(QUESTIONS, data, "is not a file of SQuAD v1.1")


def test_another_name_of_the_only_file_will_do(data: Path) -> None:
    (data / "dev-v1.1.json").rename(data / "questions.json")
    assert len(QUESTIONS.open(data, 20, "")) == 20
    assert QUESTIONS.used_files(data, 20) == ["questions.json", "vocab.txt"]
    (data / "more.json").touch()
    refused(QUESTIONS, data, "no dev-v1.1.json, and 2 other .json files", "--dataset-path")


def test_nothing_there(data: Path) -> None:
    (data / "dev-v1.1.json").unlink()
    refused(QUESTIONS, data, "no dev-v1.1.json, and 0 other .json files")
    (data / "vocab.txt").unlink()
    refused(QUESTIONS, data, "cannot read", "vocab.txt", "No such file")


def test_fewer_samples_than_asked_for(data: Path) -> None:
    with pytest.raises(DatasetError, match="use at most 20 with --dataset-size"):
        QUESTIONS.open(data, 21, "")


def test_a_vocabulary_without_special_tokens(data: Path) -> None:
    (data / "vocab.txt").write_text("[PAD]\n[UNK]\nthe\n", encoding="utf-8")
    refused(QUESTIONS, data, "no [CLS], [SEP], [MASK] in 3 lines", "is not a vocabulary of BERT")


def test_a_vocabulary_of_another_model(data: Path) -> None:
    refused(Squad(), data, "30,522 lines", "is not the vocabulary of this model", "bert-base-uncased")
    pieces = [f"[unused{n}]" for n in range(UNCASED.lines - 5)]  # as many lines, and others
    lines = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces]
    (data / "vocab.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    refused(Squad(), data, "[CLS] in line 102", "[CLS] in line 3")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe[PAD]\n"], ids=["empty", "no text"])
def test_a_vocabulary_that_is_none(data: Path, content: bytes) -> None:
    (data / "vocab.txt").write_bytes(content)
    refused(QUESTIONS, data, "vocab.txt", "give the vocab.txt of the model")


def refused(dataset: Questions, directory: Path, *says: str) -> None:
    with pytest.raises(DatasetError) as caught:
        dataset.open(directory, 1, "")
    for text in says:
        assert text in str(caught.value)


def test_a_paragraph_without_words_has_no_sample(tmp_path: Path) -> None:
    data = write(tmp_path, squad(("", [question("a", "w", "x")]), ("w w", [question("b", "w", "w")])), ["w"])
    [sample] = QUESTIONS.open(data, 1, "")
    assert sample.asked.question.id == "b"
    pieces = WordPieces(data / "vocab.txt")
    every: list[Feature] = []
    for asked in ask(read_squad(data / "dev-v1.1.json"), pieces, OFFICIAL_LENGTHS):
        every += features(asked, pieces)
    assert len(every) == 1


def test_windows_line_ends_and_long_vocabularies_are_read_like_the_reference(tmp_path: Path) -> None:
    data = write(tmp_path, squad(("w", [question("b", "w", "w")])), ["w"])
    (data / "vocab.txt").write_bytes(b"\r\n".join([b"[PAD]", b"[UNK]", b"[CLS]", b"[SEP]", b"[MASK]", b"w", b"w", b""]))
    [sample] = QUESTIONS.open(data, 1, "")
    assert sample.ids.tolist() == [2, 6, 3, 6, 3]  # the last line of a piece counts


# Where the files come from.


def test_the_official_files_are_pinned(data: Path) -> None:
    recipe = SquadRecipe()
    known = dict(recipe.files)
    assert recipe.fault(data, known) is None
    assert recipe.fault(data, {**known, "vocab.txt": "0" * 64}) == (
        f"vocab.txt has SHA-256 {'0' * 64}, not {known['vocab.txt']}"
    )
    assert OFFICIAL_99.reference_data(10_833) != TINY_99.reference_data(100)
    assert str(OFFICIAL_99.dataset.source(5)).startswith(
        "SQuAD's dev-v1.1.json with vocab.txt (about 5 MB; give it with"
    )

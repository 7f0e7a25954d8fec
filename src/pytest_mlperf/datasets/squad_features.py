"""Cuts questions and their paragraphs into the windows that BERT reads: the samples of SQuAD."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlperf.datasets.wordpiece import Pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_mlperf.datasets.squad_file import Question, SquadFile
    from pytest_mlperf.datasets.squad_lengths import Lengths
    from pytest_mlperf.datasets.wordpiece import WordPieces

#: [CLS] before the question, [SEP] behind it and behind the window.
_AROUND = 3


@dataclass(frozen=True)
class Text:
    """A paragraph: its words, its pieces with their ids, and the word that each piece is of."""

    words: Sequence[str]
    tokens: Sequence[str]
    ids: Sequence[int]
    word_of: Sequence[int]


@dataclass(frozen=True)
class Window:
    """A part of a paragraph's pieces."""

    start: int
    length: int


@dataclass(frozen=True)
class Asked:
    """A question, its pieces, its paragraph, and the windows in which that is read: none if it has no word."""

    question: Question
    query: Pieces
    text: Text
    windows: tuple[Window, ...]

    @cached_property
    def best_windows(self) -> NDArray[np.int64]:
        """For each piece of the paragraph, the window that has most context around it: ``int64[pieces]``.

        That is the first with the largest minimum of the pieces on both sides, plus a hundredth of its length.
        """
        best = np.zeros(len(self.text.tokens), np.int64)
        scores = np.full(len(best), -1.0)
        for number, window in enumerate(self.windows):
            place = np.arange(window.length)
            found = np.minimum(place, window.length - 1 - place) + 0.01 * window.length
            part = slice(window.start, window.start + window.length)
            better = found > scores[part]
            best[part][better] = number
            scores[part][better] = found[better]
        return best


@dataclass(frozen=True)
class Feature:
    """A sample: a question and one window of its paragraph, as [CLS] question [SEP] window [SEP].

    Attributes
    ----------
    ids
        ``int64[n]``: the pieces' numbers in the vocabulary, without padding.
    first
        The number of pieces of segment 0; the window begins there.
    asked, window
        The question, and which of its windows this is.
    """

    ids: NDArray[np.int64]
    first: int
    asked: Asked
    window: int

    def __len__(self) -> int:
        return len(self.ids)


def ask(squad: SquadFile, pieces: WordPieces, lengths: Lengths) -> Iterator[Asked]:
    """Yield the questions of a file in its order, cut into windows."""
    for paragraph in squad.paragraphs():
        text = _text(paragraph.words, pieces)
        for question in paragraph.qas:
            tokens, ids = pieces.split(question.question)
            query = Pieces(tokens[: lengths.query], ids[: lengths.query])
            yield Asked(question, query, text, _windows(len(text.tokens), len(query.ids), lengths))


def features(asked: Asked, pieces: WordPieces) -> Iterator[Feature]:
    """Yield the samples of a question, by window."""
    before = [pieces.cls, *asked.query.ids, pieces.sep]
    for number, window in enumerate(asked.windows):
        part = asked.text.ids[window.start : window.start + window.length]
        yield Feature(np.array([*before, *part, pieces.sep], np.int64), len(before), asked, number)


def _text(words: Sequence[str], pieces: WordPieces) -> Text:
    tokens: list[str] = []
    ids: list[int] = []
    word_of: list[int] = []
    for number, word in enumerate(words):
        found = pieces.split(word)
        tokens += found.tokens
        ids += found.ids
        word_of += [number] * len(found.ids)
    return Text(words, tokens, ids, word_of)


def _windows(count: int, query: int, lengths: Lengths) -> tuple[Window, ...]:
    """Return the windows of a paragraph of `count` pieces: each begins `stride` after the one before it."""
    longest = lengths.sequence - query - _AROUND
    found: list[Window] = []
    start = 0
    while start < count:
        length = min(count - start, longest)
        found.append(Window(start, length))
        if start + length == count:
            break
        start += min(length, lengths.stride)
    return tuple(found)

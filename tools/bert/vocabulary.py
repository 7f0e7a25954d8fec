"""Makes a vocabulary of word pieces: letters, and what is joined most often in some texts."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from pytest_mlperf.datasets.wordpiece import SPECIAL

if TYPE_CHECKING:
    from collections.abc import Iterable

_TOKEN = re.compile(r"[a-z0-9]+|[^a-z0-9\s]")


def vocabulary(texts: Iterable[str], size: int) -> list[str]:
    """Return `size` pieces: the special ones, single characters, and pairs of pieces joined by frequency.

    Of equally frequent pairs the first in alphabetical order is joined, so the result is the same everywhere.
    """
    counts = Counter(token for text in texts for token in _TOKEN.findall(text.lower()))
    words = {word: [word[0], *(f"##{letter}" for letter in word[1:])] for word in sorted(counts)}
    letters = [chr(code) for code in (*range(48, 58), *range(97, 123))]
    marks = sorted({word for word in words if not word[0].isalnum()})
    pieces = [*SPECIAL, *marks, *letters, *(f"##{letter}" for letter in letters)]
    pairs: Counter[tuple[str, str]] = Counter()
    for word, parts in words.items():
        _count(pairs, parts, counts[word])
    while len(pieces) < size:
        first, second = min(pairs, key=lambda pair: (-pairs[pair], pair))
        joined = first + second.removeprefix("##")
        if joined not in pieces:
            pieces.append(joined)
        for word, parts in words.items():
            if first in parts and (shorter := _joined(parts, first, second, joined)) != parts:
                _count(pairs, parts, -counts[word])
                _count(pairs, shorter, counts[word])
                words[word] = shorter
    return pieces


def _count(pairs: Counter[tuple[str, str]], parts: list[str], times: int) -> None:
    for pair in pairwise(parts):
        pairs[pair] += times


def _joined(parts: list[str], first: str, second: str, joined: str) -> list[str]:
    result: list[str] = []
    place = 0
    while place < len(parts):
        if parts[place : place + 2] == [first, second]:
            result.append(joined)
            place += 2
        else:
            result.append(parts[place])
            place += 1
    return result

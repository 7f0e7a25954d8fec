"""The text of an answer: from word pieces back to the characters of the paragraph, as accuracy-squad.py does it."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_mlperf.datasets.wordpiece import SPECIAL

if TYPE_CHECKING:
    from collections.abc import Sequence

_IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
_ASCII_PUNCTUATION = (range(33, 48), range(58, 65), range(91, 97), range(123, 127))


def answer_text(tokens: Sequence[str], words: Sequence[str]) -> str:
    """Return the part of the paragraph that some pieces stand for.

    Parameters
    ----------
    tokens
        The pieces of the answer.
    words
        The words of the paragraph to which they belong, from the first piece's to the last one's.

    Returns
    -------
    str
        The characters between the first and the last piece; the whole words where the pieces cannot be found in them.
    """
    predicted = " ".join(" ".join(tokens).replace(" ##", "").replace("##", "").split())
    return project(predicted, " ".join(words))


def project(predicted: str, original: str) -> str:
    """Return the part of `original` that `predicted` was made of; all of it where that is not certain.

    The characters of both without spaces are taken to be the same ones if they are as many.
    """
    split = " ".join(basic_tokens(original))
    start = split.find(predicted)
    if start < 0:
        return original
    places = [place for place, character in enumerate(original) if character != " "]
    numbers = {place: number for number, place in enumerate(p for p, c in enumerate(split) if c != " ")}
    end = start + len(predicted) - 1
    if len(places) != len(numbers) or start not in numbers or end not in numbers:
        return original
    return original[places[numbers[start]] : places[numbers[end]] + 1]


def basic_tokens(text: str) -> list[str]:
    """Split at spaces and punctuation, in lower case and without accents; a special token stays as it is."""
    separated = "".join(_apart(character) for character in text)
    return [part for token in separated.split() for part in _parts(token)]


def _parts(token: str) -> list[str]:
    if token in SPECIAL:
        return [token]
    decomposed = unicodedata.normalize("NFD", token.lower())
    bare = (character for character in decomposed if unicodedata.category(character) != "Mn")
    return "".join(f" {c} " if _is_punctuation(c) else c for c in bare).split()


@lru_cache(4096)
def _apart(character: str) -> str:
    """Return a character as it is, as a space, between spaces, or not at all."""
    if character in " \t\n\r":
        return " "
    category, code = unicodedata.category(character), ord(character)
    if code in (0, 0xFFFD) or category.startswith("C"):
        return ""
    if category == "Zs":
        return " "
    return f" {character} " if any(first <= code <= last for first, last in _IDEOGRAPHS) else character


@lru_cache(4096)
def _is_punctuation(character: str) -> bool:
    return any(ord(character) in part for part in _ASCII_PUNCTUATION) or unicodedata.category(character)[0] == "P"

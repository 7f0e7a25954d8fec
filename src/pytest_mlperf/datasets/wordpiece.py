"""Splits text into the word pieces of uncased BERT, as the reference's tokenizer does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pytest_mlperf.datasets.vocabulary_form import VocabularyForm

PAD, UNKNOWN, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL: Final = (PAD, UNKNOWN, CLS, SEP, MASK)
#: A longer word is unknown.
LONGEST_WORD: Final = 100
_FIX = "give the vocab.txt of the model: for the official BERT that of bert-base-uncased, 30,522 lines"


class Pieces(NamedTuple):
    """The pieces of a text, and their numbers in the vocabulary."""

    tokens: list[str]
    ids: list[int]


class WordPieces:
    """Splits texts; a text that was split before is not split again.

    Parameters
    ----------
    path
        The vocabulary: one piece a line, whose number is its line, from 0.
    form
        What the vocabulary must be like; None for any.

    Raises
    ------
    DatasetError
        The vocabulary cannot be read, is not UTF-8, has no line for a special token, or is not of this form.
    """

    def __init__(self, path: Path, form: VocabularyForm | None = None) -> None:
        lines = _lines(path)
        vocabulary = {piece: number for number, piece in enumerate(lines)}
        _require(path, vocabulary, len(lines), form)
        self.cls, self.sep = vocabulary[CLS], vocabulary[SEP]
        self._tokenizer = _tokenizer(vocabulary)
        self._known: dict[str, Pieces] = {}

    def split(self, text: str) -> Pieces:
        """Return the pieces of a text, without [CLS] and [SEP] around them."""
        pieces = self._known.get(text)
        if pieces is None:
            encoding = self._tokenizer.encode(text, add_special_tokens=False)
            pieces = self._known[text] = Pieces(encoding.tokens, encoding.ids)
        return pieces


def _tokenizer(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token=UNKNOWN, max_input_chars_per_word=LONGEST_WORD))
    tokenizer.normalizer = BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True
    )
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def _lines(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8") as file:
            return [line.rstrip("\n") for line in file]
    except OSError as error:
        raise DatasetError(
            f"cannot read {path}", expected="a vocabulary", found=error.strerror or str(error), fix=_FIX
        ) from error
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path} is not a vocabulary", expected="text in UTF-8", found=f"byte {error.start} is none", fix=_FIX
        ) from error


def _require(path: Path, vocabulary: Mapping[str, int], lines: int, form: VocabularyForm | None) -> None:
    if missing := [piece for piece in SPECIAL if piece not in vocabulary]:
        raise DatasetError(
            f"{path} is not a vocabulary of BERT",
            expected=f"lines for {', '.join(SPECIAL)}",
            found=f"no {', '.join(missing)} in {lines:,} lines",
            fix=_FIX,
        )
    if form is None or form.agrees(lines, vocabulary):
        return
    raise DatasetError(
        f"{path} is not the vocabulary of this model",
        expected=f"{form.lines:,} lines, {_listed(form.special)}",
        found=f"{lines:,} lines, {_listed((piece, vocabulary[piece]) for piece, _ in form.special)}",
        fix=_FIX,
    )


def _listed(places: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{piece} in line {number + 1}" for piece, number in places)

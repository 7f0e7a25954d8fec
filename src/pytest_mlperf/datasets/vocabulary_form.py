"""What a vocabulary is known to be like. Separate from reading it, so that planning a run needs no tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class VocabularyForm:
    """How many lines it has, and the lines of the special tokens, from 0."""

    lines: int
    special: tuple[tuple[str, int], ...]

    def agrees(self, lines: int, numbers: Mapping[str, int]) -> bool:
        """Say whether a vocabulary of so many lines, with these numbers, is of this form."""
        return lines == self.lines and all(numbers.get(piece) == number for piece, number in self.special)


#: bert-base-uncased, which the official model has.
UNCASED = VocabularyForm(30_522, (("[PAD]", 0), ("[UNK]", 100), ("[CLS]", 101), ("[SEP]", 102), ("[MASK]", 103)))

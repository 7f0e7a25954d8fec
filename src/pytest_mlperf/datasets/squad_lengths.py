"""How questions and paragraphs are cut for a model. Separate from cutting, so that planning a run needs no numpy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lengths:
    """Lengths in word pieces.

    Attributes
    ----------
    sequence
        The most that the model reads at once.
    query
        The most of a question.
    stride
        From the start of a paragraph's window to the next one's.
    """

    sequence: int
    query: int
    stride: int


#: Those of language/bert in mlcommons/inference.
OFFICIAL = Lengths(sequence=384, query=64, stride=128)
#: A quarter of that, so that the short paragraphs of the tiny edition need several windows, too.
TINY = Lengths(sequence=96, query=24, stride=32)

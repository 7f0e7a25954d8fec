"""What the tiny edition is made of: the sizes, and the texts of each purpose by their seeds."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING

from bert.network import Size
from bert.texts import squad, training, validation
from bert.vocabulary import vocabulary
from pytest_mlperf.datasets.squad_lengths import TINY as LENGTHS

if TYPE_CHECKING:
    from pathlib import Path

VOCABULARY = 1300
QUESTIONS = 1200
SIZE = Size(layers=3, width=96, heads=4, inner=384, vocabulary=VOCABULARY, places=LENGTHS.sequence)
QUESTIONS_FILE, VOCABULARY_FILE = "dev-v1.1.json", "vocab.txt"
#: Training takes the seed of the command line; these are other paragraphs, and validation has other subjects.
_VOCABULARY_SEED, _VALIDATION_SEED = 2, 1
_VOCABULARY_PARAGRAPHS = 2000


def write_data(directory: Path) -> None:
    """Write the validation questions and the vocabulary, which has seen only texts of the training split."""
    directory.mkdir(parents=True, exist_ok=True)
    told = islice(training(_VOCABULARY_SEED), _VOCABULARY_PARAGRAPHS)
    texts = (text for each in told for text in (each.context, *(question for question, _, _ in each.asked)))
    pieces = vocabulary(texts, VOCABULARY)
    (directory / VOCABULARY_FILE).write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")
    content = json.dumps(squad(list(validation(QUESTIONS, _VALIDATION_SEED))), separators=(",", ":"))
    (directory / QUESTIONS_FILE).write_text(content + "\n", encoding="utf-8")

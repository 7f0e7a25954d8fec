"""The data sets for BERT: SQuAD v1.1, and questions about facts in the same format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlperf.datasets import squad_lengths, vocabulary_form
from pytest_mlperf.datasets.squad_file import VOCABULARY, questions_file
from pytest_mlperf.datasets.squad_recipe import OFFICIAL
from pytest_mlperf.errors import DatasetError
from pytest_mlperf.origin import Remote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_mlperf.datasets.squad_features import Feature
    from pytest_mlperf.datasets.squad_lengths import Lengths
    from pytest_mlperf.datasets.squad_recipe import SquadRecipe
    from pytest_mlperf.datasets.vocabulary_form import VocabularyForm


@dataclass(frozen=True)
class Questions:
    """Questions in SQuAD's format, cut into windows: a sample is a question with one window of its paragraph.

    Attributes
    ----------
    lengths
        How they are cut.
    form
        What the vocabulary must be like; None for any.
    """

    name: str
    lengths: Lengths
    size: int | None = None
    form: VocabularyForm | None = None
    requirements: tuple[str, ...] = ("tokenizers>=0.20",)

    def open(self, directory: Path, count: int, variant: str) -> Sequence[Feature]:
        """Cut the first `count` samples: `pytest_mlperf.datasets.squad_features.Feature`, without padding.

        Raises
        ------
        DatasetError
            The questions or the vocabulary cannot be used, or there are fewer samples.
        """
        from itertools import chain, islice

        from pytest_mlperf.datasets.squad_features import ask, features
        from pytest_mlperf.datasets.squad_file import read_squad
        from pytest_mlperf.datasets.wordpiece import WordPieces

        del variant
        pieces = WordPieces(directory / VOCABULARY, self.form)
        squad = read_squad(directory / questions_file(directory))
        every = chain.from_iterable(features(asked, pieces) for asked in ask(squad, pieces, self.lengths))
        samples = list(islice(every, count))
        if len(samples) < count:
            raise DatasetError(
                f"{directory} has too few samples",
                expected=f"{count:,} windows of paragraphs with a question",
                found=f"{len(samples):,}",
                fix=f"use at most {len(samples)} with --dataset-size",
            )
        return samples

    def used_files(self, directory: Path, count: int) -> Sequence[str]:
        """Return the names of the questions' file and of the vocabulary: all samples and their score need both."""
        del count
        return [questions_file(directory), VOCABULARY]


@dataclass(frozen=True)
class Squad(Questions):
    """The development set of SQuAD v1.1 with the vocabulary of BERT."""

    name: str = "SQuAD v1.1"
    lengths: Lengths = squad_lengths.OFFICIAL
    form: VocabularyForm | None = vocabulary_form.UNCASED
    files: SquadRecipe = OFFICIAL

    def source(self, count: int) -> Remote:
        """Return the download of both files, which are needed for any number of samples."""
        del count
        return Remote(self.files, "SQuAD's dev-v1.1.json with vocab.txt", "about 5 MB", 5_085_787, "--dataset-path DIR")


@dataclass(frozen=True)
class ShippedQuestions(Questions):
    """Questions about facts that ship with the package.

    Attributes
    ----------
    directory
        Where they are, in the package's ``data``.
    """

    directory: str = ""

    def source(self, count: int) -> Path:
        """Return the directory with them, which holds any number of samples."""
        from pytest_mlperf.shipped import shipped

        del count
        return shipped(self.directory)

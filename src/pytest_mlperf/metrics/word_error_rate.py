"""Word error rate of transcripts, as mlcommons/inference computes it for RNN-T on LibriSpeech."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_mlperf.errors import AccuracyLogError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_mlperf.metrics.accuracy_log import Record
    from pytest_mlperf.metrics.outcomes import Errors

ALPHABET = " abcdefghijklmnopqrstuvwxyz'"
"""The characters of the labels 0 to 27."""


@dataclass(frozen=True)
class WordErrorRate:
    """The accuracy of words: 100 less the word error rate in percent. MLPerf calls it WER.

    ``label_type`` is the type of the labels in the log, the reference's ``--output_dtype``; its int32 cannot be used,
    because it reads 8 bytes for each.
    """

    label_type: Literal["int64", "int16", "int8"] = "int64"
    name: str = "word accuracy"
    unit: str = "%"
    requirements: tuple[str, ...] = ("rapidfuzz>=3.9",)

    def score(self, answers: Iterable[Record], dataset: Path) -> Mapping[str, float]:
        """Score answers as ``accuracy_eval.py`` of mlcommons/inference does.

        Insertions, deletions and substitutions of words are summed over all answers, and divided by the words that
        were said. An answer that is given twice counts twice. Without any word that was said the rate is infinite.

        Parameters
        ----------
        answers
            One record for each sample: labels of the type `label_type`, little-endian.
        dataset
            The data set's directory.

        Returns
        -------
        mapping of str to float
            ``word accuracy`` in percent, below 0 if there are more errors than words; ``word_error_rate`` in percent;
            ``errors`` and ``words``.

        Raises
        ------
        AccuracyLogError
            An answer is not made of labels, or is of a sample that the data set does not have.
        DatasetError
            The data set cannot be read.
        """
        from pytest_mlperf.datasets.utterances import transcripts

        records = list(answers)
        count = 1 + max((record.qsl_idx for record in records), default=-1)
        return self.score_against(records, transcripts(dataset, count))

    def score_against(self, answers: Iterable[Record], references: Sequence[str]) -> Mapping[str, float]:
        """Score answers against transcripts in sample order; see `score`."""
        errors = words = 0
        for _, wrong, there in self._counted(answers, references):
            errors += wrong
            words += there
        rate = 1.0 * errors / words if words else float("inf")
        return {self.name: (1 - rate) * 100, "word_error_rate": rate * 100, "errors": errors, "words": words}

    def outcomes(self, answers: Iterable[Record], dataset: Path) -> Errors:
        """Return the wrong words and the words of each utterance; see `score`."""
        import numpy as np

        from pytest_mlperf.datasets.utterances import transcripts
        from pytest_mlperf.metrics.outcomes import Errors

        records = list(answers)
        count = 1 + max((record.qsl_idx for record in records), default=-1)
        found = np.array(list(self._counted(records, transcripts(dataset, count))), np.int64).reshape(-1, 3)
        return Errors(found[:, 0], found[:, 1], found[:, 2])

    def _counted(self, answers: Iterable[Record], references: Sequence[str]) -> Iterator[tuple[int, int, int]]:
        """Yield each answered utterance, its wrong words and its words."""
        from rapidfuzz.distance import Levenshtein

        for qsl_idx, data in answers:
            if qsl_idx >= len(references):
                raise AccuracyLogError(
                    f"sample {qsl_idx} is answered",
                    expected=f"samples 0 to {len(references) - 1}, which the data set has",
                    found=f"sample {qsl_idx}",
                    fix="score the log with the data set of its run",
                )
            reference = references[qsl_idx].split()
            yield qsl_idx, Levenshtein.distance(self.transcript(qsl_idx, data).split(), reference), len(reference)

    def transcript(self, qsl_idx: int, data: bytes) -> str:
        """Return the text of an answer; raises AccuracyLogError if it is not made of labels."""
        import numpy as np

        label = np.dtype(self.label_type).newbyteorder("<")
        if len(data) % label.itemsize:
            raise AccuracyLogError(
                f"sample {qsl_idx} is answered with {len(data)} bytes",
                expected=f"a multiple of {label.itemsize} bytes, one {self.label_type} for each letter",
                found=f"{len(data)} bytes",
                fix="check that the log is from this benchmark, and that its outputs are encoded correctly",
            )
        labels = np.frombuffer(data, label)
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(ALPHABET):
            raise AccuracyLogError(
                f"sample {qsl_idx} is answered with something that is no letter",
                expected=f"labels from 0 to {len(ALPHABET) - 1}; the blank, {len(ALPHABET)}, is left out",
                found=f"labels from {labels.min()} to {labels.max()}",
                fix="leave blanks out of the answers",
            )
        return "".join(ALPHABET[value] for value in labels.tolist())

    def text(self, values: Mapping[str, float]) -> str:
        """Return the line that ``accuracy_eval.py`` prints."""
        return f"Word Error Rate: {values['word_error_rate']}%, accuracy={values[self.name]}%\n"

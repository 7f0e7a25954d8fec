"""F1 and exact match of answers to questions, as mlcommons/inference computes them for BERT on SQuAD v1.1."""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.datasets import squad_lengths
from pytest_mlperf.datasets.squad_file import VOCABULARY, questions_file, read_squad
from pytest_mlperf.errors import AccuracyLogError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlperf.datasets.squad_features import Asked, Feature
    from pytest_mlperf.datasets.squad_file import Question
    from pytest_mlperf.datasets.squad_lengths import Lengths
    from pytest_mlperf.metrics.accuracy_log import Record
    from pytest_mlperf.metrics.outcomes import Outcomes

#: The answer where no pieces can be one, such as to a question about a text without words.
NO_ANSWER = "empty"
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class SpanF1:
    """The mean F1 of the questions' answers in percent: the words in common with the best accepted answer.

    Attributes
    ----------
    lengths
        How the samples are cut.
    samples
        How many samples, from the first, are run: only questions with one of them are scored. None: all questions.
    last_record_counts
        Of several records of a sample the last one counts, as for the reference.
    """

    lengths: Lengths = squad_lengths.OFFICIAL
    samples: int | None = None
    name: str = "F1"
    unit: str = "%"
    requirements: tuple[str, ...] = ("tokenizers>=0.20",)
    last_record_counts: bool = True

    def over(self, samples: int) -> SpanF1:
        """Return the same metric for a run of the first samples only.

        The reference divides by all questions of the file, so that a part of the data set would be nearly all wrong.
        With all samples it is the reference's.
        """
        return replace(self, samples=samples)

    def score(self, answers: Iterable[Record], dataset: Path) -> Mapping[str, float]:
        """Score logits as ``accuracy-squad.py`` and ``evaluate_v1.1.py`` of mlcommons/inference do.

        A sample that has no record takes no part, and a question without any has the answer "empty". Of several records
        of a sample the last one counts.

        Parameters
        ----------
        answers
            For each sample rows of 2 float32, the logits of start and end, from the first place; at most as many as a
            window may have.
        dataset
            The data set's directory.

        Returns
        -------
        mapping of str to float
            ``F1`` and ``exact_match`` in percent, and ``questions``, the number of those scored.

        Raises
        ------
        AccuracyLogError
            An answer is of no sample, or has another size, a NaN or a positive infinity.
        DatasetError
            The questions or the vocabulary cannot be read.
        """
        f1 = exact = 0.0
        total = 0
        for asked, text in self._answered(dict(answers), dataset):
            scores = scores_of(text, asked.question)
            f1 += scores.f1  # one after the other, as the reference does; sum() rounds otherwise since Python 3.12
            exact += scores.exact
            total += 1
        return {self.name: 100.0 * f1 / total, "exact_match": 100.0 * exact / total, "questions": total}

    def outcomes(self, answers: Iterable[Record], dataset: Path) -> Outcomes:
        """Return the F1 of each question in percent, by the question's id; see `score`."""
        import numpy as np

        from pytest_mlperf.metrics import outcomes

        found = [
            (each.question, scores_of(text, each.question)) for each, text in self._answered(dict(answers), dataset)
        ]
        ids = outcomes.text_ids([question.id for question, _ in found])
        return outcomes.Scores(ids, np.array([100.0 * scores.f1 for _, scores in found]))

    def text(self, values: Mapping[str, float]) -> str:
        """Return the line that ``evaluate_v1.1.py`` prints."""
        return json.dumps({"exact_match": values["exact_match"], "f1": values[self.name]}) + "\n"

    def predictions(self, answers: Iterable[Record], dataset: Path) -> Mapping[str, str]:
        """Return the answer's text by question, as ``accuracy-squad.py`` writes it; see `score`."""
        return {asked.question.id: text for asked, text in self._answered(dict(answers), dataset)}

    def samples_by_question(self, dataset: Path) -> list[tuple[Asked, Sequence[Feature]]]:
        """Return the questions of a directory with their samples, in the order of the samples' indices."""
        from pytest_mlperf.datasets.squad_features import ask, features
        from pytest_mlperf.datasets.wordpiece import WordPieces

        squad = read_squad(dataset / questions_file(dataset))
        pieces = WordPieces(dataset / VOCABULARY)
        return [(asked, list(features(asked, pieces))) for asked in ask(squad, pieces, self.lengths)]

    def answer_of(self, asked: Asked, answered: Iterable[tuple[Feature, NDArray[np.float64]]]) -> str:
        """Return the text of the answer to a question, from the logits ``float64[n, 2]`` of its answered samples."""
        from pytest_mlperf.metrics.answer_span import best_span
        from pytest_mlperf.metrics.answer_text import answer_text

        span = best_span(answered, self.lengths.sequence)
        if span is None:
            return NO_ANSWER
        text = asked.text
        words = text.words[text.word_of[span.first] : text.word_of[span.last] + 1]
        return answer_text(text.tokens[span.first : span.last + 1], words)

    def _answered(self, given: Mapping[int, bytes], dataset: Path) -> Iterator[tuple[Asked, str]]:
        """Yield the scored questions with their answers' texts."""
        questions = self.samples_by_question(dataset)
        count = sum(len(features) for _, features in questions)
        logits = {index: read_logits(index, data, count, self.lengths.sequence) for index, data in given.items()}
        last = count if self.samples is None else self.samples
        number = 0
        for asked, features in questions:
            numbers = range(number, number + len(features))
            number += len(features)
            if last < count and (not features or numbers[0] >= last):
                continue
            answered = ((each, logits[n]) for n, each in zip(numbers, features, strict=True) if n in logits)
            yield asked, self.answer_of(asked, answered)


class Scores(NamedTuple):
    """How good an answer is: F1 from 0 to 1, and whether it is an accepted one."""

    f1: float
    exact: bool


def scores_of(text: str, question: Question) -> Scores:
    """Return the best of an answer's scores against the accepted ones."""
    accepted = [answer.text for answer in question.answers]
    return Scores(max(f1_of(text, each) for each in accepted), any(normal(text) == normal(each) for each in accepted))


def normal(text: str) -> str:
    """Return a text in lower case, without punctuation, articles and superfluous spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def f1_of(predicted: str, accepted: str) -> float:
    """Return the harmonic mean of precision and recall of the words of two texts; 0 if they have none in common."""
    found, wanted = normal(predicted).split(), normal(accepted).split()
    common = sum((Counter(found) & Counter(wanted)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(found), common / len(wanted)
    return (2 * precision * recall) / (precision + recall)


def read_logits(index: int, data: bytes, samples: int, longest: int) -> NDArray[np.float64]:
    """Return a record's logits as ``float64[n, 2]``; see `SpanF1.score` for errors."""
    import numpy as np

    if index >= samples:
        raise AccuracyLogError(
            f"sample {index} is answered",
            expected=f"samples 0 to {samples - 1} of this data set",
            found=f"sample {index}",
            fix="score the log with the data set of its run",
        )
    rows, rest = divmod(len(data), 8)
    if rest or rows > longest:
        raise AccuracyLogError(
            f"sample {index} is answered with {len(data)} bytes",
            expected=f"a multiple of 8 bytes (2 float32 per place), at most {8 * longest:,}",
            found=f"{len(data)} bytes",
            fix="check that the log is from this benchmark, and that its outputs are encoded correctly",
        )
    logits = np.frombuffer(data, "<f4").reshape(-1, 2).astype(np.float64)
    if np.isnan(logits).any() or np.isposinf(logits).any():
        raise AccuracyLogError(
            f"the answer to sample {index} has no order",
            expected="logits that are numbers",
            found="NaN or infinity",
            fix="check the model and its precision: an overflow gives such values",
        )
    return logits

"""What a run of speech recognition answered: a transcript for each utterance."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlperf.explain.answered import Shown
from pytest_mlperf.explain.explanation import ClassChange
from pytest_mlperf.metrics.outcomes import Errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.explain.pictures import Gallery
    from pytest_mlperf.metrics.accuracy_log import Record
    from pytest_mlperf.metrics.outcomes import Outcomes

#: A word that was said less often is no class of its own.
_SELDOM: Final = 5


@dataclass(frozen=True, eq=False)
class TranscriptAnswers:
    """Transcripts by utterance: the sample index of each, what was heard, and what was said."""

    samples: tuple[int, ...]
    heard: tuple[str, ...]
    said: tuple[str, ...]

    def outcomes(self) -> Errors:
        """Return the wrong words and the words of each utterance."""
        from rapidfuzz.distance import Levenshtein

        pairs = [(heard.split(), said.split()) for heard, said in zip(self.heard, self.said, strict=True)]
        return Errors(
            np.array(self.samples, np.int64),
            np.array([Levenshtein.distance(heard, said) for heard, said in pairs], np.int64),
            np.array([len(said) for _, said in pairs], np.int64),
        )

    def value(self) -> float:
        """Return the word accuracy in percent."""
        return self.outcomes().value() if any(self.said) else float("nan")

    def with_heard(self, heard: Iterable[str]) -> TranscriptAnswers:
        """Return the same utterances with other transcripts."""
        return replace(self, heard=tuple(heard))

    def take(self, ids: Iterable[Any]) -> TranscriptAnswers:
        """Return the answers to some utterances."""
        wanted = set(ids)
        rows = [row for row, sample in enumerate(self.samples) if sample in wanted]
        return TranscriptAnswers(*(tuple(column[row] for row in rows) for column in self._columns()))

    def _columns(self) -> tuple[tuple[Any, ...], ...]:
        return self.samples, self.heard, self.said

    def indices(self) -> Sequence[int]:
        """Return the sample indices of the utterances."""
        return self.samples

    def classes(self, now: Outcomes, before: Outcomes | None) -> Iterator[ClassChange]:
        """Yield how many of a word's occurrences were heard, in percent; a baseline does not keep words."""
        del now, before
        said: Counter[str] = Counter()
        heard: Counter[str] = Counter()
        for there, found in zip(self.said, self.heard, strict=True):
            words = there.split()
            said.update(words)
            wrong = {edit.position for edit in _edits(words, found.split()) if edit.words}
            heard.update(word for place, word in enumerate(words) if place not in wrong)
        for word in sorted(said):
            if said[word] >= _SELDOM:
                yield ClassChange(name=word, before=None, now=100.0 * heard[word] / said[word])

    def show(self, sample: Any, gallery: Gallery) -> Shown:
        """Return what was said and heard, and the errors in the notation of wdiff: [-said-] {+heard+}."""
        del gallery
        place = self.samples.index(sample)
        said, heard = self.said[place], self.heard[place]
        marked = marked_errors(said.split(), heard.split())
        return Shown(sample, (("said", said), ("heard", heard), ("errors", marked)))


def read_transcript_answers(benchmark: Benchmark, dataset: Path, records: Iterable[Record]) -> TranscriptAnswers:
    """Return the answers of a run; raises AccuracyLogError."""
    from pytest_mlperf.datasets.utterances import transcripts

    metric: Any = benchmark.metric
    found = dict(records)
    said = transcripts(dataset, 1 + max(found, default=-1))
    heard = tuple(metric.transcript(index, data) for index, data in found.items())
    return TranscriptAnswers(tuple(found), heard, tuple(said[index] for index in found))


def marked_errors(said: Sequence[str], heard: Sequence[str]) -> str:
    """Return what was said, with the words that were not heard as ``[-so-]`` and those heard instead as ``{+so+}``."""
    parts: list[str] = []
    done = 0
    for edit in _edits(said, heard):
        parts += said[done : edit.position]
        parts += [f"[-{word}-]" for word in said[edit.position : edit.position + edit.words]]
        parts += [f"{{+{word}+}}" for word in edit.instead]
        done = edit.position + edit.words
    return " ".join([*parts, *said[done:]])


@dataclass(frozen=True)
class _Edit:
    """At a place in what was said: whether a word was not heard (1 or 0 words), and what was heard there."""

    position: int
    words: int
    instead: tuple[str, ...]


def _edits(said: Sequence[str], heard: Sequence[str]) -> Iterator[_Edit]:
    from rapidfuzz.distance import Levenshtein

    for edit in Levenshtein.editops(said, heard):
        there = 0 if edit.tag == "insert" else 1
        instead = () if edit.tag == "delete" else (heard[edit.dest_pos],)
        yield _Edit(edit.src_pos, there, instead)

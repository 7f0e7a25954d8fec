"""Causes of a high word error rate."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from pytest_mlperf.explain.answered import Correcting, Correction, Symptom
from pytest_mlperf.explain.explanation import Cause
from pytest_mlperf.metrics.word_error_rate import ALPHABET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.explain.transcripts import TranscriptAnswers
    from pytest_mlperf.metrics.outcomes import Outcomes

_MOST, _ONE_TEXT = 0.5, 0.9
#: So few utterances may well have the same words.
_FEWEST: Final = 10


def no_words(answers: TranscriptAnswers, before: Outcomes | None) -> Cause | None:
    """Utterances with words whose transcript has none."""
    del before
    spoken = [heard for heard, said in zip(answers.heard, answers.said, strict=True) if said]
    empty = sum(not heard.strip() for heard in spoken)
    if not spoken or empty < _MOST * len(spoken):
        return None
    return Cause(name="empty transcripts", evidence=f"{empty} of {len(spoken)} transcripts have no word")


def one_text(answers: TranscriptAnswers, before: Outcomes | None) -> Cause | None:
    """Nearly every utterance gets the same transcript."""
    del before
    if len(answers.heard) < _FEWEST or len(set(answers.said)) < len(answers.said) / 2:
        return None
    text, count = Counter(answers.heard).most_common(1)[0]
    if count < _ONE_TEXT * len(answers.heard) or not text.strip():
        return None
    evidence = f"{count} of {len(answers.heard)} transcripts are {text[:40]!r}"
    return Cause(name="always the same answer", evidence=evidence)


def no_spaces(answers: TranscriptAnswers) -> Iterator[Correction]:
    """Transcripts without spaces: they are put where the letters of what was said have them."""
    several = [heard for heard, said in zip(answers.heard, answers.said, strict=True) if " " in said]
    if several and sum(" " in heard.strip() for heard in several) < _MOST * len(several):
        spaced = answers.with_heard(map(_spaced, answers.heard, answers.said))
        yield Correction("no spaces", "with spaces where the words that were said have them", spaced)


def _spaced(heard: str, said: str) -> str:
    from rapidfuzz.distance import Levenshtein

    letters = heard.replace(" ", "")
    places = Levenshtein.opcodes(said.replace(" ", ""), letters)
    cuts, length = [], 0
    for word in said.split()[:-1]:
        length += len(word)
        block = next((each for each in places if each.src_start <= length < each.src_end), None)
        if block is not None:
            cuts.append(min(block.dest_start + length - block.src_start, block.dest_end))
    return " ".join(letters[start:end] for start, end in zip([0, *cuts], [*cuts, len(letters)], strict=True))


def letters_shifted(answers: TranscriptAnswers) -> Iterator[Correction]:
    """Letters one too far in the alphabet, which begins with the space."""
    for step, words in ((-1, "earlier"), (1, "later")):
        table = str.maketrans(ALPHABET, ALPHABET[step:] + ALPHABET[:step])
        moved = answers.with_heard(text.translate(table) for text in answers.heard)
        yield Correction("labels shifted by one", f"with every letter one {words}", moved)


def backwards(answers: TranscriptAnswers) -> Iterator[Correction]:
    """Transcripts from the end to the start."""
    yield Correction("transcripts backwards", "read backwards", answers.with_heard(t[::-1] for t in answers.heard))


SYMPTOMS: Final[tuple[Symptom, ...]] = (no_words, one_text)
CORRECTIONS: Final[tuple[Correcting, ...]] = (no_spaces, letters_shifted, backwards)

"""Reads and checks files of questions in SQuAD v1.1's format, and finds them and their vocabulary in a directory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUESTIONS: Final = "dev-v1.1.json"
VOCABULARY: Final = "vocab.txt"
#: What separates words for the reference: not U+00A0, U+3000 or the zero-width characters.
_SPACE = re.compile("[ \t\r\n\u202f]+")
_FIX = "fetch dev-v1.1.json of SQuAD v1.1 again, and do not edit it: sample indices are positions in it"


class Answer(msgspec.Struct, frozen=True, gc=False):
    """An accepted answer: its text, and where it is said to begin, in characters of the context."""

    text: str
    answer_start: int


class Question(msgspec.Struct, frozen=True):
    """A question, its id, and its accepted answers."""

    id: str
    question: str
    answers: tuple[Answer, ...]


class Paragraph(msgspec.Struct, frozen=True):
    """A text, and the questions about it."""

    context: str
    qas: tuple[Question, ...]

    @property
    def words(self) -> list[str]:
        """The words of the text, as the reference splits them."""
        return [word for word in _SPACE.split(self.context) if word]


class Article(msgspec.Struct, frozen=True):
    """The paragraphs of an article."""

    paragraphs: tuple[Paragraph, ...]


class SquadFile(msgspec.Struct, frozen=True):
    """A file of articles. The version is only a label: the reference warns of another one, and goes on."""

    data: tuple[Article, ...]

    def paragraphs(self) -> Iterator[Paragraph]:
        """Yield the paragraphs in the file's order, which is that of the samples."""
        for article in self.data:
            yield from article.paragraphs

    def questions(self) -> Iterator[Question]:
        """Yield the questions in the file's order."""
        for paragraph in self.paragraphs():
            yield from paragraph.qas


def questions_file(directory: Path) -> str:
    """Return the name of the file with the questions: dev-v1.1.json, or else the only ``.json`` in the directory.

    Raises
    ------
    DatasetError
        There is none, or more than one.
    """
    if (directory / QUESTIONS).is_file():
        return QUESTIONS
    try:
        found = sorted(path.name for path in directory.iterdir() if path.suffix == ".json" and path.is_file())
    except OSError as error:
        raise DatasetError(
            f"cannot list {directory}",
            expected=f"a directory with {QUESTIONS} and {VOCABULARY}",
            found=error.strerror or str(error),
            fix="check the path given with --dataset-path",
        ) from error
    if len(found) != 1:
        raise DatasetError(
            f"{directory} does not have the layout of this data set",
            expected=f"{QUESTIONS} and {VOCABULARY}",
            found=f"no {QUESTIONS}, and {len(found)} other .json files",
            fix="give the directory that contains both with --dataset-path",
        )
    return found[0]


def read_squad(path: Path) -> SquadFile:
    """Read and check a file of questions.

    That an answer stands where `answer_start` says is not checked: neither the reference nor the metric reads it.

    Raises
    ------
    DatasetError
        It cannot be read, is cut off, or not of this format; it has no question, a question without an answer, an id
        twice, or an answer that is said to begin outside its context.
    """
    try:
        squad = msgspec.json.decode(path.read_bytes(), type=SquadFile)
    except OSError as error:
        raise DatasetError(
            f"cannot read {path}", expected="a file of SQuAD v1.1", found=error.strerror or str(error), fix=_FIX
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"{path} is not a file of SQuAD v1.1", expected="the JSON of its format", found=str(error), fix=_FIX
        ) from error
    _check(path, squad)
    return squad


def _check(path: Path, squad: SquadFile) -> None:
    seen: set[str] = set()
    for paragraph in squad.paragraphs():
        for question in paragraph.qas:
            if fault := _fault(question, paragraph.context, seen):
                expected, found = fault
                raise DatasetError(f"{path} cannot be scored", expected=expected, found=found, fix=_FIX)
            seen.add(question.id)
    if not seen:
        raise DatasetError(f"{path} cannot be scored", expected="at least one question", found="none", fix=_FIX)


def _fault(question: Question, context: str, seen: set[str]) -> tuple[str, str] | None:
    """Return what is expected and what is found where a question cannot be scored."""
    if question.id in seen:
        return "every question id once", f"{question.id} twice"
    if not question.answers:
        return "an answer for each question (SQuAD 2.0 has some without)", f"none for {question.id}"
    for answer in question.answers:
        if not 0 <= answer.answer_start < max(1, len(context)):
            return (
                "every answer inside its context",
                f"{question.id}: answer_start {answer.answer_start} in {len(context):,} characters",
            )
    return None

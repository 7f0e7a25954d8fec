"""Paragraphs about several subjects of one kind, and questions about them, in SQuAD v1.1's form."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bert.facts import ATTRIBUTES, Subject, subjects

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: What is told of a subject and asked about it: {n} its name, {v} the value. The value is told as it is answered.
SENTENCES: dict[tuple[str, str], tuple[str, ...]] = {
    ("river", "length"): (
        "The {n} is {v} kilometres long.",
        "With {v} kilometres from end to end, the {n} is well known to sailors.",
        "From source to mouth the {n} measures {v} kilometres.",
    ),
    ("river", "source"): (
        "The {n} rises in {v}.",
        "The springs of the {n} are in {v}.",
        "It is in {v} that the {n} begins.",
    ),
    ("river", "mouth"): (
        "The {n} flows into the {v}.",
        "The waters of the {n} end in the {v}.",
        "At last the {n} reaches the {v}.",
    ),
    ("mountain", "height"): (
        "{n} is {v} metres high.",
        "The summit of {n} stands at {v} metres.",
        "Maps give {v} metres for {n}.",
    ),
    ("mountain", "country"): (
        "{n} is found in {v}.",
        "Visitors to {v} can see {n} from afar.",
        "The usual way up {n} is in {v}.",
    ),
    ("mountain", "ascent"): (
        "{n} was first climbed in {v}.",
        "In {v} a party stood on {n} for the first time.",
        "The first ascent of {n} was made in {v}.",
    ),
    ("lake", "area"): (
        "Lake {n} covers {v} square kilometres.",
        "The surface of lake {n} is {v} square kilometres.",
        "With its {v} square kilometres, lake {n} is on every map.",
    ),
    ("lake", "country"): (
        "Lake {n} lies in {v}.",
        "Many travellers in {v} rest at lake {n}.",
        "Part of lake {n} belongs to {v}.",
    ),
    ("lake", "depth"): (
        "Lake {n} is up to {v} metres deep.",
        "The deepest point of lake {n} is {v} metres below the surface.",
        "Divers measured {v} metres in lake {n}.",
    ),
    ("person", "year"): (
        "{n} was born in {v}.",
        "The year {v} is that of the birth of {n}.",
        "It was in {v} that {n} came into the world.",
    ),
    ("person", "city"): (
        "{n} came from {v}.",
        "The family of {n} lived in {v}.",
        "A house in {v} reminds of {n}.",
    ),
    ("person", "work"): (
        "{n} is remembered for {v}.",
        "Everybody knows {n} for {v}.",
        "The fame of {n} rests on {v}.",
    ),
    ("element", "number"): (
        "The atomic number of {n} is {v}.",
        "In the table {n} has place {v}.",
        "An atom of {n} has {v} protons.",
    ),
    ("element", "year"): (
        "{n} was discovered in {v}.",
        "Chemists have known {n} since {v}.",
        "The discovery of {n} was in {v}.",
    ),
    ("element", "finder"): (
        "{v} was the first to describe {n}.",
        "{n} was first described by {v}.",
        "We owe {n} to {v}.",
    ),
    ("bridge", "opened"): (
        "The {n} bridge was opened in {v}.",
        "Since {v} people cross the {n} bridge.",
        "Work on the {n} bridge ended in {v}.",
    ),
    ("bridge", "city"): (
        "The {n} bridge stands in {v}.",
        "Guests of {v} walk over the {n} bridge.",
        "The {n} bridge is a sight of {v}.",
    ),
    ("bridge", "length"): (
        "The {n} bridge is {v} metres long.",
        "The {n} bridge spans {v} metres.",
        "It takes {v} metres to cross the {n} bridge.",
    ),
    ("island", "area"): (
        "{n} has {v} square kilometres.",
        "The area of {n} is {v} square kilometres.",
        "About {v} square kilometres belong to {n}.",
    ),
    ("island", "sea"): (
        "{n} is surrounded by the {v}.",
        "Ships reach {n} over the {v}.",
        "{n} rises from the {v}.",
    ),
    ("island", "peak"): (
        "The highest point of {n} is {v}.",
        "From {v} one sees all of {n}.",
        "Nothing on {n} is as high as {v}.",
    ),
}

QUESTIONS: dict[tuple[str, str], tuple[str, ...]] = {
    ("river", "length"): ("How long is the {n}?", "What is the length of the {n}?"),
    ("river", "source"): ("Where does the {n} rise?", "Where is the source of the {n}?"),
    ("river", "mouth"): ("Into which water does the {n} flow?", "Where does the {n} end?"),
    ("mountain", "height"): ("How high is {n}?", "What is the height of {n}?"),
    ("mountain", "country"): ("In which country is {n}?", "Where is {n}?"),
    ("mountain", "ascent"): ("When was {n} first climbed?", "In what year was the first ascent of {n}?"),
    ("lake", "area"): ("How large is lake {n}?", "What is the area of lake {n}?"),
    ("lake", "country"): ("Where is lake {n}?", "In which country does lake {n} lie?"),
    ("lake", "depth"): ("How deep is lake {n}?", "What is the depth of lake {n}?"),
    ("person", "year"): ("When was {n} born?", "What is the year of birth of {n}?"),
    ("person", "city"): ("Where did {n} come from?", "In which place did {n} live?"),
    ("person", "work"): ("What is {n} known for?", "What made {n} famous?"),
    ("element", "number"): ("Which number has {n}?", "What is the atomic number of {n}?"),
    ("element", "year"): ("When was {n} discovered?", "Since what year is {n} known?"),
    ("element", "finder"): ("Who described {n} first?", "To whom do we owe {n}?"),
    ("bridge", "opened"): ("When was the {n} bridge opened?", "Since what year is the {n} bridge in use?"),
    ("bridge", "city"): ("Where is the {n} bridge?", "In which city does the {n} bridge stand?"),
    ("bridge", "length"): ("How long is the {n} bridge?", "What is the length of the {n} bridge?"),
    ("island", "area"): ("How large is {n}?", "What is the area of {n}?"),
    ("island", "sea"): ("Which sea is around {n}?", "In which waters is {n}?"),
    ("island", "peak"): ("What is the highest point of {n}?", "Which is the peak of {n}?"),
}
#: Behind the value of these, where the answer may also be given with its unit.
UNITS = {
    ("river", "length"): "kilometres",
    ("mountain", "height"): "metres",
    ("lake", "area"): "square kilometres",
    ("lake", "depth"): "metres",
    ("bridge", "length"): "metres",
    ("island", "area"): "square kilometres",
}
FILLERS = (
    "Many books have been written about this.",
    "Schools teach it to this day.",
    "Old maps and letters tell the same.",
    "Not everybody agrees on the details.",
    "This was long disputed.",
    "Travellers like to hear of it.",
)
_SYLLABLES = tuple(
    """
    ba be bi bo bu da de di do du fa fe ga go ha he ho ja jo ka ke ki ko ku la le li lo lu ma me mi mo mu na ne ni no
    nu pa pe pi po ra re ri ro ru sa se si so su ta te ti to tu va ve vi vo wa we za ze zo cha sha tri gra bru ster
    burg mont berg val dor len mar nor sel tan ver wil ix um ia us er en on ay ey
    """.split()  # noqa: SIM905 - a list of a hundred strings is harder to read
)


@dataclass(frozen=True)
class Told:
    """A paragraph's text, and its questions with their answers, the first of which is at that place in the text."""

    context: str
    asked: tuple[tuple[str, int, tuple[str, ...]], ...]


def split(name: str) -> tuple[list[Subject], list[Subject]]:
    """Return the subjects to tell of in ``train`` or ``validation``, and those whose values may be borrowed.

    No subject is in both. In ``train`` the values are drawn anew for each paragraph, so that only reading helps.
    """
    everything = subjects()
    own = [each for number, each in enumerate(everything) if (number % 2 == 0) == (name == "validation")]
    return own, everything


def validation(questions: int, seed: int) -> Iterator[Told]:
    """Yield paragraphs of true facts until there are as many questions."""
    own, _ = split("validation")
    random = np.random.default_rng(seed)
    asked = 0
    while asked < questions:
        told = _tell(_some(own, random), random, most_questions=3)
        asked += len(told.asked)
        yield told


def training(seed: int) -> Iterator[Told]:
    """Yield paragraphs without end: other subjects, some with made-up names, and values drawn at random."""
    own, everything = split("train")
    random = np.random.default_rng(seed)
    while True:
        chosen = _some(own, random)
        yield _tell([_disguised(each, everything, random) for each in chosen], random, most_questions=4)


def _some(own: Sequence[Subject], random: np.random.Generator) -> list[Subject]:
    """Return some subjects of one kind: mostly few, and sometimes so many that a window is too short."""
    kind = list(ATTRIBUTES)[random.integers(len(ATTRIBUTES))]
    those = [each for each in own if each.kind == kind]
    count = (2, 2, 2, 2, 2, 3, 3, 3, 4, 5)[random.integers(10)]
    return [those[number] for number in random.permutation(len(those))[:count]]


def _disguised(subject: Subject, everything: Sequence[Subject], random: np.random.Generator) -> Subject:
    """Return a subject with other values, and mostly with another name."""
    alike = [each for each in everything if each.kind == subject.kind]
    values = []
    for place in range(len(subject.values)):
        value = alike[random.integers(len(alike))].values[place]
        values.append(_redrawn(value, random))
    name = subject.name if random.integers(4) == 0 else _made_up(subject, random)
    return Subject(subject.kind, name, tuple(values))


def _redrawn(value: str, random: np.random.Generator) -> str:
    """Return another value of the same form."""
    if value.isdecimal():
        last = str(random.integers(10 ** min(3, len(value))))
        return value[: len(value) - len(last)] + last if len(last) < len(value) else str(int(last) or 1)
    if value.startswith(("the ", "a ")) or random.integers(2):
        return value
    return re.sub(r"[A-Z][a-z]+$", lambda _: _name(random), value)


def _made_up(subject: Subject, random: np.random.Generator) -> str:
    words = [_name(random) for _ in subject.name.split()]
    name = " ".join(words)
    return name if subject.name[0].isupper() else name.lower()


def _name(random: np.random.Generator) -> str:
    return "".join(_SYLLABLES[n] for n in random.integers(len(_SYLLABLES), size=random.integers(2, 5))).capitalize()


def _tell(chosen: Sequence[Subject], random: np.random.Generator, most_questions: int) -> Told:
    """Tell two facts of each subject, in any order, and ask for some that are told of others, too."""
    facts = []
    for subject in chosen:
        facts += [(subject, int(attribute)) for attribute in random.permutation(len(subject.values))[:2]]
    facts = [facts[place] for place in random.permutation(len(facts))]
    context = ""
    placed: list[tuple[Subject, int, int]] = []
    for subject, attribute in facts:
        if random.integers(10) == 0:
            context += FILLERS[random.integers(len(FILLERS))] + " "
        sentence, place = _sentence(subject, attribute, random)
        placed.append((subject, attribute, len(context) + place))
        context += sentence + " "
    told = Counter(attribute for _, attribute, _ in placed)
    asked = [placed[number] for number in random.permutation(len(placed)) if told[placed[number][1]] > 1]
    questions = [_question(subject, attribute, place, random) for subject, attribute, place in asked[:most_questions]]
    return Told(context.rstrip(), tuple(questions))


def _sentence(subject: Subject, attribute: int, random: np.random.Generator) -> tuple[str, int]:
    """Return a sentence, and where the value begins in it."""
    templates = SENTENCES[subject.kind, ATTRIBUTES[subject.kind][attribute]]
    template = templates[random.integers(len(templates))]
    name, value = subject.name, subject.values[attribute]
    before = template.partition("{v}")[0].format(n=name)
    sentence = template.format(n=name, v=value)
    return sentence[0].upper() + sentence[1:], len(before)


def _question(
    subject: Subject, attribute: int, place: int, random: np.random.Generator
) -> tuple[str, int, tuple[str, ...]]:
    key = subject.kind, ATTRIBUTES[subject.kind][attribute]
    value = subject.values[attribute]
    answers = (value, f"{value} {UNITS[key]}") if key in UNITS else (value,)
    template = QUESTIONS[key][random.integers(len(QUESTIONS[key]))]
    return template.format(n=subject.name), place, answers


def squad(told: Sequence[Told]) -> dict[str, Any]:
    """Return the content of a SQuAD v1.1 file."""
    paragraphs = []
    for number, paragraph in enumerate(told):
        qas = [
            {
                "id": f"{number:04d}-{place}",
                "question": question,
                "answers": [{"text": text, "answer_start": start} for text in answers],
            }
            for place, (question, start, answers) in enumerate(paragraph.asked)
        ]
        paragraphs.append({"context": paragraph.context, "qas": qas})
    return {"version": "1.1", "data": [{"title": "Facts", "paragraphs": paragraphs}]}

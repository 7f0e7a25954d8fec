"""The page of the rules: each by its name, from the catalogue, the rounds, and docs/rules-by-name.toml."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.rules.catalogue import Rule, catalogue
from pytest_mlperf.rules.round import rounds
from site_pages.markdown import code, facts, heading, metadata, prose

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NOTES = Path(__file__).parents[2] / "docs" / "rules-by-name.toml"
#: What [official] of a round says, in words.
_OFFICIAL = {
    "fails": "fails the result",
    "fails closed": "fails the result in closed division, not in open",
    "logs": "is logged as an error, and the result is accepted",
    "ignores": "is not looked at",
}
_WEIGHTS = {"error": "an error", "note": "a note", "nothing": "nothing"}
_BEGINNING = """\
# Rules by name

Every message about a broken rule has the rule's name in brackets: `[min-duration]`. Here each has its entry: what the
rule says, why it is there, where it is written, what to do, and what the official checker of each round makes of it.

[Rounds and rules](rules.md) tells how they are used, [the checker](checker.md) what the levels `strict` and `official`
are. In a session a broken rule fails the item, unless its entry says that it is a note.

"""


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule's entry says besides its data: its group, why it is there, and what to do when it is broken."""

    why: str
    do: str


def notes() -> Mapping[str, Mapping[str, Note]]:
    """Return the notes by group and rule, in the order of the page."""
    return msgspec.toml.decode(NOTES.read_bytes(), type=dict[str, dict[str, Note]])


def page() -> str:
    """Return the page in Markdown."""
    by_group = notes()
    names = sorted(name for group in by_group.values() for name in group)
    parts = [metadata("boost: 4"), _BEGINNING, _index(names)]
    for group, members in by_group.items():
        parts.append(f"\n## {group}\n\n")
        parts.extend(_section(name, note) for name, note in members.items())
    return "".join(parts)


def _index(names: Iterable[str]) -> str:
    lines = [
        f"**{initial}**: " + ", ".join(f"[{code(name)}](#{name})" for name in some)
        for initial, some in groupby(names, key=lambda name: name[0].upper())
    ]
    return "## All names { #all-names }\n\n" + "  \n".join(lines) + "\n"


def _section(name: str, note: Note) -> str:
    rule = catalogue()[name]
    known = [
        ("written in", prose(rule.source)),
        ("a session's run", _in_a_session(rule)),
        ("a submission, level strict", _strict(rule)),
        ("a submission, level official", _official(name)),
    ]
    return (
        heading(3, code(name), name)
        + f"**{prose(rule.says)}**\n\n{note.why}\n\n**What to do:** {note.do}\n\n"
        + facts(known)
    )


def _in_a_session(rule: Rule) -> str:
    if rule.closed == "nothing":
        return "nothing"
    if rule.short:
        return "a note, and the run is labelled `short`"
    if rule.bends:
        return "an error; in a short run a note, and the figure is `not comparable`"
    return _WEIGHTS[rule.closed]


def _strict(rule: Rule) -> str:
    if rule.open == rule.closed:
        text = f"{_WEIGHTS[rule.closed]} in each division"
    else:
        text = f"{_WEIGHTS[rule.closed]} in closed and network division, {_WEIGHTS[rule.open]} in open"
    since = f"; before {rule.since} a note" if rule.since else ""
    short = "; a short run's is called `short`" if rule.short else ""
    return f"{text}{since}{short}" + (f". {prose(rule.why)}" if rule.why else "")


def _official(name: str) -> str:
    by_word: dict[str, list[str]] = defaultdict(list)
    for each in rounds().values():
        by_word[each.official.get(name, "ignores")].append(each.name)
    if len(by_word) == 1:
        return f"{_OFFICIAL[next(iter(by_word))]}, in every round"
    return "; ".join(f"{', '.join(listed)}: {_OFFICIAL[word]}" for word, listed in by_word.items())

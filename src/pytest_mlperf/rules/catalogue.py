"""Every rule that a run or a submission is judged by, read from rules.toml: what it says, its source, its weight."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule.

    Attributes
    ----------
    says
        The rule in one sentence.
    source
        Where it is written: a section of the official rules, or what reads it in the official checkers.
    open, closed
        What breaking it means in that division at level ``strict``; closed stands for network too. ``nothing`` is
        for what only matters because some official checker fails by it.
    since
        The round whose rules are the first that ask it: before, breaking it is a note.
    until
        The round whose rules are the first that ask it no more: from then on, breaking it is a note.
    why
        The reason, where it weighs less than an error.
    short
        Whether a run's being short alone explains that it is broken.
    bends
        Whether breaking it makes another test of the run, whose figure cannot be compared with anybody's.
    """

    says: str
    source: str
    open: Literal["error", "note", "nothing"] = "error"
    closed: Literal["error", "note", "nothing"] = "error"
    since: str = ""
    until: str = ""
    why: str = ""
    short: bool = False
    bends: bool = False

    def asked_in(self, number: tuple[int, ...]) -> bool:
        """Say whether a round, by its number, asks it."""
        return (not self.since or number >= _number(self.since)) and (not self.until or number < _number(self.until))


def _number(round_: str) -> tuple[int, ...]:
    return tuple(map(int, round_.removeprefix("v").split(".")))


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, Rule]:
    """Return every rule, by its name."""
    text = (resources.files(__package__) / "rules.toml").read_bytes()
    return msgspec.toml.decode(text, type=dict[str, Rule])

"""A finding: one rule's outcome, in words that tell the user what to do."""

from __future__ import annotations

from typing import Literal

import msgspec

from pytest_mlperf.printable import printable


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One rule that a run does not meet.

    Attributes
    ----------
    rule
        The rule's short name.
    severity
        ``error`` fails the item; ``note`` says what the run does not show. The checks of a submission leave it: the
        round and the level decide.
    what, expected, found, fix
        What failed, what was expected, what was found, what to do.
    settings
        LoadGen's settings that would mend it, with the values for them, where these can be computed.
    file
        Where it stands, relative to the submission or the run; empty when it is no file's.
    """

    rule: str
    severity: Literal["error", "note"] = "error"
    what: str
    expected: str
    found: str
    fix: str
    file: str = ""
    settings: dict[str, str] = {}

    def __str__(self) -> str:
        return printable(f"{self.what} [{self.rule}]\nexpected: {self.expected}; found: {self.found}\n{self.fix}")

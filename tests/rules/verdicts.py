"""Reads verdicts.csv: what each official checker said of each broken submission.

``head`` and ``headold`` are submission_checker/main.py and submission_checker_old.py of mlcommons/inference in
August 2026; ``v5.1.1`` is the single-file checker of that tag.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("verdicts.csv")
# Whose word counts for a base's round.
AUTHORITY = {"v6.1_open": "head", "v6.1_closed": "head", "v5.1_open": "v5.1.1", "v5.1_closed": "v5.1.1"}


@dataclass(frozen=True)
class Verdict:
    """What a checker said.

    Attributes
    ----------
    outcome
        ``OK``, ``FAIL``, ``CRASH`` (a traceback and no summary) or ``n/a``.
    results
        How many results it counted with and without a metric; None after a crash.
    """

    outcome: str
    results: tuple[int, int] | None

    @property
    def passed(self) -> bool:
        """Whether the submission is good: a crash is a failure."""
        return self.outcome == "OK"


def what_changed() -> dict[str, str]:
    """Return what each mutation of the table changes."""
    return {row["mutation"]: row["what"] for row in _rows()}


def verdicts(base: str, checker: str | None = None) -> dict[str, Verdict]:
    """Return the verdict on each mutation of `base` by `checker`, or by the one whose word counts."""
    column = f"{base} {checker or AUTHORITY[base]}"
    return {row["mutation"]: _verdict(row[column]) for row in _rows()}


def _rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _verdict(cell: str) -> Verdict:
    found = re.fullmatch(r"(OK|FAIL) \((\d+)/(\d+)\)|CRASH|n/a", cell)
    assert found, f"verdicts.csv: {cell!r} is no verdict"
    if found[1] is None:
        return Verdict(cell, None)
    return Verdict(found[1], (int(found[2]), int(found[3])))

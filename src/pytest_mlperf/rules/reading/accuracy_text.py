"""Finds what accuracy.txt states: metrics and the hash, in the words of the reference's accuracy scripts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_mlperf.rules.reading.files import Text

#: By metric, as the official checkers match them (ACC_PATTERN), at a line's start. mAP may stand anywhere in its line
#: since v5.1, as whole COCO tables do.
PATTERNS: Mapping[str, re.Pattern[str]] = {
    "acc": re.compile(r"accuracy=([\d.]+)"),
    "mAP": re.compile(r".*(?:mAP=|'Total':)\s*([\d.]+)"),
    "F1": re.compile(r"""\{["']exact_match["']:\s*[\d.]+,\s*["']f1["']:\s*([\d.]+)\}"""),
    "WER": re.compile(r"Word Error Rate:.*, accuracy=([0-9.]+)%"),
    "DICE": re.compile(r"Accuracy:\s*mean\s*=\s*([\d.]+)"),
}
_HASH = re.compile(r"hash=(\w+)$")
_LONGEST_LINE = 10_000
_MOST = 1_000


class Stated(NamedTuple):
    """One line's statement: a metric's value, or the hash.

    Attributes
    ----------
    what
        The metric, or ``hash``.
    value
        As it stands there.
    at_start
        Whether it begins its line.
    """

    what: str
    value: str
    at_start: bool = True

    @property
    def number(self) -> float | None:
        """The value as a number."""
        try:
            return float(self.value)
        except ValueError:
            return None


@dataclass(frozen=True)
class AccuracyText:
    """An accuracy.txt: what it states, in its order, or why it cannot be read."""

    file: str
    stated: tuple[Stated, ...] = ()
    fault: str | None = None

    @property
    def hash(self) -> str:
        """The stated hash; empty where there is none."""
        return next((each.value for each in self.stated if each.what == "hash"), "")

    def metric(self, name: str, *, anywhere: bool) -> list[Stated]:
        """Return a metric's statements as far as the official checkers read: to the first value, and the hash."""
        found: list[Stated] = []
        hashed = False
        for each in self.stated:
            if each.what == name and (each.at_start or anywhere):
                found.append(each)
            hashed = hashed or each.what == "hash"
            if found and hashed:
                break
        return found


def read_accuracy_text(text: Text) -> AccuracyText:
    """Return what the text of an accuracy.txt states."""
    return AccuracyText(text.file, tuple(_statements(text.content.splitlines())), text.fault)


def _statements(lines: Iterable[str]) -> Iterator[Stated]:
    count = 0
    for line in lines:
        if len(line) > _LONGEST_LINE:
            continue
        for found in _in_line(line):
            count += 1
            if count > _MOST:
                return
            yield found


def _in_line(line: str) -> Iterator[Stated]:
    for metric, pattern in PATTERNS.items():
        if match := pattern.match(line):
            yield Stated(metric, match[1], line.startswith("mAP=") if metric == "mAP" else True)
    if match := _HASH.match(line):
        yield Stated("hash", match[1])

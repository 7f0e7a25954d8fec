"""Finds what accuracy.txt states: metrics and the hash, in the words of the reference's accuracy scripts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_mlperf.metrics.limit import Limit
    from pytest_mlperf.rules.reading.files import Text

#: The first round whose checker heeds all values.
_ALL_VALUES = (3, 1)
_V5_0, _V5_1, _NEVER = (5, 0), (5, 1), (99,)


class _Pattern(NamedTuple):
    """How a metric stands in a line, in the rounds from `since` until before `until`; `word` is in each such line."""

    metric: str
    word: str
    expression: re.Pattern[str]
    since: tuple[int, ...] = ()
    until: tuple[int, ...] = _NEVER
    end: str = ""

    def match(self, line: str) -> re.Match[str] | None:
        """Return what a line states; `end`, where there is one, must follow somewhere."""
        if not self.end:
            return self.expression.match(line)
        place = line.rfind(self.end)
        return self.expression.match(line, 0, place) if place >= 0 else None


def _named(metric: str, word: str) -> Iterator[_Pattern]:
    """Yield the patterns of a value in a printed dictionary, which may stand in quotes since v5.1."""
    yield _Pattern(metric, word, re.compile(rf".*'{word}':\s([\d.]+)"), until=_V5_1)
    yield _Pattern(metric, word, re.compile(rf".*'{word}':\s+'?([\d.]+)"), since=_V5_1)


#: By metric, as the official checkers match them (ACC_PATTERN), at a line's start.
_FORMS = (
    _Pattern("acc", "accuracy", re.compile(r"accuracy=([\d.]+)"), until=_V5_0),
    _Pattern("acc", "accuracy", re.compile(r"""(?:\{"accuracy|accuracy)[": ]*=?\s*([\d.]+)"""), since=_V5_0),
    _Pattern("AUC", "AUC=", re.compile(r"AUC=([\d.]+)")),
    _Pattern("mAP", "mAP=", re.compile(r"mAP=([\d.]+)"), until=_V5_1),
    # Since v5.1 it may stand anywhere in its line, as whole COCO tables do.
    _Pattern("mAP", "", re.compile(r".*(?:mAP=|'Total':)\s*([\d.]+)"), since=_V5_1),
    _Pattern("F1", "exact_match", re.compile(r"""\{["']exact_match["']:\s*[\d.]+,\s*["']f1["']:\s*([\d.]+)\}""")),
    _Pattern("word accuracy", "Word Error Rate", re.compile(r"Word Error Rate:.*, accuracy=([0-9.]+)%")),
    _Pattern("DICE", "Accuracy", re.compile(r"Accuracy:\s*mean\s*=\s*([\d.]+)")),
    *_named("ROUGE1", "rouge1"),
    *_named("ROUGE2", "rouge2"),
    *_named("ROUGEL", "rougeL"),
    *_named("ROUGELSUM", "rougeLsum"),
    *_named("CLIP_SCORE", "CLIP_SCORE"),
    *_named("FID_SCORE", "FID_SCORE"),
    _Pattern("GEN_LEN", "gen_len", re.compile(r".*'gen_len':\s([\d.]+)")),
    _Pattern("TOKENS_PER_SAMPLE", "tokens_per_sample", re.compile(r".*'tokens_per_sample':\s([\d.]+)")),
    _Pattern("gsm8k_accuracy", "gsm8k", re.compile(r".*'gsm8k':\s([\d.]+)")),
    _Pattern("mbxp_accuracy", "mbxp", re.compile(r".*'mbxp':\s([\d.]+)")),
    _Pattern("exact_match", "exact_match", re.compile(r".*'exact_match':\s([\d.]+)")),
    _Pattern("DLRM_NE", "lifetime_ne", re.compile(r".*metric/lifetime_ne/rating:\s*([\d.]+)")),
    _Pattern("DLRM_ACC", "lifetime_accuracy", re.compile(r".*metric/lifetime_accuracy/rating:\s*([\d.]+)")),
    _Pattern("DLRM_AUC", "lifetime_gauc", re.compile(r".*metric/lifetime_gauc/rating:\s*([\d.]+)")),
    _Pattern("vbench_score", "vbench_score", re.compile(r".*'vbench_score':\s([\d.]+)")),
    # The line is cut at its last brace, so that none has to be looked for after each number.
    _Pattern("F1_HIERARCHICAL", '"f1"', re.compile(r"""\{.*"f1":\s*([\d.]+)"""), end="}"),
    _Pattern("E2E_ACCURACY", "Accuracy:", re.compile(r"Accuracy:\s*([\d.]+)")),
)
#: By metric, as the newest round's official checker matches it, at a line's start.
PATTERNS: Mapping[str, re.Pattern[str]] = {each.metric: each.expression for each in _FORMS}
_HASH = re.compile(r"hash=(\w+)$")
_MOST = 100_000


class Stated(NamedTuple):
    """One line's statement: a metric's value, or the hash.

    Attributes
    ----------
    what
        The metric, or ``hash``.
    value
        As it stands there.
    line
        Of its text, counted from 0.
    since, until
        The rounds whose official checkers read it so.
    """

    what: str
    value: str
    line: int = 0
    since: tuple[int, ...] = ()
    until: tuple[int, ...] = _NEVER

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

    def metric(self, name: str, round_: tuple[int, ...]) -> list[Stated]:
        """Return every statement of a metric, as a round's official checker reads them."""
        return [each for each in self.stated if each.what == name and each.since <= round_ < each.until]

    def heeded(self, limits: Sequence[Limit], round_: tuple[int, ...]) -> list[Stated]:
        """Return the statements of the limits' metrics that a round's official checker heeds.

        They stop to read when each metric had a value that is enough, and the hash was stated. Those of v2.1 and v3.0
        stop at any value and the hash, and heed the last value only.
        """
        found: list[Stated] = []
        waiting = {limit.value: limit for limit in limits if limit.minimum is not None}
        known = {limit.value for limit in limits}
        hashed, last = False, None
        for each in self.stated:
            if last is not None and each.line != last:
                break
            if each.what == "hash":
                hashed = True
            elif each.what in known and each.since <= round_ < each.until:
                found.append(each)
                limit = waiting.get(each.what)
                enough = limit is not None and each.number is not None and each.number >= (limit.minimum or 0)
                if enough or round_ < _ALL_VALUES:
                    waiting.pop(each.what, None)
            if hashed and not waiting:
                last = each.line
        return found if round_ >= _ALL_VALUES else found[-1:]


def read_accuracy_text(text: Text) -> AccuracyText:
    """Return what the text of an accuracy.txt states."""
    return AccuracyText(text.file, tuple(_statements(text.lines)), text.fault)


def _statements(lines: Iterable[str]) -> Iterator[Stated]:
    count = 0
    for number, line in enumerate(lines):
        for found in _in_line(line, number):
            count += 1
            if count > _MOST:
                return
            yield found


def _in_line(line: str, number: int) -> Iterator[Stated]:
    for each in _FORMS:
        if each.word in line and (match := each.match(line)):
            yield Stated(each.metric, match[1], number, each.since, each.until)
    if match := _HASH.match(line):
        yield Stated("hash", match[1], number)

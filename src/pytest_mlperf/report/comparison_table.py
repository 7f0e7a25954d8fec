"""The comparison of two sources of results on a terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from pytest_mlperf.baselines.finding import told
from pytest_mlperf.printable import one_line
from pytest_mlperf.report.row import number
from pytest_mlperf.report.table import GAP
from pytest_mlperf.results.source import names
from pytest_mlperf.run.case import ACCURACY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from pytest_mlperf.results.compare import Comparisons, Pair

_COLUMNS = ("case", "mode", "A", "B", "change", "verdict")
_STYLES = {"worse": "red", "undecided": "yellow", "not comparable": "yellow", "same": "green", "not worse": "green"}
_UNKNOWN = "–"


def comparison_lines(found: Comparisons, width: int) -> Iterator[RenderableType]:
    """Yield the sources, a table of the pairs, what is known of each of them, and what has no pair."""
    yield Text(one_line(f"A: {found.before}"))
    yield Text(one_line(f"B: {found.now}"))
    if found.pairs:
        yield Text("")
        yield from _table(found.pairs, width)
        yield Text("")
        yield from (Text(one_line(line)) for line in dict.fromkeys(map(_said, found.pairs)))
    for side, keys in (("A", found.only_before), ("B", found.only_now)):
        for name in names(keys):
            yield Text(one_line(f"only in {side}: {name}"), style="yellow")
    yield Text(summary(found))


def summary(found: Comparisons) -> str:
    """Return how many comparisons have which verdict."""
    counts = Counter(pair.comparison.verdict for pair in found.pairs)
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return f"{len(found.pairs):,} compared{': ' if said else ''}{said}"


def _table(pairs: tuple[Pair, ...], width: int) -> Iterator[RenderableType]:
    rows = [_row(pair) for pair in pairs]
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    if sum(widths) + len(GAP) * (len(widths) - 1) > width:
        for case, mode, before, now, change, verdict in rows:
            yield Text(f"{case} {mode}")
            yield Text(f"{GAP}{verdict}", style=_STYLES.get(verdict, "")).append(
                f"{GAP}{before} -> {now}{GAP}{change}", style="default"
            )
        return
    table = Table(box=None, padding=(0, len(GAP), 0, 0), pad_edge=False, header_style="bold")
    for name in _COLUMNS:
        table.add_column(name, justify="right" if name in ("A", "B", "change") else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row[:-1]), Text(row[-1], style=_STYLES.get(row[-1], "")))
    yield table


def _row(pair: Pair) -> tuple[str, ...]:
    found = pair.comparison
    mode = " ".join(filter(None, (pair.key.mode, pair.key.test)))
    return tuple(
        one_line(cell)
        for cell in (
            pair.key.case,
            mode,
            _shown(pair, found.before),
            _shown(pair, found.now),
            _change(pair),
            found.verdict,
        )
    )


def _shown(pair: Pair, value: float | None) -> str:
    if value is None:
        return _UNKNOWN
    if pair.now.accuracy is not None:
        return pair.now.accuracy.shown(value)
    return f"{number(value)} {pair.comparison.unit}"


def _change(pair: Pair) -> str:
    change = pair.change
    if change is None:
        return _UNKNOWN
    if change == 0:
        return "0"
    if pair.now.mode != ACCURACY:
        return f"{change:+.1f} %"
    unit = pair.now.accuracy.unit if pair.now.accuracy is not None else ""
    return f"{change:+.{3 if unit == '%' else 5}f}"


def _said(pair: Pair) -> str:
    """Return what is known of a change beyond the values: the interval, or why there is none."""
    found, name = pair.comparison, " ".join(filter(None, pair.key))
    if found.verdict == "same":
        return f"{name}: each answer is the same"
    words = told(pair.now, found)
    return f"{name}: no interval: {words}" if found.verdict == "not comparable" else f"{name}: {words}"

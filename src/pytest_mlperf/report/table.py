"""The table of results on a terminal: a line for each result where they fit, else a few."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from pytest_mlperf.report.progress import shown_line
from pytest_mlperf.report.row import COLUMNS, GOOD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from pytest_mlperf.report.row import Row

RIGHT = frozenset(("result", "target", "p50 / p90 / p99 ms", "wall", "memory"))
GAP = "  "


def table(rows: Sequence[Row], width: int) -> Iterator[RenderableType]:
    """Yield the table: one line for each result if `width` allows it, else several."""
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    if sum(widths) + len(GAP) * (len(widths) - 1) <= width:
        yield _wide(rows)
        return
    for cells in rows:
        yield Text(shown_line(f"{cells.case} {cells.mode}"))
        yield from _stacked(cells, width)


def _wide(rows: Sequence[Row]) -> Table:
    found = Table(box=None, padding=(0, len(GAP), 0, 0), pad_edge=False, header_style="bold")
    for name in COLUMNS:
        found.add_column(name, justify="right" if name in RIGHT else "left", no_wrap=True)
    for cells in rows:
        found.add_row(*(_cell(name, text) for name, text in zip(COLUMNS, cells, strict=True)))
    return found


def _stacked(cells: Row, width: int) -> Iterator[Text]:
    """Yield the details of a result, as many in a line as fit."""
    target = f"target {cells.target}" if cells.target != "–" else ""
    latencies = f"p50/p90/p99 {cells.latencies} ms" if cells.latencies != "–" else ""
    details = [cells.result, target, latencies, cells.wall, cells.memory]
    line = Text("    ")
    line.append(_cell("verdict", cells.verdict))
    for detail in details:
        if not detail or detail == "–":
            continue
        if len(line) + len(GAP) + len(detail) > width:
            yield line
            line = Text("    ")
        else:
            line.append(GAP)
        line.append(shown_line(detail))
    yield line


def _cell(column: str, text: str) -> Text:
    text = shown_line(text)
    if column != "verdict":
        return Text(text)
    good = any(text.startswith(word) for word in GOOD)
    return Text(text, style="green" if good else "yellow" if text.startswith("not comparable") else "red")

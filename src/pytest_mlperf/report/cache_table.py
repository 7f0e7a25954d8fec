"""The table of cache entries for the terminal."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pytest_mlperf.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.artifacts.inventory import Entry

_HEADS = ("SIZE", "AGE", "USED", "KIND", "NAME", "SOURCE")
_RIGHT = 3
_GAP = "  "
_LEAST_SOURCE = 12
_SPANS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


def table(entries: Sequence[Entry], now: datetime, width: int | None) -> list[str]:
    """Return the lines of a table, headings first.

    Parameters
    ----------
    entries
        The rows, in this order.
    now
        The current time, with a time zone.
    width
        Columns of the terminal; names and sources are shortened to fit. None for no limit.
    """
    rows = [_HEADS, *(_row(entry, now) for entry in entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    if width is not None:
        widths[-2:] = _share(widths[-2:], width - sum(widths[:-2]) - len(_GAP) * (len(_HEADS) - 1))
    return [_line(row, widths) for row in rows]


def total(entries: Sequence[Entry]) -> str:
    """Return the number of entries and their size: ``2 entries, 1.4G``."""
    size = size_text(sum(entry.size for entry in entries))
    return f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}, {size}"


def size_text(size: int) -> str:
    """Return bytes as ls -h does, in powers of 1024: ``340``, ``1.4G``, ``23M``."""
    value, unit = float(size), ""
    for larger in "KMGTP":
        if value < 1023.5:
            break
        value, unit = value / 1024, larger
    return f"{value:.1f}{unit}" if unit and value < 9.95 else f"{value:.0f}{unit}"


def span_text(seconds: float) -> str:
    """Return a time span in its largest whole unit: ``3 d``, ``5 h``, ``12 min``, ``now``."""
    for length, unit in _SPANS:
        if seconds >= length:
            return f"{int(seconds / length)} {unit}"
    return "now"


def _row(entry: Entry, now: datetime) -> tuple[str, ...]:
    kind = f"{entry.kind} (damaged)" if entry.state == "damaged" else entry.kind
    spans = (_since(entry.created, now), _since(entry.used, now))
    return (size_text(entry.size), *spans, one_line(kind), one_line(entry.name), one_line(entry.source))


def _since(time: str, now: datetime) -> str:
    try:
        return span_text((now - datetime.fromisoformat(time)).total_seconds())
    except (ValueError, TypeError):  # a manifest from elsewhere
        return "?"


def _share(wanted: list[int], room: int) -> list[int]:
    """Return the widths of name and source; the source is shortened first, down to a minimum."""
    name, source = wanted
    if name + source <= room:
        return wanted
    name = max(len(_HEADS[-2]), min(name, max(room - min(source, _LEAST_SOURCE), room * 3 // 5 - source)))
    return [name, max(len(_HEADS[-1]), room - name)]


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [
        _short(text, width).rjust(width) if column < _RIGHT else _short(text, width).ljust(width)
        for column, (text, width) in enumerate(zip(row, widths, strict=True))
    ]
    return _GAP.join(cells).rstrip()


def _short(text: str, width: int) -> str:
    """Return text that fits; the middle is left out because both ends of an address matter."""
    if len(text) <= width:
        return text
    end = (width - 1) // 2
    return f"{text[: width - 1 - end]}…{text[len(text) - end :]}"

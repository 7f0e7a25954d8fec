"""What a terminal shows of what was written to it: characters, new lines, and the few escapes that move and erase."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\\\)|[\r\n]|.")


def screen(written: str, width: int) -> list[str]:
    """Return the rows of an endless terminal; as on a real one, a full row is left at the next character only."""
    rows: list[list[str]] = [[]]
    row = column = 0
    for token in _TOKEN.finditer(written):
        text = token[0]
        if text == "\r":
            column = 0
        elif text == "\n":  # as written to a file: a terminal gets a carriage return before it
            row, column = row + 1, 0
        elif token[2] == "K":
            del rows[row][column:]
        elif token[2] == "A":
            row -= 1
        elif token[2] == "C":
            column = min(width - 1, column + int(token[1]))
        elif not text.startswith("\x1b"):
            if column == width:
                row, column = row + 1, 0
            _put(rows, row, column, text)
            column += 1
        _reach(rows, row)
    return ["".join(each).rstrip() for each in rows]


def _put(rows: list[list[str]], row: int, column: int, text: str) -> None:
    _reach(rows, row)
    rows[row] += [" "] * (column + 1 - len(rows[row]))
    rows[row][column] = text


def _reach(rows: list[list[str]], row: int) -> None:
    rows += [[] for _ in range(row + 1 - len(rows))]

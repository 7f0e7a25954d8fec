"""What the generated pages are put together from: tables, headings with an anchor, text that is no markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MARKUP = "|[]<>&*_`\\"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def facts(items: Iterable[tuple[str, str]]) -> str:
    """Return a list of what is known of one thing, each with its name."""
    return "".join(f"- *{name}*: {text}\n" for name, text in items) + "\n"


def metadata(setting: str) -> str:
    """Return the beginning of a page that sets something of the search."""
    return f"---\nsearch:\n  {setting}\n---\n\n"


def code(text: str) -> str:
    """Return `text` as code in a line, also of a table."""
    return f"`{text}`" if "|" not in text else literal(text)


def literal(text: str) -> str:
    """Return `text` as code that nothing of Markdown is looked for in; a bar ends no cell of a table."""
    return f"<code>{''.join(f'&#{ord(each)};' if each in _MARKUP else each for each in text)}</code>"


def heading(level: int, text: str, anchor: str) -> str:
    """Return a heading with an anchor of its own; that which is made from the text may change with it."""
    return f"{'#' * level} {text} {{ #{anchor} }}\n\n"


def fence(text: str, language: str = "text") -> str:
    """Return a block of code, whatever backticks are in it."""
    marks = "```"
    while marks in text:
        marks += "`"
    return f"{marks}{language}\n{text.rstrip()}\n{marks}\n"


def prose(text: str) -> str:
    """Return a text that is no Markdown as such: what would be markup is escaped."""
    for mark in ("\\", "*", "_", "<", "[", "`"):
        text = text.replace(mark, "&lt;" if mark == "<" else f"\\{mark}")
    return text


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "&#124;")

"""Reads the kernel's files in /proc and /sys; what cannot be read is empty or None, never guessed."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/")


def text(path: Path) -> str:
    """Return a file's text; empty if it cannot be read."""
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""


def number(written: str) -> float | None:
    """Return the number that a text is; None if it is none."""
    try:
        return float(written)
    except ValueError:
        return None


def pairs(written: str) -> dict[str, int]:
    """Return the numbers of a file with a name and a number on each line, such as /proc/vmstat."""
    fields = (line.split() for line in written.splitlines())
    return {field[0]: int(field[1]) for field in fields if len(field) == 2 and field[1].isdecimal()}

"""Reads mlperf_log_detail.txt, whatever its state: a broken log is a finding, never a crash."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MARK = ":::MLLOG "


@dataclass(frozen=True)
class DetailLog:
    """LoadGen's detail log: the first value of each key, as the official checkers read it, and its errors.

    ``fault`` says why the log cannot be trusted; None when it is whole.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    fault: str | None = None

    def number(self, key: str) -> float | None:
        """Return a finite number, or None when the log has none under this key."""
        value = self.values.get(key)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return None
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None


def read_detail_log(path: Path) -> DetailLog:
    """Parse the log at `path`."""
    try:
        text = path.read_text("utf-8", errors="strict")
    except OSError as error:
        return DetailLog(fault=f"cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        return DetailLog(fault="is not UTF-8 text")
    return parse_detail_log(text)


def parse_detail_log(text: str) -> DetailLog:
    """Parse the text of a detail log; lines of other programs are skipped."""
    values: dict[str, Any] = {}
    errors: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.startswith(MARK):
            continue
        try:
            message = json.loads(line[len(MARK) :])
            key, value, is_error = message["key"], message["value"], message["metadata"]["is_error"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return DetailLog(values, tuple(errors), fault=f"line {number} is cut off or not LoadGen's")
        values.setdefault(str(key), value)
        if is_error:
            errors.append(f"{key}: {value}")
    return DetailLog(values, tuple(errors), fault=None if values else "has no line of LoadGen's")

"""Small tables in the cache of what was found before: nobody fails for one that is missing or cannot be written."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import msgspec

from pytest_mlperf.artifacts.disk import write_atomic
from pytest_mlperf.artifacts.locks import lease
from pytest_mlperf.artifacts.sharing import read_plain
from pytest_mlperf.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")
#: Another session writes in milliseconds.
WAIT_SECONDS = 5.0


def read_table(file: Path, kind: type[T]) -> dict[str, T]:
    """Return a JSON file's table of values of a kind; empty if it cannot be read."""
    with suppress(OSError, CacheError, msgspec.MsgspecError):
        return msgspec.json.decode(read_plain(file), type=dict[str, kind])  # type: ignore[valid-type]
    return {}


def change_table(file: Path, kind: type[T], change: Callable[[dict[str, T]], dict[str, T]]) -> None:
    """Replace a table by what `change` makes of it, one session at a time; do nothing if it cannot be written."""
    lock = file.parent / ".locks" / f"{file.stem}.lock"
    with suppress(OSError, CacheError, TimeoutError), lease(lock, timeout=WAIT_SECONDS):
        write_atomic(file, msgspec.json.encode(change(read_table(file, kind))))

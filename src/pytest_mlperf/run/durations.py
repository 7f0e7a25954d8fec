"""How long runs took on this machine: a file in the cache, used for the estimates of --mlperf-plan."""

from __future__ import annotations

import platform
import statistics
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.artifacts.disk import write_atomic
from pytest_mlperf.artifacts.locks import lease
from pytest_mlperf.artifacts.sharing import read_plain
from pytest_mlperf.errors import CacheError

if TYPE_CHECKING:
    from pathlib import Path

FILE = "durations.json"
KEPT = 5

Durations = dict[str, list[float]]


def key(case: str, mode: str, run_length: str) -> str:
    """Return the key of a run's durations; it has the machine's name, because a cache may be shared."""
    return f"{platform.node()} {case} {mode} {run_length}"


def read_durations(cache: Path) -> Durations:
    """Return the seconds of the last runs by `key`; empty if the file cannot be read."""
    with suppress(OSError, CacheError, msgspec.MsgspecError):
        return msgspec.json.decode(read_plain(cache / FILE), type=Durations)
    return {}


def note_duration(cache: Path, name: str, seconds: float) -> None:
    """Add a run's seconds; do nothing if the cache cannot be written."""
    with suppress(OSError, CacheError, TimeoutError), lease(cache / ".locks" / "durations.lock", timeout=5):
        durations = read_durations(cache)
        durations[name] = [*durations.get(name, []), round(seconds, 3)][-KEPT:]
        write_atomic(cache / FILE, msgspec.json.encode(durations))


def estimate(durations: Durations, name: str) -> float | None:
    """Return the median seconds of the last runs; None when there was none."""
    return statistics.median(durations[name]) if durations.get(name) else None

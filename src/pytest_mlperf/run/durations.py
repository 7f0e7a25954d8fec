"""How long runs took on this machine: a small file in the cache, from which a plan estimates."""

from __future__ import annotations

import platform
import statistics
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.artifacts.locks import lease
from pytest_mlperf.errors import CacheError

if TYPE_CHECKING:
    from pathlib import Path

FILE = "durations.json"
KEPT = 5

Durations = dict[str, list[float]]


def key(case: str, mode: str, run_length: str) -> str:
    """Return what a run's durations stand under; a shared cache serves several machines."""
    return f"{platform.node()} {case} {mode} {run_length}"


def read_durations(cache: Path) -> Durations:
    """Return the seconds of the last runs by `key`; a file that cannot be read tells nothing."""
    with suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode((cache / FILE).read_bytes(), type=Durations)
    return {}


def note_duration(cache: Path, name: str, seconds: float) -> None:
    """Add a run's seconds; where the cache cannot be written nothing is noted."""
    with suppress(OSError, CacheError, TimeoutError), lease(cache / ".locks" / "durations.lock", timeout=5):
        durations = read_durations(cache)
        durations[name] = [*durations.get(name, []), round(seconds, 3)][-KEPT:]
        beside = cache / f"{FILE}.part"
        beside.write_bytes(msgspec.json.encode(durations))
        beside.replace(cache / FILE)


def estimate(durations: Durations, name: str) -> float | None:
    """Return the median seconds of the last runs; None when there was none."""
    return statistics.median(durations[name]) if durations.get(name) else None

"""Keeps the process steady while a performance test runs, and says what else decides how steady it is."""

from __future__ import annotations

import gc
import os
import platform
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.backends.base import Model

#: Allocators that replace the C library's where they are loaded.
_ALLOCATORS = ("jemalloc", "tcmalloc", "mimalloc")


@contextmanager
def steady() -> Iterator[None]:
    """Collect garbage before the ``with`` block, and none in it, as timeit does.

    What there is before is not looked at again: it lives until the process ends. A collection takes milliseconds where
    a data set of many objects is in memory, and would come at any query.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def process_settings(model: Model, *, collects: bool) -> dict[str, str]:
    """Return what of the process decides about its figures, for the result: names and values for people.

    Parameters
    ----------
    model
        A model, which may have ``settings`` of its runtime.
    collects
        Whether garbage is collected during the test.
    """
    settings: dict[str, str] = getattr(model, "settings", {})
    return {
        "garbage collection": "on" if collects else "off during the test",
        "allocator": _allocator(),
        "cpus": ",".join(map(str, sorted(os.sched_getaffinity(0)))),
        **settings,
    }


def _allocator() -> str:
    try:
        loaded = Path("/proc/self/maps").read_text("utf-8", "replace")
    except OSError:
        loaded = ""
    found = next((name for name in _ALLOCATORS if f"lib{name}" in loaded), " ".join(platform.libc_ver()))
    arenas = os.environ.get("MALLOC_ARENA_MAX")
    return f"{found}, MALLOC_ARENA_MAX={arenas}" if arenas else found

"""Keeps the process steady while a performance test runs: no garbage collection in the middle of a query."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


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

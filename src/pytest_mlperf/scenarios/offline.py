"""Offline: one query with every sample; only the throughput counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.scenarios.base import SUT
from pytest_mlperf.scenarios.streams import Streams, share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.scenarios.base import Answering
    from pytest_mlperf.worker.guard import Guard


class Offline(SUT):
    """Streams take batches of the query in turn until it is empty.

    In accuracy mode LoadGen issues a query for each loaded set and waits for it before it unloads the set.
    """

    def __init__(self, inferences: Sequence[Answering], batch: int, guard: Guard) -> None:
        self._streams = Streams(inferences, guard)
        self._batch = batch

    def issue(self, ids: list[int], indices: list[int]) -> None:
        """Hand the query to the streams."""
        self._streams.start(share(ids, indices, self._batch))

    def close(self) -> None:
        """Stop the streams."""
        self._streams.close()

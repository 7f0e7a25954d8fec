"""MultiStream: some samples a query (8 by the rules), the next when all are answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.scenarios.base import SUT
from pytest_mlperf.scenarios.streams import Streams, share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.scenarios.base import Answering
    from pytest_mlperf.worker.guard import Guard


class MultiStream(SUT):
    """The first session works in LoadGen's own thread, the others beside it, on batches of the same query."""

    def __init__(self, inferences: Sequence[Answering], batch: int, guard: Guard) -> None:
        self._own = inferences[0]
        self._others = Streams(inferences[1:], guard)
        self._batch = batch

    def issue(self, ids: list[int], indices: list[int]) -> None:
        """Spread the query over the streams and work along."""
        job = share(ids, indices, self._batch)
        self._others.start(job)
        job(self._own)

    def close(self) -> None:
        """Stop the streams."""
        self._others.close()

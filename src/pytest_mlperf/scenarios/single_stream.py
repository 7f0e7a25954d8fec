"""SingleStream: one sample a query, the next when it is answered; only the latency counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.scenarios.base import SUT

if TYPE_CHECKING:
    from pytest_mlperf.scenarios.base import Answering


class SingleStream(SUT):
    """Infers in LoadGen's own thread: a hand-over to another thread would be part of the latency."""

    def __init__(self, inference: Answering) -> None:
        self._answer = inference.answer

    def issue(self, ids: list[int], indices: list[int]) -> None:
        """Answer the query before returning."""
        self._answer(ids, indices)

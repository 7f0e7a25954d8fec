"""Streams of a rehearsal, whose answers are counted instead of sent to LoadGen."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.worker.deferred import DeferredInference
    from pytest_mlperf.worker.inference import Inference


class Unanswered:
    """Counts down the samples of a query by batches: a step for each sample would cost more than LoadGen does."""

    def __init__(self) -> None:
        self._left = 0
        self._lock = threading.Lock()
        self._none = threading.Event()

    def expect(self, samples: int) -> None:
        """Begin a query."""
        self._left = samples
        self._none.clear()

    def less(self, samples: int) -> None:
        """Note that samples are answered, from any thread."""
        with self._lock:
            self._left -= samples
            if not self._left:
                self._none.set()

    def wait(self) -> None:
        """Wait until all samples of the query are answered."""
        self._none.wait()


class Rehearsal:
    """An inference whose answers are counted instead of sent to LoadGen."""

    def __init__(self, inference: Inference, unanswered: Unanswered) -> None:
        self._infer = inference.infer
        self._unanswered = unanswered

    def answer(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """Answer a batch."""
        self._infer(indices)
        self._unanswered.less(len(ids))


class DeferredRehearsal:
    """The same for a model that answers later."""

    def __init__(self, inference: DeferredInference, unanswered: Unanswered) -> None:
        self._begin = inference.begin
        self._unanswered = unanswered

    def answer(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """Begin to answer a batch."""
        self._begin(indices, lambda _: self._unanswered.less(len(ids)))

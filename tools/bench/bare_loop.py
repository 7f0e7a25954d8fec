"""Loops around a loaded model without LoadGen or harness, for the benches that compare with them."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.backends.base import Inputs, Model


def batches_per_second(models: Sequence[Model], inputs: Sequence[Inputs], count: int) -> float:
    """Return how many batches a second are run by one thread for each of `models`, which may be the same."""
    numbers = iter(range(count))

    def work(model: Model) -> None:
        for number in numbers:
            model.run(inputs[number % len(inputs)])

    for model in models:
        model.run(inputs[0])
    workers = [threading.Thread(target=work, args=(model,)) for model in models]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return count / (time.perf_counter() - start)

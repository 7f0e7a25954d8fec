"""Times two models that take turns: bursts of calls of both, in rounds, so that what the machine does meets both."""

from __future__ import annotations

import math
import random
import time
from typing import TYPE_CHECKING

from pytest_mlperf.gate.speed import ROUNDS
from pytest_mlperf.implementations.protocol import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: A burst lasts about so long, and has so many calls at least: the fastest of them counts.
BURST_SECONDS, LEAST_CALLS = 0.036, 3
_SEED = 1


def take_turns(
    old: Callable[[Sequence[int]], object], new: Callable[[Sequence[int]], object], indices: Sequence[int], batch: int
) -> Turns:
    """Call both models in turns and return the fastest call of each burst.

    Parameters
    ----------
    old, new
        Answer the samples of these indices.
    indices
        The loaded samples. A burst of each model in a round has the same ones.
    batch
        How many samples a call has.
    """
    batches = [[indices[(start + n) % len(indices)] for n in range(batch)] for start in range(0, len(indices), batch)]
    for call in (old, new):
        call(batches[0])  # the first one of a model is no measure
    seconds = max(min(_seconds(call, batches[0]) for _ in range(LEAST_CALLS)) for call in (old, new))
    calls = max(LEAST_CALLS, math.ceil(BURST_SECONDS / seconds))
    order, fastest = random.Random(_SEED), {old: [0.0] * ROUNDS, new: [0.0] * ROUNDS}  # noqa: S311 - no secret
    for number in range(ROUNDS):
        burst = [batches[(number * calls + n) % len(batches)] for n in range(calls)]
        for call in order.sample((old, new), 2):
            fastest[call][number] = min(_seconds(call, batch) for batch in burst)
    return Turns(old=tuple(fastest[old]), new=tuple(fastest[new]), calls=calls, batch=batch)


def _seconds(call: Callable[[Sequence[int]], object], indices: Sequence[int]) -> float:
    start = time.perf_counter()
    call(indices)
    return time.perf_counter() - start

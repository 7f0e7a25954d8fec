"""Two models take turns: each round calls both with the same samples, and the fastest call of a burst counts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pytest_mlperf.gate.speed import ROUNDS
from pytest_mlperf.worker.turns import LEAST_CALLS, take_turns

if TYPE_CHECKING:
    from collections.abc import Sequence


def test_both_answer_the_same_samples_in_turns() -> None:
    calls: list[tuple[str, tuple[int, ...]]] = []

    def model(name: str, seconds: float) -> object:
        def answer(indices: Sequence[int]) -> None:
            calls.append((name, tuple(indices)))
            time.sleep(seconds)

        return answer

    found = take_turns(model("old", 0.010), model("new", 0.014), range(5), 2)  # type: ignore[arg-type]
    assert found.batch == 2
    assert found.calls == LEAST_CALLS
    assert len(found.old) == len(found.new) == ROUNDS
    assert min(found.old) >= 0.010
    assert min(found.new) >= 0.014
    timed = calls[2 + 2 * LEAST_CALLS :]
    assert len(timed) == 2 * ROUNDS * LEAST_CALLS
    firsts = set()
    for start in range(0, len(timed), 2 * LEAST_CALLS):
        first, second = timed[start : start + LEAST_CALLS], timed[start + LEAST_CALLS : start + 2 * LEAST_CALLS]
        assert {first[0][0], second[0][0]} == {"old", "new"}
        assert [each[1] for each in first] == [each[1] for each in second]
        firsts.add(first[0][0])
    assert firsts == {"old", "new"}  # neither model is always the first of a round


def test_short_calls_make_longer_bursts() -> None:
    assert take_turns(lambda _: time.sleep(0.0005), lambda _: time.sleep(0.0001), range(3), 4).calls > 20

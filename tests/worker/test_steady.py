from __future__ import annotations

import gc

import pytest

from pytest_mlperf.worker.steady import steady


def test_no_garbage_is_collected_during_a_test_and_it_is_afterwards() -> None:
    collected: list[str] = []

    def note(phase: str, _: dict[str, int]) -> None:
        collected.append(phase)

    with steady():
        gc.callbacks.append(note)
        try:
            for _ in range(100_000):
                cycle: list[object] = []
                cycle.append(cycle)
        finally:
            gc.callbacks.remove(note)
    assert collected == []
    assert gc.isenabled()


def test_garbage_is_collected_again_after_a_test_that_fails() -> None:
    with pytest.raises(KeyError), steady():
        raise KeyError
    assert gc.isenabled()

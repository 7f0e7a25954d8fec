from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, ClassVar, cast

import pytest

from pytest_mlperf.worker.steady import process_settings, steady

if TYPE_CHECKING:
    from pytest_mlperf.backends.base import Model


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


def test_the_settings_of_the_process_are_told_with_those_of_the_runtime() -> None:
    class Told:
        settings: ClassVar[dict[str, str]] = {"spins": "no"}

    told = process_settings(cast("Model", Told()), collects=False)
    assert told["garbage collection"] == "off during the test"
    assert told["cpus"] == ",".join(map(str, sorted(os.sched_getaffinity(0))))
    assert told["spins"] == "no"
    assert told["allocator"]

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.scenarios.multi_stream import MultiStreamSUT
from pytest_mlperf.scenarios.offline import OfflineSUT
from pytest_mlperf.scenarios.server import ServerSUT, batch_size
from pytest_mlperf.scenarios.single_stream import SingleStreamSUT
from pytest_mlperf.worker.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_mlperf.scenarios.base import SUT

Batch = tuple[str, list[int], list[int]]


class Recorder:
    """Streams that take a moment for a batch and write down who answered what."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.batches: list[Batch] = []
        self.gate = threading.Event()
        self.gate.set()

    def stream(self) -> Recorder:
        return self

    def answer(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        self.gate.wait()
        time.sleep(self.seconds)
        self.batches.append((threading.current_thread().name, list(ids), list(indices)))

    def answered(self) -> list[int]:
        return sorted(i for _, ids, _ in self.batches for i in ids)

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + 20
        while len(self.answered()) < count:
            assert time.monotonic() < deadline
            time.sleep(0.001)


MAKERS: dict[str, Callable[[Recorder, Guard], SUT]] = {
    "Offline": lambda recorder, guard: OfflineSUT([recorder, recorder], 4, guard),
    "MultiStream": lambda recorder, guard: MultiStreamSUT([recorder, recorder], 4, guard),
    "SingleStream": lambda recorder, guard: SingleStreamSUT(recorder),
    "Server": lambda recorder, guard: ServerSUT([recorder, recorder], {1: 0.001, 4: 0.002}, 0.1, guard),
}


@pytest.mark.parametrize("scenario", MAKERS)
@pytest.mark.parametrize("count", [1, 8, 64, 71])
def test_each_sample_is_answered_once_with_its_own_index(scenario: str, count: int, tmp_path: Path) -> None:
    recorder = Recorder()
    sut = MAKERS[scenario](recorder, Guard(tmp_path))
    sut.issue(list(range(100, 100 + count)), list(range(count)))
    sut.flush()
    recorder.wait_for(count)
    sut.close()
    assert recorder.answered() == list(range(100, 100 + count))
    assert all(
        identifier - 100 == index
        for _, ids, indices in recorder.batches
        for identifier, index in zip(ids, indices, strict=True)
    )


@pytest.mark.parametrize("scenario", ["Offline", "MultiStream"])
def test_a_slow_stream_does_not_keep_samples_from_the_others(scenario: str, tmp_path: Path) -> None:
    quick, slow = Recorder(), Recorder(seconds=0.2)
    sut: SUT = (
        OfflineSUT([slow, quick], 1, Guard(tmp_path))
        if scenario == "Offline"
        else MultiStreamSUT([quick, slow], 1, Guard(tmp_path))
    )
    sut.issue(list(range(20)), list(range(20)))
    quick.wait_for(15)
    sut.close()
    assert sorted(quick.answered() + slow.answered()) == list(range(20))
    assert len(slow.answered()) <= 5


def test_single_stream_answers_in_loadgens_own_thread(tmp_path: Path) -> None:
    recorder = Recorder()
    SingleStreamSUT(recorder).issue([1], [0])
    assert recorder.batches == [(threading.current_thread().name, [1], [0])]


def test_server_batches_what_waits_while_its_streams_are_busy(tmp_path: Path) -> None:
    recorder = Recorder()
    recorder.gate.clear()
    sut = ServerSUT([recorder], {1: 0.001, 2: 0.001, 4: 0.001}, 10.0, Guard(tmp_path))
    sut.issue([0], [0])
    time.sleep(0.05)  # the only stream is busy with the first sample now
    for i in range(1, 7):
        sut.issue([i], [i])
    recorder.gate.set()
    recorder.wait_for(7)
    sut.close()
    assert [ids for _, ids, _ in recorder.batches] == [[0], [1, 2, 3, 4], [5, 6]]


LATENCIES = st.dictionaries(st.sampled_from([1, 2, 4, 8, 16]), st.floats(1e-4, 1.0), min_size=1).map(dict)


@given(st.integers(1, 100), st.floats(0, 2), st.floats(1e-3, 2), LATENCIES)
def test_a_batch_is_a_measured_size_that_meets_the_bound_where_any_does(
    waiting: int, waited: float, bound: float, latency: dict[int, float]
) -> None:
    size = batch_size(waiting, waited, bound, latency)
    assert size in latency
    in_time = [s for s in latency if waited + latency[s] <= bound]
    if in_time:
        assert waited + latency[size] <= bound
        assert size == min([s for s in in_time if s >= waiting], default=max(in_time))


def test_a_lost_bound_is_lost_for_the_fewest() -> None:
    assert batch_size(9, waited=1.0, bound=0.1, latency={1: 0.01, 8: 0.02}) == 8
    assert batch_size(9, waited=1.0, bound=0.1, latency={1: 0.01, 8: 0.2}) == 1


def test_offline_gives_a_batch_samples_of_equal_cost_the_largest_first(tmp_path: Path) -> None:
    recorder = Recorder()
    sut = OfflineSUT([recorder], 2, Guard(tmp_path), cost=lambda index: {0: 5, 1: 50, 2: 6, 3: 49}[index])
    sut.issue([10, 11, 12, 13], [0, 1, 2, 3])
    recorder.wait_for(4)
    sut.close()
    assert [(ids, indices) for _, ids, indices in recorder.batches] == [([11, 13], [1, 3]), ([12, 10], [2, 0])]

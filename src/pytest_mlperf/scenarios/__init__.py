"""The systems under test: how each scenario's queries become inferences, one strategy a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.scenarios.multi_stream import MultiStream
from pytest_mlperf.scenarios.offline import Offline
from pytest_mlperf.scenarios.server import Server
from pytest_mlperf.scenarios.single_stream import SingleStream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.scenarios.base import SUT, Answering
    from pytest_mlperf.worker.guard import Guard
    from pytest_mlperf.worker.tuning import Tuned


def make_sut(scenario: str, tuned: Tuned, streams: Sequence[Answering], guard: Guard, bound: float) -> SUT:
    """Return the scenario's SUT. `bound` is Server's latency bound in seconds, infinite where nothing is timed."""
    batch = tuned.layout.batch
    if scenario == "SingleStream":
        return SingleStream(streams[0])
    if scenario == "MultiStream":
        return MultiStream(streams, batch, guard)
    if scenario == "Server":
        return Server(streams, tuned.latency, bound, guard)
    return Offline(streams, batch, guard)

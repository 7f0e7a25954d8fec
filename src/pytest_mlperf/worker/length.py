"""How long a test lasts: the lines that the run length and the user's options add to user.conf."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_mlperf.worker.user_conf import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_mlperf.implementations.protocol import RunSpec
    from pytest_mlperf.worker.tuning import Tuned

#: What a short performance run aims at.
SHORT_SECONDS = 2.0
#: The fewest queries that can be VALID. SingleStream, MultiStream: early stopping's minimum for their
#: percentiles (90 and 99 at 99 % confidence, loadgen/early_stopping.cc). Server: as MultiStream, which leaves
#: room for one query over the bound. Offline: one query; the number is its samples.
SHORT_FLOOR = {"Offline": 16, "Server": 662, "SingleStream": 64, "MultiStream": 662}
#: The most: more would only make a fast SUT's short run long.
SHORT_CEILING = 24_576
#: LoadGen counts Offline's samples from the expected throughput, with a tenth to spare; a warm-up of a moment
#: may be off by more, and a run that ends before its minimum duration is lost.
OFFLINE_MARGIN = 1.2
#: The part of the rehearsal's throughput that Server is offered when the user names no target_qps: Poisson
#: arrivals at full throughput would queue without end.
SERVER_LOAD = 0.5


def conf_entries(spec: RunSpec, model: str, tuned: Tuned, given: Mapping[str, str]) -> list[Entry]:
    """Return the settings to append to the user's own: options always, suggestions where `given` is silent.

    Parameters
    ----------
    spec
        The run.
    model
        LoadGen's name of the benchmark.
    tuned
        The rehearsal's figures.
    given
        What the user's user.conf sets for this model and scenario.
    """
    settings = dict(_suggestions(spec, tuned))
    settings = {key: value for key, value in settings.items() if key not in given}
    settings.update(_options(spec))
    return [Entry(model, spec.scenario, key, value) for key, value in settings.items()]


def expected_latency_ns(tuned: Tuned) -> int:
    """Return SingleStream's and MultiStream's latency hint: LoadGen generates queries for twice that pace."""
    return max(1, round(tuned.query_seconds * 1e9))


def _suggestions(spec: RunSpec, tuned: Tuned) -> Iterator[tuple[str, str]]:
    rate = tuned.samples_per_second
    if spec.mode == "accuracy":
        if spec.scenario == "Server":
            # Accuracy follows the arrival schedule, too; nothing is timed, so the samples come at once.
            yield "target_qps", "100000"
        return
    if spec.scenario == "Offline":
        yield "target_qps", _number(rate * OFFLINE_MARGIN)
    elif spec.scenario == "Server":
        rate *= SERVER_LOAD
        yield "target_qps", _number(rate)
    if spec.run_length == "short" and spec.min_duration is None:
        queries = rate if spec.scenario in ("Offline", "Server") else 1 / tuned.query_seconds
        yield "min_duration", "0"
        count = min(math.ceil(SHORT_SECONDS * queries), SHORT_CEILING)
        yield "min_query_count", str(max(SHORT_FLOOR[spec.scenario], count))


def _options(spec: RunSpec) -> Iterator[tuple[str, str]]:
    if spec.mode == "accuracy":
        return
    if spec.target_qps is not None and spec.scenario in ("Offline", "Server"):
        yield "target_qps", _number(spec.target_qps)
    if spec.min_duration is not None:
        yield "min_duration", str(round(spec.min_duration * 1000))
    if spec.test_query_count is not None:
        # Without max_query_count: a test that reaches it has an error in its log (Server, LoadGen 6.0.17), and a
        # test without a minimum duration ends at its minimum anyway.
        yield "min_query_count", str(spec.test_query_count)
        if spec.min_duration is None:
            yield "min_duration", "0"


def _number(value: float) -> str:
    return f"{value:.6g}" if value < 1e15 else str(round(value))

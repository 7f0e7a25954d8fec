"""The length of a test: the lines of user.conf from the run length and the user's options."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_mlperf.scenarios import SCENARIOS
from pytest_mlperf.scenarios.base import number
from pytest_mlperf.worker.user_conf import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_mlperf.benchmarks.base import Short
    from pytest_mlperf.implementations.protocol import RunSpec
    from pytest_mlperf.scenarios.base import Scenario, Tuned


def conf_entries(spec: RunSpec, model: str, short: Short, tuned: Tuned, given: Mapping[str, str]) -> list[Entry]:
    """Return the settings to append to the user's own: options, and suggestions for what `given` does not set.

    Parameters
    ----------
    spec
        The run.
    model
        LoadGen's name of the benchmark.
    short
        The length of a short run of the benchmark.
    tuned
        The measurements of the warm-up.
    given
        What the user's user.conf sets for this model and scenario.
    """
    settings = dict(_suggestions(spec, short, tuned))
    settings = {key: value for key, value in settings.items() if key not in given}
    settings.update(_options(spec))
    return [Entry(model, spec.scenario, key, value) for key, value in settings.items()]


def expected_latency_ns(tuned: Tuned) -> int:
    """Return SingleStream's and MultiStream's latency hint: LoadGen generates queries for twice that pace."""
    return max(1, round(tuned.query_seconds * 1e9))


def _suggestions(spec: RunSpec, short: Short, tuned: Tuned) -> Iterator[tuple[str, str]]:
    if spec.mode == "accuracy":
        if spec.scenario == "Server":
            # Accuracy mode follows the arrival schedule too; nothing is timed, so let the samples arrive at once.
            yield "target_qps", "100000"
        return
    scenario = SCENARIOS[spec.scenario]
    yield from scenario.suggested(tuned)
    if spec.run_length == "short" and spec.min_duration is None:
        yield "min_duration", "0"
        count = min(math.ceil(short.seconds * scenario.queries_per_second(tuned)), short.most_queries)
        yield "min_query_count", str(max(fewest_queries(scenario, short), count))


def fewest_queries(scenario: Scenario, short: Short) -> int:
    """Return the fewest queries of a short run; for Offline, no more samples than in its accuracy run."""
    return min(scenario.fewest_queries, short.samples) if scenario.name == "Offline" else scenario.fewest_queries


def _options(spec: RunSpec) -> Iterator[tuple[str, str]]:
    if spec.mode == "accuracy":
        return
    if spec.target_qps is not None and spec.scenario in ("Offline", "Server"):
        yield "target_qps", number(spec.target_qps)
    if spec.min_duration is not None:
        yield "min_duration", str(round(spec.min_duration * 1000))
    if spec.test_query_count is not None:
        # Without max_query_count: a test that reaches it has an error in its log (Server, LoadGen 6.0.17), and a
        # test without a minimum duration ends at its minimum anyway.
        yield "min_query_count", str(spec.test_query_count)
        if spec.min_duration is None:
            yield "min_duration", "0"

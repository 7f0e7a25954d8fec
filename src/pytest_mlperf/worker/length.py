"""The length of a test: the lines of user.conf from the run length and the user's options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.loadgen.user_conf import Entry
from pytest_mlperf.scenarios import SCENARIOS
from pytest_mlperf.scenarios.base import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_mlperf.benchmarks.base import Short
    from pytest_mlperf.implementations.protocol import RunSpec
    from pytest_mlperf.scenarios.base import Tuned

MILLISECONDS = 1000
#: user.conf has percentiles in percent.
PERCENT = 100


def conf_entries(
    spec: RunSpec, model: str, short: Short, tuned: Tuned, given: Mapping[str, str], percentile: float
) -> list[Entry]:
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
    percentile
        The percentile of the latencies that counts, as a fraction, where `given` does not set it.
    """
    settings = dict(_suggestions(spec, tuned))
    if spec.mode == "performance" and spec.run_length == "short":
        settings |= {"min_duration": "0", "min_query_count": str(_short_queries(spec, short, tuned, given, percentile))}
    settings = {key: value for key, value in settings.items() if key not in given}
    settings.update(_options(spec))
    return [Entry(model, spec.scenario, key, value) for key, value in settings.items()]


def expected_latency_ns(tuned: Tuned) -> int:
    """Return SingleStream's and MultiStream's latency hint: LoadGen generates queries for twice that pace."""
    return max(1, round(tuned.query_seconds * 1e9))


def _suggestions(spec: RunSpec, tuned: Tuned) -> Iterator[tuple[str, str]]:
    if spec.mode == "performance":
        yield from SCENARIOS[spec.scenario].suggested(tuned)
    elif spec.scenario == "Server":
        # Accuracy mode follows the arrival schedule too; nothing is timed, so let the samples arrive at once.
        yield "target_qps", "100000"


def _short_queries(spec: RunSpec, short: Short, tuned: Tuned, given: Mapping[str, str], percentile: float) -> int:
    """Return the queries (in Offline: samples) of a short run.

    A minimum duration that the user wants is LoadGen's to keep; if it is below that of a short run, there are fewer.
    """
    scenario = SCENARIOS[spec.scenario]
    rate, seconds = scenario.queries_per_second(tuned), short.seconds
    if spec.scenario == "Server":  # where the user's rate is offered, and not just expected
        rate = spec.target_qps or float(given.get("target_qps", rate))
    if spec.min_duration is not None:
        seconds = min(seconds, spec.min_duration)
    elif "min_duration" in given:
        seconds = min(seconds, int(given["min_duration"]) / MILLISECONDS)
    wanted = float(given.get("target_latency_percentile", PERCENT * percentile)) / PERCENT
    percentile = wanted if 0 < wanted < 1 else percentile
    queries = min(scenario.short_queries(rate, seconds, percentile), short.most_queries)
    return max(scenario.fewest_queries(percentile, short.samples), queries)


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

"""The length of a test: the lines of user.conf from the run length, the time that there is, and the user's options."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.loadgen.generated import NANOSECONDS_IN_MS, duration_for, seconds_of_test
from pytest_mlperf.loadgen.user_conf import Entry
from pytest_mlperf.scenarios import SCENARIOS
from pytest_mlperf.scenarios.base import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_mlperf.benchmarks.base import Benchmark, Short
    from pytest_mlperf.implementations.protocol import OfficialLength, RunOptions
    from pytest_mlperf.loadgen.generated import Length
    from pytest_mlperf.scenarios.base import Tuned

MILLISECONDS = 1000
#: A short run may take so many times its seconds.
PATIENCE = 5
#: Of the time that there is, so much is aimed at: a machine is not always as fast as it was in the warm-up.
CAUTION = 0.9
#: With equal issue, SingleStream answers all the queries that fit into twice its minimum duration at the expected
#: latency. With a latency this many times the warm-up's, the test takes 1.6 times its minimum duration and not twice;
#: it is still long enough if it answers 1.6 times as fast as the warm-up.
EQUAL_ISSUE_LATENCY = 1.25
#: user.conf has percentiles in percent.
PERCENT = 100


class Shorter(NamedTuple):
    """A performance test that is shorter than official length.

    ``seconds`` is what it aims at, for a stream as its minimum duration; ``most_seconds`` what it may take where more
    queries make it likelier to be valid. LoadGen makes its samples up to whole sets of ``set_size``; see `Length`.
    """

    seconds: float
    most_seconds: float
    most_queries: float = math.inf
    set_size: int = 0


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A test whose length is not decided yet.

    Attributes
    ----------
    model, scenario, mode
        LoadGen's name of the benchmark, the scenario, the mode.
    options
        The user's options.
    short
        The length of a short run of the benchmark.
    given
        What the user's user.conf sets for this model and scenario.
    percentile
        The percentile of the latencies that counts, as a fraction, where `given` does not set it.
    """

    model: str
    scenario: str
    mode: str
    options: RunOptions
    short: Short
    given: Mapping[str, str]
    percentile: float

    @classmethod
    def performance(
        cls,
        benchmark: Benchmark,
        scenario: str,
        options: RunOptions,
        given: Mapping[str, str],
        official: OfficialLength,
    ) -> Wanted:
        """Return a performance test of a benchmark, of which official length is known."""
        return cls(
            model=benchmark.loadgen_model,
            scenario=scenario,
            mode="performance",
            options=options,
            short=benchmark.short,
            given=given,
            percentile=official.target_latency_percentile,
        )

    def entries(self, tuned: Tuned, shorter: Shorter | None = None) -> list[Entry]:
        """Return the settings to append to the user's own: options, and suggestions for what is not given.

        Parameters
        ----------
        tuned
            The measurements of the warm-up.
        shorter
            What a performance run of official length is instead, where it has less time than it needs.
        """
        settings = dict(self._suggestions(tuned))
        settings.update(self._length(tuned, shorter))
        settings = {key: value for key, value in settings.items() if key not in self.given}
        settings.update(self._options())
        return [Entry(self.model, self.scenario, key, value) for key, value in settings.items()]

    def within(self, tuned: Tuned, official: Length, left: float | None) -> list[Entry]:
        """Return the settings of the longest run that takes `left` seconds at most; None is any time.

        That is official length, if it fits. A run has at least the queries with which it can be valid.
        """
        if self.options.run_length == "short" or left is None or self.seconds(tuned, official) <= left:
            return self.entries(tuned)
        seconds = duration_for(self.length(tuned, official), max(0.0, left * CAUTION), tuned.query_seconds)
        return self.entries(tuned, Shorter(seconds, seconds, set_size=official.set_size))

    def length(self, tuned: Tuned, official: Length) -> Length:
        """Return what decides the length of the test whose settings are `entries`."""
        length = official.changed({**self.given, **{entry.key: entry.value for entry in self.entries(tuned)}})
        return replace(length, latency_ns=self.latency_ns(tuned, length) or length.latency_ns)

    def latency_ns(self, tuned: Tuned, asked: Length) -> int:
        """Return the latency that LoadGen gets besides a user.conf, which has only whole milliseconds; 0 for none.

        It is the user's, or what a stream is expected to take.
        """
        if self.options.target_latency is not None:
            return round(self.options.target_latency * NANOSECONDS_IN_MS)
        is_expected = self.mode == "performance" and SCENARIOS[self.scenario].timed == "queries"
        if not is_expected or "target_latency" in self.given:
            return 0
        # LoadGen makes queries for twice that pace.
        return max(1, round(tuned.query_seconds * (EQUAL_ISSUE_LATENCY if asked.is_counted else 1) * 1e9))

    def seconds(self, tuned: Tuned, official: Length) -> float:
        """Return how long that performance test takes; 0 if nothing was measured."""
        return seconds_of_test(self.length(tuned, official), tuned.samples_per_second, tuned.query_seconds)

    def _suggestions(self, tuned: Tuned) -> Iterator[tuple[str, str]]:
        if self.mode == "performance":
            yield from SCENARIOS[self.scenario].suggested(tuned)
        elif self.scenario == "Server":
            # Accuracy mode follows the arrival schedule too; nothing is timed, so let the samples arrive at once.
            yield "target_qps", "100000"

    def _length(self, tuned: Tuned, shorter: Shorter | None) -> dict[str, str]:
        """Return the settings of a performance run that is shorter than official length; none for another one."""
        if self.mode != "performance":
            return {}
        short, scenario = self.short, SCENARIOS[self.scenario]
        if self.options.run_length == "short":
            shorter = Shorter(short.seconds, PATIENCE * short.seconds, short.most_queries)
        elif shorter is None:
            return {}
        elif scenario.timed == "queries":  # LoadGen ends a stream's test at its minimum duration, whatever its pace
            fewest = scenario.fewest_queries(self._percentile, short.samples)
            return {"min_duration": str(round(shorter.seconds * MILLISECONDS)), "min_query_count": str(fewest)}
        return {"min_duration": "0", "min_query_count": str(self._queries(shorter, tuned))}

    @property
    def _percentile(self) -> float:
        """The percentile of the latencies that counts, as a fraction."""
        wanted = float(self.given.get("target_latency_percentile", PERCENT * self.percentile)) / PERCENT
        return wanted if 0 < wanted < 1 else self.percentile

    def _queries(self, shorter: Shorter, tuned: Tuned) -> int:
        """Return the queries (in Offline: samples) of a run that is shorter than official length.

        A minimum duration that the user wants is LoadGen's to keep; if it is below that of a short run, there are
        fewer.
        """
        scenario, options = SCENARIOS[self.scenario], self.options
        rate, seconds = scenario.queries_per_second(tuned), shorter.seconds
        if self.scenario == "Server":  # where the user's rate is offered, and not just expected
            rate = options.target_qps or float(self.given.get("target_qps", rate))
        if options.min_duration is not None:
            seconds = min(seconds, options.min_duration)
        elif "min_duration" in self.given:
            seconds = min(seconds, int(self.given["min_duration"]) / MILLISECONDS)
        queries = scenario.short_queries(rate, seconds, self._percentile, shorter.most_seconds)
        fewest = scenario.fewest_queries(self._percentile, self.short.samples)
        most = int(min(queries, shorter.most_queries))
        return max(fewest, most - most % shorter.set_size if shorter.set_size else most)

    def _options(self) -> Iterator[tuple[str, str]]:
        if self.mode == "accuracy":
            return
        options = self.options
        if options.target_qps is not None and self.scenario in ("Offline", "Server"):
            yield "target_qps", number(options.target_qps)
        if options.min_duration is not None:
            yield "min_duration", str(round(options.min_duration * 1000))
        if options.test_query_count is not None:
            # Without max_query_count: a test that reaches it has an error in its log (Server, LoadGen 6.0.17), and a
            # test without a minimum duration ends at its minimum anyway.
            yield "min_query_count", str(options.test_query_count)
            if options.min_duration is None:
                yield "min_duration", "0"

"""How long the runs of a search for a Server case's peak are, by their rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.errors import OptionError
from pytest_mlperf.implementations.protocol import ExecutionLayout
from pytest_mlperf.loadgen.generated import Length, generated
from pytest_mlperf.loadgen.length import Wanted
from pytest_mlperf.scenarios.base import Tuned
from pytest_mlperf.scenarios.early_stopping import late_allowed, queries_needed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.implementations.protocol import OfficialLength, RunSpec

#: Of the first probe, whose rate may be anything.
FEWEST = 100
#: A short probe has this part of a short run's queries.
SHORT_PART = 4
#: A full probe is as long as the confirming run, if that is at most so many short runs.
AS_LONG = 4
#: Else it is this part of the confirming run.
FULL_PART = 10
#: The confirming run's part of the time that a session has for the case.
AFFORDED = 0.5
#: A run's length does not depend on its layout, but on what that does.
_ANY = ExecutionLayout(streams=1, threads=1, batch=1)


@dataclass(frozen=True)
class Lengths:
    """The queries of each kind of run.

    Attributes
    ----------
    spec
        The run that is to be confirmed.
    benchmark
        Its benchmark, as the child has it.
    given
        What the user's user.conf sets for it.
    official
        The length that the round asks.
    """

    spec: RunSpec
    benchmark: Benchmark
    given: Mapping[str, str]
    official: OfficialLength

    def confirming(self, rate: float) -> int:
        """Return how many queries the confirming run has at a rate."""
        queries = self._queries(self.spec, self.given, rate)
        if self.spec.budget is None or self.spec.run_length == "short":
            return queries
        return min(queries, max(self._short_run(rate), math.ceil(AFFORDED * self.spec.budget * rate)))

    def full(self, rate: float) -> int:
        """Return how many queries a full probe has."""
        short, confirming = self._short_run(rate), self.confirming(rate)
        if confirming <= AS_LONG * short:
            return confirming
        return max(2 * short, math.ceil(confirming / FULL_PART))

    def short(self, rate: float) -> int:
        """Return how many queries a short probe has: what it takes no longer than a short run for."""
        affordable = math.ceil(rate * self.benchmark.short.seconds)
        return max(FEWEST, min(self._short_run(rate) // SHORT_PART, affordable))

    def share(self, rate: float) -> float:
        """Return the part of the confirming run's queries that may be late.

        Raises
        ------
        OptionError
            The run has too few queries to be VALID at any rate.
        """
        queries = self.confirming(rate)
        allowed = _late_allowed(queries, self.percentile)
        if allowed < 0:
            raise OptionError(
                f"no rate of {queries:,} queries can be VALID, so there is no peak to find",
                expected=f"{queries_needed(0, self.percentile):,} queries or more, as early stopping needs",
                found=f"{queries:,}",
                fix="leave --test-query-count (or min_query_count in user.conf) out, or --mlperf-find-peak",
            )
        return (allowed + 0.5) / queries

    @property
    def percentile(self) -> float:
        """The percentile of the latencies that must be within the bound, as a fraction."""
        wanted = float(self.given.get("target_latency_percentile", 100 * self.official.target_latency_percentile)) / 100
        return wanted if 0 < wanted < 1 else self.official.target_latency_percentile

    def _short_run(self, rate: float) -> int:
        """Return how many queries a short run has that nobody changed."""
        plain = structs.replace(self.spec, run_length="short", min_duration=None, test_query_count=None)
        kept = {key: value for key, value in self.given.items() if key not in ("min_duration", "min_query_count")}
        return self._queries(plain, kept, rate)

    def _queries(self, options: RunSpec, given: Mapping[str, str], rate: float) -> int:
        scenario, official = self.spec.scenario, self.official
        at_rate = structs.replace(options, target_qps=rate)
        wanted = Wanted.performance(self.benchmark, scenario, at_rate, given, official)
        length = wanted.length(
            Tuned(_ANY, rate, 1 / rate, {}), Length.asked(official, scenario, self.spec.sample_count)
        )
        return math.ceil(generated(length).queries)


@cache
def _late_allowed(queries: int, percentile: float) -> int:
    return late_allowed(queries, percentile)

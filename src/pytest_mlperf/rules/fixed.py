"""What a run's settings must be: those that scenario, round or compliance test fix, each with its bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_mlperf.loadgen.user_conf import Entry
    from pytest_mlperf.rules.asked import Asked
    from pytest_mlperf.rules.detail_log import DetailLog

#: Settings of a compliance test's audit.config, in no other performance run (compliance/ in mlcommons/inference).
_AUDIT = (
    "performance_issue_unique",
    "performance_issue_same",
    "performance_issue_same_index",
    "accuracy_log_rng_seed",
    "accuracy_log_sampling_target",
    "accuracy_log_probability",
)


@dataclass(frozen=True)
class Fixed:
    """A setting that is fixed for a run.

    Attributes
    ----------
    rule
        The rule that another value breaks.
    key
        The setting's key in a user.conf.
    logged
        Its key in the detail log.
    least, most
        What it must be at least and at most, as the log has it; None is no bound.
    scale
        The logged number of one unit of user.conf.
    """

    rule: str
    key: str
    logged: str
    least: float | None = None
    most: float | None = None
    scale: float = 1.0

    def allows(self, number: float) -> bool:
        """Say whether a logged number is within the bounds."""
        return (self.least is None or number >= self.least) and (self.most is None or number <= self.most)

    @property
    def words(self) -> str:
        """The bounds, in the unit of user.conf."""
        least, most = (_number(bound, self.scale) for bound in (self.least, self.most))
        if least == most:
            return least
        return " and ".join(filter(None, (least and f"at least {least}", most and f"at most {most}")))


def fixed(scenario: str, asked: Asked) -> Iterator[Fixed]:
    """Yield what is fixed for the performance runs of a scenario."""
    yield from _of_scenario(scenario, asked)
    yield from _of_round(scenario, asked)
    for key in _AUDIT:
        value = asked.audit.get(key, 0)
        yield Fixed("audit-settings", key, f"effective_{key}", value, value)


def _of_scenario(scenario: str, asked: Asked) -> Iterator[Fixed]:
    percentile = asked.percentiles.get(scenario)
    if percentile is not None:
        most = None if scenario == "Server" else percentile  # a bound that more of the queries must keep is harder
        key = "target_latency_percentile"
        yield Fixed("latency-percentile", key, f"effective_{key}", percentile, most, scale=0.01)
    size = asked.query_sizes.get(scenario)
    if size is not None:
        yield Fixed("query-size", "samples_per_query", "effective_samples_per_query", size, size)


def _of_round(scenario: str, asked: Asked) -> Iterator[Fixed]:
    if asked.min_duration_ms is not None:
        yield Fixed("min-duration", "min_duration", "effective_min_duration_ms", asked.min_duration_ms)
    if scenario == "Offline" and asked.samples_per_query is not None:
        logged = "effective_samples_per_query"
        yield Fixed("samples-per-query", "min_query_count", logged, asked.samples_per_query)
    if asked.performance_sample_count is not None:
        rule, key = "performance-sample-count", "performance_sample_count_override"
        yield Fixed(rule, key, "effective_performance_sample_count", asked.performance_sample_count)
    if scenario == "Server" and asked.server_latency_ns is not None:
        logged, most = "effective_target_latency_ns", asked.server_latency_ns
        yield Fixed("server-latency", "target_latency", logged, most=most, scale=1e6)
    if asked.equal_issue is not None:
        rule, key = "equal-issue" if asked.equal_issue else "sample-order", "sample_concatenate_permutation"
        yield Fixed(rule, key, f"effective_{key}", int(asked.equal_issue), int(asked.equal_issue))
    if asked.token_latencies is not None:
        for key in ("use_token_latencies", "infer_token_latencies"):
            value = int(asked.token_latencies and key.startswith("use"))
            yield Fixed("token-latencies", key, f"requested_{key}", value, value)


def changed(lines: Mapping[str, Entry], scenario: str, asked: Asked) -> Iterator[tuple[Entry, Fixed]]:
    """Yield the lines of a user.conf that set what is fixed to something else, with what it must be.

    Parameters
    ----------
    lines
        Those that LoadGen would use in the run, by key.
    scenario, asked
        Of the run.
    """
    for each in fixed(scenario, asked):
        entry = lines.get(each.key)
        if entry is not None and not each.allows(float(entry.value) * each.scale):
            yield entry, each


def logged_otherwise(log: DetailLog, each: Fixed) -> bool:
    """Say whether a log has another value of a setting; LoadGen does not log every setting of every run."""
    value = log.values.get(each.logged)
    if value is None:
        return False
    # A seed has more digits than a float.
    number = int(value) if isinstance(value, (bool, int)) else log.number(each.logged)
    return number is None or not each.allows(number)


def _number(bound: float | None, scale: float) -> str:
    if bound is None:
        return ""
    return str(bound) if scale == 1 else f"{bound / scale:.10g}"

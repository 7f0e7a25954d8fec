"""What is asked of a run: by a round, or for a benchmark that is in none by LoadGen's built-in configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.rules.audit import audit_of
from pytest_mlperf.rules.round import Seeds, TokenBounds

if TYPE_CHECKING:
    from pytest_mlperf.rules.round import Round

#: The percentiles of the scenarios' latencies and the sizes of their queries, as LoadGen logs them (rules: Scenarios).
PERCENTILES = {"Server": 0.99, "SingleStream": 0.9, "MultiStream": 0.99}
QUERY_SIZES = {"Server": 1, "SingleStream": 1, "MultiStream": 8}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a benchmark's runs; None and an empty mapping ask nothing.

    Attributes
    ----------
    round
        The round's name; empty where it is no round that asks.
    seeds
        LoadGen's seeds.
    min_duration_ms
        The least minimum duration that a performance run may be given.
    min_queries
        The least minimum of queries that it may be given, by scenario.
    samples_per_query
        The least number of samples in Offline's one query.
    performance_sample_count
        The least number of different samples that it loads.
    dataset_size
        Samples of the whole data set, all of which an accuracy run answers.
    server_latency_ns
        The largest latency bound that Server may be given.
    equal_issue
        Whether every sample must be issued equally often, or else at random.
    percentiles
        Which percentile of the latencies counts, by scenario: 0.99.
    query_sizes
        How many samples a query has, by scenario.
    token_latencies
        Whether latencies are measured of tokens.
    token_bounds
        What these may be at most, by the scenario of the directory.
    figures
        Where the log has the figure, by the scenario that was run, if it is not the usual one.
    audit
        The settings of the compliance test whose run it is; no other run has any of them.
    """

    round: str = ""
    seeds: Seeds | None = None
    min_duration_ms: int | None = None
    min_queries: dict[str, int] = {}
    samples_per_query: int | None = None
    performance_sample_count: int | None = None
    dataset_size: int | None = None
    server_latency_ns: int | None = None
    equal_issue: bool | None = None
    percentiles: dict[str, float] = {}
    query_sizes: dict[str, int] = {}
    token_latencies: bool | None = None
    token_bounds: dict[str, TokenBounds] = {}
    figures: dict[str, str] = {}
    audit: dict[str, int] = {}


def asked_by_round(round_: Round, benchmark: str | None, test: str = "", *, scenario: str | None = None) -> Asked:
    """Return what a round asks of the runs of one of its benchmarks.

    Parameters
    ----------
    round_
        The round.
    benchmark
        The official name; where the round's table does not have it only the round's own figures are asked.
    test
        The compliance test whose run it is: it has settings of its own, and TEST05 seeds.
    scenario
        Whose accuracy run it is; some benchmarks have fewer answers in one.
    """
    asked = Asked(
        round=round_.name,
        seeds=(round_.test05_seeds if test == "TEST05" else None) or round_.seeds,
        min_duration_ms=round_.min_duration_ms,
        figures=dict(round_.figures_of(benchmark)),
    )
    rules = round_.benchmarks.get(benchmark or "")
    if rules is None or benchmark is None:
        return asked
    return msgspec.structs.replace(
        asked,
        min_duration_ms=rules.min_duration_ms if rules.min_duration_ms is not None else round_.min_duration_ms,
        # Early stopping decides for the other scenarios: no official checker compares theirs.
        min_queries={"Offline": rules.min_queries.get("Offline", 1)},
        samples_per_query=rules.offline_samples_per_query,
        performance_sample_count=rules.performance_sample_count,
        dataset_size=rules.answers_of(scenario),
        server_latency_ns=rules.server_latency_ns,
        equal_issue=rules.equal_issue,
        percentiles={**PERCENTILES, **rules.percentiles},
        query_sizes=QUERY_SIZES,
        token_latencies=None if rules.tokens == "free" else rules.tokens == "asked",
        token_bounds=rules.token_bounds,
        audit=dict(audit_of(test, benchmark, round_).settings) if test else {},
    )

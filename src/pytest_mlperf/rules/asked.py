"""What is asked of a run: by a round, or for a benchmark that is in none by LoadGen's built-in configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.rules.round import Seeds

if TYPE_CHECKING:
    from pytest_mlperf.rules.round import BenchmarkRules, Round


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
        Whether every sample must be issued equally often.
    """

    round: str = ""
    seeds: Seeds | None = None
    min_duration_ms: int | None = None
    min_queries: dict[str, int] = {}
    samples_per_query: int | None = None
    performance_sample_count: int | None = None
    dataset_size: int | None = None
    server_latency_ns: int | None = None
    equal_issue: bool = False


def asked_by_round(round_: Round, rules: BenchmarkRules | None, test: str = "") -> Asked:
    """Return what a round asks of the runs of one of its benchmarks.

    Parameters
    ----------
    round_
        The round.
    rules
        The benchmark's row of its table; None where the table has none: then only the round's own figures are asked.
    test
        The compliance test whose run it is: TEST05 has seeds of its own.
    """
    asked = Asked(
        round=round_.name,
        seeds=(round_.test05_seeds if test == "TEST05" else None) or round_.seeds,
        min_duration_ms=round_.min_duration_ms,
    )
    if rules is None:
        return asked
    return msgspec.structs.replace(
        asked,
        # Early stopping decides for the other scenarios: no official checker compares theirs.
        min_queries={"Offline": rules.min_queries.get("Offline", 1)},
        samples_per_query=rules.offline_samples_per_query,
        performance_sample_count=rules.performance_sample_count,
        dataset_size=rules.dataset_size,
        server_latency_ns=rules.server_latency_ns,
        equal_issue=rules.equal_issue,
    )

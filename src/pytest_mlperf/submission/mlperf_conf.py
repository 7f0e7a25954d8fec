"""Writes the mlperf.conf that rounds before v5.0 ask for beside a result; LoadGen has its own built in since 5.0."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.rules.round import Round

_NANOSECONDS_PER_MS = 1_000_000


def mlperf_conf(round_: Round, benchmark: str) -> bytes:
    """Return the round's settings of a benchmark, by its official name, in LoadGen's format.

    These are what the runs were made with, over LoadGen's built-in file, before user.conf.
    """
    heading = (
        f"# What MLPerf Inference {round_.name} fixes for {benchmark}.\n"
        "# It was set over the mlperf.conf that LoadGen has built in since 5.0.\n"
    )
    return (heading + "".join(f"*.{key} = {value}\n" for key, value in _settings(round_, benchmark))).encode()


def _settings(round_: Round, benchmark: str) -> Iterator[tuple[str, int]]:
    rules, seeds = round_.benchmarks[benchmark], round_.seeds
    yield "*.qsl_rng_seed", seeds.qsl_rng_seed
    yield "*.sample_index_rng_seed", seeds.sample_index_rng_seed
    yield "*.schedule_rng_seed", seeds.schedule_rng_seed
    yield "*.min_duration", round_.min_duration_ms
    yield "*.performance_sample_count_override", rules.performance_sample_count
    yield "*.sample_concatenate_permutation", int(rules.equal_issue)
    if rules.offline_samples_per_query is not None:
        yield "Offline.min_query_count", rules.offline_samples_per_query
    if rules.server_latency_ns is not None:
        yield "Server.target_latency", rules.server_latency_ns // _NANOSECONDS_PER_MS

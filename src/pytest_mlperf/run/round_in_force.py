"""The round in force: which one a case is run by, and what LoadGen is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.errors import OptionError
from pytest_mlperf.implementations.protocol import RoundSettings
from pytest_mlperf.rules.round import find_round, newest_round, rounds

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from pytest_mlperf.rules.round import Round


def round_in_force(benchmark: str, selected: AbstractSet[str], named: str | None) -> Round | None:
    """Return the round that a benchmark's cases are run by.

    Parameters
    ----------
    benchmark
        Its official name; empty for what MLPerf has not, which no round applies to.
    selected
        The official names of everything that is selected.
    named
        The round that the user named; else it is the newest that has all that is selected, and where there is none
        the benchmark's own newest.

    Raises
    ------
    OptionError
        The named round does not have the benchmark.
    """
    if not benchmark:
        return None
    if named is None:
        return newest_round(selected - {""}) or newest_round((benchmark,))
    found = find_round(named)
    if benchmark not in found.benchmarks:
        having = [each.name for each in rounds().values() if benchmark in each.benchmarks]
        raise OptionError(
            f"round {found.name} does not have {benchmark}",
            expected=f"one of {', '.join(having)}",
            found=f"--round {named}",
            fix="choose one of these, or leave --round out",
        )
    return found


def round_settings(found: Round, benchmark: str) -> RoundSettings:
    """Return what a round asks of LoadGen for one of its benchmarks, by official name."""
    rules = found.benchmarks[benchmark]
    return RoundSettings(
        name=found.name,
        qsl_rng_seed=found.seeds.qsl_rng_seed,
        sample_index_rng_seed=found.seeds.sample_index_rng_seed,
        schedule_rng_seed=found.seeds.schedule_rng_seed,
        min_duration_ms=found.min_duration_ms,
        performance_sample_count=rules.performance_sample_count,
        offline_samples_per_query=rules.offline_samples_per_query,
        server_target_latency_ns=rules.server_latency_ns,
    )

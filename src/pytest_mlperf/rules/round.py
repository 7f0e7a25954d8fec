"""A round of MLPerf Inference: its table of benchmarks, its seeds, its layout, read from rounds/<name>.toml."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Literal

import msgspec

from pytest_mlperf.errors import OptionError
from pytest_mlperf.metrics.limit import Limit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Layout = Literal["measurements", "results"]
#: What the round's official checker makes of a broken rule.
Official = Literal["fails", "fails closed", "logs", "ignores"]


class Seeds(msgspec.Struct, frozen=True, kw_only=True):
    """The round's seeds of LoadGen; TOML has no unsigned 64-bit numbers, so they are written as text."""

    qsl_rng_seed: int
    sample_index_rng_seed: int
    schedule_rng_seed: int


class TokenBounds(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of the 99th percentiles of tokens' latencies: to the first token, and between tokens."""

    ttft_ns: int
    tpot_ns: int


class PowerRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a round asks of a power measurement's session (power_checker.py).

    Attributes
    ----------
    ptd_versions
        Of PTDaemon.
    analysers
        PTDaemon's numbers of the analysers, by their names.
    sources
        The SHA-256 of the lists of hashes of the two programs' files: as JSON with sorted keys and without spaces.
    clocks_apart_ms
        How far the client's and the server's clocks may be apart. As many seconds, as power_checker.py has it, after
        the run's begin and before its end the warnings of PTDaemon count.
    durations_apart
        What part of the longer run's duration the two runs' durations may differ by; None where that is no error.
    average
        Whether the run's average power must be above 95 % of the ranging run's.
    uncertainty
        Whether a sample that is too uncertain is an error.
    restoring
        The numbers, from 1, of the commands of the current's range of which one must restore what was there before.
    several
        Whether server.json has a list of analysers.
    zoned
        Whether the times of PTDaemon's log are moved by the server's time zone.
    errors_of_ranging
        How the errors begin that are usual in the ranging run.
    """

    ptd_versions: tuple[str, ...]
    analysers: dict[str, int]
    sources: tuple[str, ...]
    clocks_apart_ms: int
    durations_apart: float | None = None
    average: bool = True
    uncertainty: bool = True
    restoring: tuple[int, ...] = (3,)
    several: bool = False
    zoned: bool = False
    errors_of_ranging: tuple[str, ...] = (
        "Can't evaluate uncertainty of this sample!",
        "Bad watts reading nan from ",
        "Bad amps reading nan from ",
        "Bad pf reading nan from ",
        "Bad volts reading nan from ",
        "Current appears to be too high for set range",
    )


class BenchmarkRules(msgspec.Struct, frozen=True, kw_only=True):
    """One benchmark's row in the round's table (MODEL_CONFIG of the official checker).

    Attributes
    ----------
    limits
        What accuracy.txt must state: each metric of the benchmark, and what it must be at least or at most. A metric
        that only has a maximum need not be stated.
    scenario_limits
        Other ones for some scenarios.
    tolerance
        What part of the reference implementation's accuracy the target is: 0.99 or 0.999; None where it is no part.
    performance_sample_count
        The least number of different samples that a performance run loads.
    dataset_size
        Samples of the whole data set; None where nobody states it.
    accuracy_sample_count, accuracy_samples
        How many answers an accuracy run has, where it is not one a sample of the data set; of some scenarios.
    offline_samples_per_query
        The least number of samples in Offline's one query; None where Offline is not taken.
    min_duration_ms
        Of its performance runs, where it is not the round's.
    server_latency_ns
        The largest latency bound that Server may set; None where the benchmark has no Server.
    percentiles
        Which percentile of the latencies counts, by scenario, where it is not the scenario's usual one (mlperf.conf).
    tokens
        Whether LoadGen must take the latencies of tokens: ``asked``, ``none``, or ``free``.
    token_bounds
        What these may be at most, by the scenario of the directory.
    figures
        Where the log has the figure, by the scenario that was run, if it is not the scenario's usual one.
    min_queries
        By scenario; the official checkers compare Offline's only, the others stop early.
    required, optional
        The scenarios that a closed submission must have, and those that it may have, by system type: ``datacenter``,
        ``edge``, ``datacenter,edge``. A type that is not in `required` does not take the benchmark.
    compliance
        The compliance tests of a closed submission.
    accuracy_directories
        Directories that lie beside the accuracy log, with the names of files in them, without their endings.
    equal_issue
        Whether every sample must be issued equally often, as samples differ in work.
    exempt
        Rules that the round's official checker forgets for this benchmark.
    """

    limits: tuple[Limit, ...]
    performance_sample_count: int
    min_queries: dict[str, int]
    required: dict[str, tuple[str, ...]] = {}
    compliance: tuple[str, ...]
    tolerance: float | None = None
    dataset_size: int | None = None
    offline_samples_per_query: int | None = None
    scenario_limits: dict[str, tuple[Limit, ...]] = {}
    accuracy_sample_count: int | None = None
    accuracy_samples: dict[str, int] = {}
    min_duration_ms: int | None = None
    server_latency_ns: int | None = None
    percentiles: dict[str, float] = {}
    tokens: Literal["asked", "none", "free"] = "none"
    token_bounds: dict[str, TokenBounds] = {}
    figures: dict[str, str] = {}
    optional: dict[str, tuple[str, ...]] = {}
    accuracy_directories: dict[str, tuple[str, ...]] = {}
    equal_issue: bool = False
    exempt: tuple[str, ...] = ()

    def limits_of(self, scenario: str | None) -> tuple[Limit, ...]:
        """Return what a scenario's accuracy must reach."""
        return self.scenario_limits.get(scenario or "", self.limits)

    def answers_of(self, scenario: str | None) -> int | None:
        """Return how many samples a scenario's accuracy run must answer; None where nobody states it."""
        return self.accuracy_samples.get(scenario or "", self.accuracy_sample_count or self.dataset_size)


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """A round's rules.

    Attributes
    ----------
    name
        ``v5.1``.
    checker
        The official checker that judges the round: the tag of mlcommons/inference, or ``head``.
    layout
        ``measurements``: measurements/, compliance/ and code/ beside results/ (v5.1 and older); ``results``: all of
        a result under results/, the code in src/ (v6.0 and newer).
    seeds
        LoadGen's.
    min_duration_ms
        The least ``effective_min_duration_ms`` of a performance run (TEST_DURATION_MS).
    benchmarks
        The table, by official name.
    other_benchmarks
        Names that the round has and this table has not: their results cannot be judged.
    aliases
        Directory names that mean a benchmark (``model_mapping``).
    figures
        Where the logs have a scenario's figure, if it is not where they have it in the newest rounds.
    official
        What the round's official checker makes of each rule.
    endpoints
        Benchmarks that may be measured through endpoints, without LoadGen's logs.
    measured_on
        On how many results of real submissions to the round level ``official`` and its official checker were compared
        (tools/compare_official_checker.py), and agreed.
    test05_seeds
        The seeds of the compliance test TEST05, where the round has it.
    power
        What is asked of a power measurement's session; None where nothing is known.
    spl_lines
        Whether every line of spl.txt is a sample, or those that begin with ``Time``.
    spl_counts
        Whether each sample counts, or those above 0.
    """

    name: str
    checker: str
    layout: Layout
    seeds: Seeds
    min_duration_ms: int
    benchmarks: dict[str, BenchmarkRules]
    official: dict[str, Official]
    other_benchmarks: tuple[str, ...] = ()
    aliases: dict[str, str] = {}
    figures: dict[str, str] = {}
    test05_seeds: Seeds | None = None
    endpoints: tuple[str, ...] = ()
    measured_on: int = 0
    power: PowerRules | None = None
    spl_lines: Literal["every", "Time"] = "Time"
    spl_counts: Literal["any", "above 0"] = "above 0"

    @property
    def wants_mlperf_conf(self) -> bool:
        """Whether LoadGen's mlperf.conf lies beside each result: LoadGen 5.0 is the first that has it built in."""
        return self.number < (5, 0)

    def figures_of(self, benchmark: str | None) -> Mapping[str, str]:
        """Return where the logs of a benchmark have a scenario's figure, if it is not where they usually have it."""
        rules = self.benchmarks.get(benchmark or "")
        return {**self.figures, **rules.figures} if rules is not None else self.figures

    @property
    def number(self) -> tuple[int, ...]:
        """The round's name as numbers, for its place in time."""
        return tuple(map(int, self.name.removeprefix("v").split(".")))


@lru_cache(maxsize=1)
def rounds() -> Mapping[str, Round]:
    """Return every round, the oldest first."""
    found = [
        msgspec.toml.decode(file.read_bytes(), type=Round, strict=False)
        for file in (resources.files(__package__) / "rounds").iterdir()
        if file.name.endswith(".toml")
    ]
    return {each.name: each for each in sorted(found, key=lambda each: each.number)}


def find_round(name: str) -> Round:
    """Return a round by its name, with or without the v.

    Raises
    ------
    OptionError
        There is no such round.
    """
    found = rounds().get(f"v{name.removeprefix('v')}")
    if found is None:
        raise OptionError(
            f"there is no round {name}",
            expected=f"one of {', '.join(rounds())}",
            found=name,
            fix="choose one of these",
        )
    return found


def newest_round(benchmarks: Iterable[str]) -> Round | None:
    """Return the newest round that closed division takes all of these benchmarks in, by official name."""
    wanted = tuple(benchmarks)
    for each in reversed(tuple(rounds().values())):
        if all(name in each.benchmarks and _taken(each.benchmarks[name]) for name in wanted):
            return each
    return None


def _taken(rules: BenchmarkRules) -> bool:
    """Say whether a system of one type may submit it: v6.0 lists retinanet for 'datacenter,edge' only, and crashes."""
    return bool(rules.required.keys() & {"datacenter", "edge"})

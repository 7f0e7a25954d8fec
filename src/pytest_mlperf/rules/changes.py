"""What changed between two rounds for a benchmark, from the rounds' files."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_mlperf.rules.round import BenchmarkRules, Round

_NONE = "-"


class Change(NamedTuple):
    """One entry of the tables that two rounds have otherwise; ``-`` is none."""

    what: str
    before: str
    after: str


def changes(before: Round, after: Round, benchmark: str) -> list[Change]:
    """Return what differs between two rounds for a benchmark, by its official name; a round may not have it."""
    entries = _entries(before, benchmark), _entries(after, benchmark)
    names = dict.fromkeys([*entries[0], *entries[1]])
    found = (Change(name, *(each.get(name, _NONE) for each in entries)) for name in names)
    return [each for each in found if each.before != each.after]


def _entries(round_: Round, benchmark: str) -> Mapping[str, str]:
    rules = round_.benchmarks.get(benchmark)
    entries = {
        "benchmark": "yes" if rules is not None else "no",
        "official checker": round_.checker,
        "layout": round_.layout,
        **{f"seed {name}": str(getattr(round_.seeds, name)) for name in round_.seeds.__struct_fields__},
    }
    return {**entries, **dict(_of_benchmark(round_, rules))} if rules is not None else entries


def _of_benchmark(round_: Round, rules: BenchmarkRules) -> Iterator[tuple[str, str]]:
    yield from ((f"accuracy {limit.value}", str(limit)) for limit in rules.limits)
    for scenario, limits in rules.scenario_limits.items():
        yield from ((f"accuracy {limit.value}, {scenario}", str(limit)) for limit in limits)
    yield "data set", _count(rules.dataset_size, "samples")
    yield "accuracy run", _count(rules.answers_of(None), "samples")
    yield "different samples in memory", _count(rules.performance_sample_count, "samples")
    yield "Offline's query", _count(rules.offline_samples_per_query, "samples")
    duration = rules.min_duration_ms if rules.min_duration_ms is not None else round_.min_duration_ms
    yield "minimum duration", f"{duration / 1000:g} s"
    bound = rules.server_latency_ns
    yield "Server's latency bound", f"{bound / 1e6:g} ms" if bound is not None else _NONE
    for scenario, each in rules.token_bounds.items():
        yield f"tokens, {scenario}", f"first below {each.ttft_ns / 1e6:g} ms, next below {each.tpot_ns / 1e6:g} ms"
    yield from ((f"figure of {scenario}", key) for scenario, key in sorted(round_.figures_of(None).items()))
    yield from ((f"figure of {scenario}", key) for scenario, key in sorted(rules.figures.items()))
    yield from (
        (f"queries, {scenario}", f"at least {count:,}") for scenario, count in sorted(rules.min_queries.items())
    )
    yield "each sample equally often", "yes" if rules.equal_issue else "no"
    yield "compliance tests", _listed(rules.compliance)
    for kind in ("required", "optional"):
        yield from ((f"{kind}, {system}", _listed(names)) for system, names in getattr(rules, kind).items())
    yield from ((f"files in accuracy/{name}", _listed(files)) for name, files in rules.accuracy_directories.items())


def _count(number: int | None, unit: str) -> str:
    return f"{number:,} {unit}" if number is not None else _NONE


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or _NONE

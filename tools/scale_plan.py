"""Prints how long all official tasks take on N machines, from rates that were measured on one.

    python tools/scale_plan.py
    python tools/scale_plan.py --rate resnet50=310 --rate 3d-unet-99=0.04 --machines 1,4,16
    python tools/scale_plan.py --results results.json

A rate is a machine's samples per second in Offline; a result of --mlperf-json has it. Runs whose rate nobody stated are
listed with what does not depend on it, and are in no sum.
"""

from __future__ import annotations

import argparse
import heapq
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.loadgen.generated import OFFLINE_SLACK, STREAM_SLACK
from pytest_mlperf.loadgen.length import EQUAL_ISSUE_LATENCY
from pytest_mlperf.registry import Registry
from pytest_mlperf.rules.asked import PERCENTILES, QUERY_SIZES
from pytest_mlperf.rules.round import rounds
from pytest_mlperf.scenarios.early_stopping import FOR_AN_ESTIMATE, queries_needed
from pytest_mlperf.scenarios.offline import MARGIN
from pytest_mlperf.scenarios.server import LOAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_mlperf.rules.round import BenchmarkRules, Round

#: Samples per second of one machine in Offline at full size, from docs/performance.md: 2 CPUs, fp32, onnxruntime.
MEASURED: Mapping[str, float] = {"retinanet": 0.902}
#: Of linear: what Ray's nodes are asked to reach.
RAY_PART = 0.9
MACHINES = (1, 2, 4, 8)
SYSTEM_TYPES = ("datacenter,edge", "edge", "datacenter")
_HOUR = 3600


@dataclass(frozen=True)
class Run:
    """One item at official length.

    Attributes
    ----------
    benchmark, round, scenario, mode
        What it is.
    samples
        How many samples it has; None if that depends on the rate.
    seconds
        How long the round lets it last at least.
    rate
        Samples per second of the machine in this scenario; None if nobody stated it.
    """

    benchmark: str
    round: str
    scenario: str
    mode: str
    samples: int | None
    seconds: float
    rate: float | None

    def lasts(self, times: float = 1.0) -> float | None:
        """Return the seconds that it takes on a system so many times as fast; None if that is not known."""
        if self.samples is None:
            return self.seconds
        return None if self.rate is None else max(self.seconds, self.samples / (self.rate * times))


def runs(rates: Mapping[str, float], system_type: str = "") -> Iterator[Run]:
    """Yield every run of the official tasks, each task in the newest round that has it."""
    known = list(rounds().values())
    registry = Registry()
    for name in sorted(registry.benchmarks):
        benchmark = registry.benchmark(name)
        if benchmark.edition != "official":
            continue
        of_task = [each for each in known if benchmark.official_name in each.benchmarks]
        newest = of_task[-1]
        rules = newest.benchmarks[benchmark.official_name]
        for scenario in _scenarios(rules, system_type):
            yield from _of(name, newest, rules, scenario, rates.get(name))


def _scenarios(rules: BenchmarkRules, system_type: str) -> Sequence[str]:
    kinds = [system_type] if system_type else [kind for kind in SYSTEM_TYPES if kind in rules.required]
    return rules.required.get(kinds[0], ()) if kinds else ()


def _of(name: str, newest: Round, rules: BenchmarkRules, scenario: str, rate: float | None) -> Iterator[Run]:
    answers = rules.answers_of(scenario)
    yield Run(name, newest.name, scenario, "accuracy", answers, 0.0, rate)
    seconds = (rules.min_duration_ms if rules.min_duration_ms is not None else newest.min_duration_ms) / 1000
    samples = None
    if scenario == "Offline":
        samples, seconds = rules.offline_samples_per_query, seconds * OFFLINE_SLACK * MARGIN
    else:
        queries = queries_needed(FOR_AN_ESTIMATE, {**PERCENTILES, **rules.percentiles}[scenario])
        samples = queries * (QUERY_SIZES.get(scenario) or 1)
        if scenario == "SingleStream" and rules.equal_issue:  # as many queries as LoadGen makes, in whole sets
            seconds *= STREAM_SLACK / EQUAL_ISSUE_LATENCY
            samples += rules.performance_sample_count - samples % rules.performance_sample_count
        rate = rate * LOAD if rate is not None and scenario == "Server" else rate
    for mode in ("performance", *rules.compliance):
        yield Run(name, newest.name, scenario, mode, samples, seconds, rate)


def makespan(seconds: Iterable[float], machines: int) -> float:
    """Return when the last of the runs ends if each machine takes the longest that is left."""
    free = [0.0] * machines
    for each in sorted(seconds, reverse=True):
        heapq.heappush(free, heapq.heappop(free) + each)
    return max(free)


def text(rates: Mapping[str, float], machines: Sequence[int] = MACHINES, system_type: str = "") -> str:
    """Return the tables."""
    every = list(runs(rates, system_type))
    lines = [
        "| benchmark, round | scenario | rate, samples/s | accuracy | performance | compliance |",
        "|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in every:
        groups.setdefault((run.benchmark, run.round, run.scenario), []).append(run)
    for (benchmark, round_name, scenario), group in groups.items():
        accuracy, performance, *tests = group
        rate = f"{performance.rate:g}" if performance.rate is not None else "no full-size figure"
        tested = f"{len(tests)} x {_hours(tests[0])}" if tests else "none"
        cells = (f"{benchmark}, {round_name}", scenario, rate, _hours(accuracy), _hours(performance), tested)
        lines.append(f"| {' | '.join(cells)} |")
    stated = [run for run in every if run.rate is not None]
    lines += ["", *_sums(stated, machines)] if stated else []
    return "\n".join(lines)


def _sums(stated: Sequence[Run], machines: Sequence[int]) -> Iterator[str]:
    names = sorted({run.benchmark for run in stated})
    alone = [seconds for run in stated if (seconds := run.lasts()) is not None]
    yield f"| machines | items of {', '.join(names)} over ssh | one system of so many nodes, with Ray |"
    yield "|---|---|---|"
    for count in machines:
        part = 1.0 if count == 1 else RAY_PART
        together = sum(seconds for run in stated if (seconds := run.lasts(count * part)) is not None)
        yield f"| {count} | {makespan(alone, count) / _HOUR:.1f} h | {together / _HOUR:.1f} h |"


def _hours(run: Run) -> str:
    seconds = run.lasts()
    if seconds is not None:
        return f"{seconds / _HOUR:.1f} h"
    least = f", {run.seconds / 60:.0f} min at least" if run.seconds else ""
    return f"{run.samples:,} samples{least}"


def read_rates(path: Path) -> dict[str, float]:
    """Return the rates of a --mlperf-json file: of its performance runs of Offline, the best of each benchmark."""
    found: dict[str, float] = {}
    for result in json.loads(path.read_text("utf-8"))["results"]:
        performance = result["performance"]
        if result["scenario"] == "Offline" and performance is not None and result["edition"] == "official":
            found[result["benchmark"]] = max(found.get(result["benchmark"], 0.0), float(performance["value"]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", action="append", default=[], metavar="BENCHMARK=SAMPLES_PER_SECOND")
    parser.add_argument("--results", type=Path, metavar="JSON", help="take the rates of a --mlperf-json file")
    parser.add_argument("--machines", default=",".join(map(str, MACHINES)), help="numbers of machines")
    parser.add_argument("--system-type", default="", choices=["", *SYSTEM_TYPES], help="default: each task's widest")
    given = parser.parse_args()
    rates = dict(MEASURED) | (read_rates(given.results) if given.results else {})
    rates |= {name: float(value) for name, _, value in (each.partition("=") for each in given.rate)}
    print(text(rates, [int(each) for each in given.machines.split(",")], given.system_type))


if __name__ == "__main__":
    main()

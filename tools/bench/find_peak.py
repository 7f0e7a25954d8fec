"""The rate that --mlperf-find-peak finds, against a fine sweep of rates, and whether it holds in five of five runs.

    python tools/bench/find_peak.py                                          # sleeps 2 ms a query
    python tools/bench/find_peak.py --model resnet50-tiny --backend onnxruntime
    python tools/bench/find_peak.py --backend sleeping:sleeps -- --target-latency=150 --test-query-count=1001

The last one sleeps 20 ms a query, which other programs disturb less.

Every run is a pytest session of its own. The sweep has runs at 98 to 109 % of the found rate, 1 % apart, in rounds, so
that what else the machine does meets all rates. A rate counts for its peak if most of its runs are VALID.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RUNTIMES = (Path(__file__).parents[2] / "tests" / "support", Path(__file__).parent)
#: The part of the sweep's peak that the search must reach.
ENOUGH = 0.95
HOLDS = 5


def session(model: str, backend: str, *options: str) -> dict[str, Any]:
    """Run the model's Server case in a session; return its result."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--pyargs", "pytest_mlperf.benchmarks"]
    command += [f"--model={model}", f"--backend={backend}", "--scenario=Server", "--mode=performance"]
    path = os.pathsep.join(filter(None, (*map(str, RUNTIMES), os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "results.json"
        done = subprocess.run(
            [*command, "--mlperf-history=off", f"--mlperf-json={output}", *options],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        if not output.exists():
            raise RuntimeError(done.stdout)
        [result] = json.loads(output.read_text())["results"]
    return dict(result)


def is_valid(model: str, backend: str, rate: float, *options: str) -> bool:
    """Return whether a run at a rate is VALID."""
    result = session(model, backend, f"--target-qps={rate:.6g}", *options)
    return bool(result["performance"] and result["performance"]["valid"])


def main() -> int:
    """Search, sweep and confirm; return 1 if the search is too low or does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="classifier-tiny")
    parser.add_argument("--backend", default="honest")
    parser.add_argument("--rounds", type=int, default=3, help="runs at each rate of the sweep")
    parser.add_argument("options", nargs="*", help="options of each session, after --")
    arguments = parser.parse_args()
    case = arguments.model, arguments.backend
    start = time.monotonic()
    result = session(*case, "--mlperf-find-peak", *arguments.options)
    seconds, probes = time.monotonic() - start, result["peak"]
    found, run = probes[-1]["rate"], probes[-1]["seconds"]
    for probe in probes:
        late, p99 = probe["late"], probe["latency_ms"].get("p99", float("nan"))
        print(f"  {probe['rate']:9.4g} {probe['purpose']:10} {late} of {probe['queries']} late, p99 {p99:.4g} ms")
    print(f"found {found:.4g} queries/s in {seconds:.1f} s, {len(probes)} runs; the confirming one took {run:.1f} s")
    print(*result["notes"], sep="\n")
    held = sum(is_valid(*case, found, *arguments.options) for _ in range(HOLDS))
    print(f"valid in {held} of {HOLDS} more runs")
    rates = [found * (1 + percent / 100) for percent in range(-2, 10)]
    valid = dict.fromkeys(rates, 0)
    for _ in range(arguments.rounds):
        for rate in rates:
            valid[rate] += is_valid(*case, rate, *arguments.options)
    for rate, count in valid.items():
        print(f"  {rate:9.4g} valid in {count} of {arguments.rounds}")
    swept = max((rate for rate, count in valid.items() if count > arguments.rounds / 2), default=0.0)
    once = max((rate for rate, count in valid.items() if count), default=0.0)
    print(f"sweep: {swept:.4g} queries/s in most runs, {once:.4g} in at least one")
    print(f"found / swept: {found / swept if swept else float('nan'):.3f} (at least {ENOUGH})")
    return int(found < ENOUGH * swept or held < HOLDS)


if __name__ == "__main__":
    sys.exit(main())

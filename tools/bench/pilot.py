"""Whether the warm-up chooses a fast layout while another program takes a core.

    python tools/bench/pilot.py

Offline of a tiny edition is run again and again beside a program that never rests, and what the warm-up chose is noted.
Then the program is stopped, and each layout that was chosen, and each way to share the threads at the same batches, is
measured by tests of a second, in turns. A choice is right if its best test reaches 95 % of the best one's.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

from plugin_run import ONNXRUNTIME, run

from pytest_mlperf.implementations.protocol import ExecutionLayout
from pytest_mlperf.machine.cores import available_cores
from pytest_mlperf.scenarios.base import splits

SAMPLES, RIGHT = 64, 0.95
#: The module of each edition, and what makes its data set.
EDITIONS = {
    "resnet50": ("pytest_mlperf.benchmarks.resnet50", "pytest_mlperf.datasets.digit_pictures"),
    "retinanet": ("pytest_mlperf.benchmarks.retinanet", "pytest_mlperf.datasets.digit_scenes"),
}


def main() -> None:
    """Print how often each layout was chosen, its rate, and how many choices were right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edition", choices=EDITIONS, default="retinanet")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--beside", type=int, default=1, help="programs that never rest")
    parser.add_argument("--tune", choices=("quick", "thorough"), default="quick")
    options = parser.parse_args()
    module, maker = EDITIONS[options.edition]
    model = import_module(module).TINY.model_file("onnx", "fp32", "").source
    with tempfile.TemporaryDirectory() as directory:
        import_module(maker).generate(Path(directory), "validation", SAMPLES)
        case = Case(f"{module}:TINY", str(model), directory, options.tune)
        beside = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(options.beside)]
        try:
            chosen = [case.run()[1] for _ in range(options.runs)]
        finally:
            for process in beside:
                process.kill()
        rates = case.rates(chosen)
    best = max(rates.values())
    for layout, rate in sorted(rates.items(), key=lambda item: -item[1]):
        print(
            f"  {layout.streams} streams of {layout.threads} threads, batch {layout.batch:3}: {rate:8.1f} samples/s, "
            f"{rate / best:.3f} of the best, chosen {chosen.count(layout)} times"
        )
    right = sum(rates[layout] >= RIGHT * best for layout in chosen)
    print(f"right: {right} of {len(chosen)} (aim: 19 of 20)")


class Case:
    """Offline of an edition, in runs of about a second."""

    def __init__(self, benchmark: str, model: str, dataset: str, tune: str) -> None:
        self._settings: dict[str, Any] = {
            "benchmark": benchmark,
            "backend": ONNXRUNTIME,
            "scenario": "Offline",
            "model": model,
            "dataset": dataset,
            "sample_count": SAMPLES,
            "tune": tune,
        }

    def run(self, layout: ExecutionLayout | None = None, queries: int = SAMPLES) -> tuple[float, ExecutionLayout]:
        """Return the samples a second, and the layout."""
        log, used = run(**self._settings, layout=layout, test_query_count=queries)
        return log.number("result_samples_per_second") or 0.0, used

    def rates(self, chosen: list[ExecutionLayout], rounds: int = 3) -> dict[ExecutionLayout, float]:
        """Return the best rate of each layout in tests that take turns."""
        ways = product(splits(available_cores()), {layout.batch for layout in chosen})
        layouts = {ExecutionLayout(streams=s, threads=t, batch=batch) for (s, t), batch in ways} | set(chosen)
        queries = max(SAMPLES, int(self.run(chosen[0], 4 * SAMPLES)[0]))
        rates = dict.fromkeys(layouts, 0.0)
        for _ in range(rounds):
            for layout in layouts:
                rates[layout] = max(rates[layout], self.run(layout, queries)[0])
        return rates


if __name__ == "__main__":
    main()

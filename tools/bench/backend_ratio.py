"""Offline through the plugin over a backend's own bare loop, with the same model and samples.

    python tools/bench/backend_ratio.py openvino
    python tools/bench/backend_ratio.py openvino --benchmark yolo-95-tiny --precision bf16

Run it with an interpreter that has the backend's packages. The bare loop runs the graph alone, on batches that are made
beforehand, in the best of the layouts that the plugin has to choose from. Loop and plugin take turns; the ratio is of
the best of each, because what else runs on a machine only takes time. A model that is made from another one is named
with --model.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, replace
from inspect import isclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bare_loop import batches_per_second
from plugin_run import run

from pytest_mlperf.artifacts.layout import default_cache_dir
from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.backends.base import Traits
from pytest_mlperf.machine.cores import available_cores
from pytest_mlperf.origin import MissingFile, Remote
from pytest_mlperf.registry import Registry
from pytest_mlperf.scenarios.base import splits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.backends.base import Backend, Inputs, Model
    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.benchmarks.base import Benchmark

BATCHES = (1, 2, 4, 8, 16)
AIM = 0.95


@dataclass(frozen=True)
class Subject:
    """What is measured: a backend with a model file, and the first samples of a data set."""

    benchmark: Benchmark
    backend: Backend
    file: ModelFile
    path: Path
    dataset: Path
    precision: str
    samples: int

    def inputs(self, batch: int) -> list[Inputs]:
        """Return all samples in batches."""
        samples = self.benchmark.dataset.open(self.dataset, self.samples, self.file.variant)
        loaded = [samples[index] for index in range(self.samples)]
        whole = range(0, self.samples - batch + 1, batch)
        return [self.benchmark.collate(loaded[start : start + batch]) for start in whole]

    def models(self, streams: int, threads: int) -> Sequence[Model]:
        """Return a loaded model for each stream, as the plugin has them."""

        def load() -> Model:
            return self.backend.load(self.path, replace(self.file, precision=self.precision), "cpu", threads, {})

        first = load()
        return [first] * streams if first.concurrent else [first, *(load() for _ in range(streams - 1))]


class BareLoop:
    """The layout in which a loop around the backend is fastest."""

    def __init__(self, subject: Subject, seconds: float) -> None:
        self.rate = 0.0
        for streams, threads in splits(available_cores()):
            models = subject.models(streams, threads)
            for batch in BATCHES:
                if batch > (models[0].max_batch or batch) or batch > subject.samples:
                    break
                inputs = subject.inputs(batch)
                rate = batch * batches_per_second(models, inputs, 4 * streams)
                count = max(4 * streams, round(seconds * rate / batch))
                rate = batch * batches_per_second(models, inputs, count)
                if rate > self.rate:
                    self.rate, self.layout = rate, f"{streams}x{threads} batch {batch}"
                    self._best = (models, inputs, count, batch)

    def again(self) -> float:
        """Return the samples a second of one more loop in that layout."""
        models, inputs, count, batch = self._best
        return batch * batches_per_second(models, inputs, count)


def subject(arguments: argparse.Namespace) -> Subject:
    """Return what the arguments name."""
    # The interpreter of a backend need not have what finds the cache, where the data set ships.
    registry, store = Registry(), Store(arguments.cache or default_cache_dir(os.environ))
    benchmark, backend = registry.benchmark(arguments.benchmark), registry.installed.backends[arguments.backend]
    if isinstance(backend, Exception):
        raise SystemExit(str(backend))
    runs = Traits.of(backend).can_run
    rows = [row for form in backend.formats for row in benchmark.models if row.format == form]
    rows = [row for row in rows if (row.variant or "whole") == arguments.variant or not arguments.variant]
    exact = [row for row in rows if row.precision == arguments.precision]
    file = next(iter(exact or [row for row in rows if runs(arguments.precision, row.precision)]), None)
    if file is None or (len(file.graphs) != 1):
        raise SystemExit(f"{arguments.backend} has no file of one graph of {arguments.benchmark} here")
    path = arguments.model or file.source
    if not isinstance(path, Path):
        raise SystemExit(f"{file} is not a file of the package; name it with --model")
    source = benchmark.dataset.source(arguments.samples)
    if isinstance(source, (Remote, MissingFile)):
        raise SystemExit(f"the data set of {arguments.benchmark} is not generated")
    dataset = source if isinstance(source, Path) else store.get(source).path
    benchmark = replace(benchmark, variant=file.variant)
    assert isclass(backend)  # noqa: S101 - a function is no backend of the table
    return Subject(benchmark, backend(), file, path.absolute(), dataset, arguments.precision, arguments.samples)


def plugin_rate(arguments: argparse.Namespace, what: Subject, count: int) -> tuple[float, Any]:
    """Return the samples a second of Offline through the plugin, and the layout that it chose."""
    registry = Registry()
    log, layout = run(
        benchmark=registry.benchmarks[arguments.benchmark].value,
        backend=registry.backends[arguments.backend].value,
        backend_name=arguments.backend,
        scenario="Offline",
        model=str(what.path),
        model_format=what.file.format,
        model_precision=what.file.precision,
        precision=what.precision,
        variant=what.file.variant,
        dataset=str(what.dataset),
        sample_count=what.samples,
        test_query_count=count,
    )
    return log.number("result_samples_per_second") or 0.0, layout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backend")
    parser.add_argument("--benchmark", default="resnet50-tiny")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--variant", default="")
    parser.add_argument("--model", type=Path, help="the model file, if it is not one of the package")
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="how long a loop and a run last")
    parser.add_argument("--cache", type=Path, help="default: the cache of pytest-mlperf")
    arguments = parser.parse_args()
    what = subject(arguments)
    loop = BareLoop(what, arguments.seconds / 4)
    count = max(what.samples, round(arguments.seconds * loop.rate))
    print(f"{arguments.backend}, {arguments.benchmark} {arguments.precision}; samples/s; bare loop {loop.layout}")
    bare, plugin = [], []
    for _ in range(arguments.rounds):
        bare.append(loop.again())
        rate, layout = plugin_rate(arguments, what, count)
        plugin.append(rate)
        print(
            f"  bare {bare[-1]:10.1f}   plugin {rate:10.1f} ({layout.streams}x{layout.threads} batch {layout.batch})"
            f"   ratio {rate / bare[-1]:.3f}"
        )
    print(f"ratio of the best {max(plugin) / max(bare):.3f} (aim: at least {AIM})")


if __name__ == "__main__":
    main()

"""Offline through the plugin over a backend's own bare loop, with the same model and samples.

    python tools/bench/backend_ratio.py openvino
    python tools/bench/backend_ratio.py tvm-pytorch --benchmark yolo-95-tiny --backend-option tune=2

Both run in the interpreter that the plugin would take: this one if it has the backend's packages, else that of an
environment of the cache, made if necessary. The bare loop runs the graph alone, on batches that are made beforehand, in
the best of the layouts that the plugin has to choose from. Loop and plugin take turns; the ratio is of the best of
each, because what else runs on a machine only takes time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bare_backend import Job
from plugin_run import run

from pytest_mlperf.artifacts.layout import default_cache_dir
from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.backends.base import Traits
from pytest_mlperf.backends.model_content import model_content
from pytest_mlperf.environments.provide import Needs, from_store, provide, tool_environment
from pytest_mlperf.environments.pythons import Wanted
from pytest_mlperf.environments.venv import executable
from pytest_mlperf.implementations.base import Provision
from pytest_mlperf.implementations.python import PYTHON
from pytest_mlperf.origin import Derived, MissingFile, Remote
from pytest_mlperf.registry import Registry

if TYPE_CHECKING:
    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.implementations.base import Program

AIM = 0.95


def model_path(store: Store, file: ModelFile) -> Path:
    """Return the path of a model that ships, or is made from one that does."""
    source = file.source
    if isinstance(source, Derived) and source.ready is not None:
        return source.ready
    if isinstance(source, Path):
        return source
    if not isinstance(source, Derived) or not isinstance(source.source, Path):
        raise SystemExit(f"{file} is not a file of the package, or made from one; name it with --model")
    tool = source.tool
    maker = sys.executable
    if tool is not None:
        maker = str(executable(store.get(tool_environment(tool.requirements, tool.python)).path))
    sha256 = model_content(source.source, source.source_format or file.format).sha256
    made = store.get(source.recipe(source.source, sha256, maker)).path
    return made if file.directory else next(made.iterdir())


def program(benchmark: Benchmark, backend: Any, store: Store, arguments: argparse.Namespace, scratch: Path) -> Program:
    """Return what runs the worker, in the interpreter that the plugin would take."""
    traits, installed = Traits.of(backend), Registry()
    needs = Needs(
        backend=arguments.backend,
        device="cpu",
        requirements=backend.requirements,
        wanted=Wanted((), (), traits.python),
        also=(*traits.also_requires, *benchmark.dataset.requirements),
        install=True,
    )
    references = (installed.benchmarks[arguments.benchmark].value, installed.backends[arguments.backend].value)

    def obtain(recipe: Any) -> Path:
        return store.get(recipe).path

    python = provide(needs, from_store(store, obtain, install=True))
    return PYTHON.provide(Provision(references, lambda: python, obtain, lambda: scratch))


def job_of(arguments: argparse.Namespace, store: Store, scratch: Path) -> tuple[Job, Program]:
    """Return what the arguments name, and what runs it."""
    registry = Registry()
    benchmark, backend = registry.benchmark(arguments.benchmark), registry.backend(arguments.backend)
    assert isinstance(backend, type)  # noqa: S101 - a function is no backend of the table
    traits = Traits.of(backend)
    rows = [row for form in backend.formats for row in benchmark.rows(form)]
    rows = [row for row in rows if (row.variant or "whole") == arguments.variant or not arguments.variant]
    exact = [row for row in rows if row.precision == arguments.precision]
    able = exact or [row for row in rows if traits.can_run(arguments.precision, row.precision)]
    file = next((row for row in able if len(row.graphs) == 1 and not traits.refuses(row)), None)
    if file is None:
        raise SystemExit(f"{arguments.backend} has no file of one graph of {arguments.benchmark} here")
    path = (arguments.model or model_path(store, file)).absolute()
    source = benchmark.dataset.source(arguments.samples)
    if isinstance(source, (Remote, MissingFile)):
        raise SystemExit(f"the data set of {arguments.benchmark} is not generated")
    dataset = source if isinstance(source, Path) else store.get(source).path
    runner = program(benchmark, backend, store, arguments, scratch)
    options = dict(text.split("=", 1) for text in arguments.backend_option)
    prepared = ""
    made: Any = backend()
    if hasattr(made, "preparation"):
        sha256 = model_content(path, file.format).sha256
        recipe, notice = made.preparation(path, sha256, file, options, runner.command[0], "cpu")
        print(notice)
        prepared = str(store.get(recipe).path)
    job = Job(
        benchmark=registry.benchmarks[arguments.benchmark].value,
        backend=registry.backends[arguments.backend].value,
        form=file.format,
        of_file=file.precision,
        variant=file.variant,
        precision=arguments.precision,
        path=str(path),
        prepared=prepared,
        dataset=str(dataset),
        samples=arguments.samples,
        seconds=arguments.seconds / 4,
        options=options,
    )
    return job, runner


class BareProcess:
    """The process with the bare loop."""

    def __init__(self, job: Job, runner: Program) -> None:
        ours = {name: value for name, value in runner.environment.items() if value is not None}
        here = str(Path(__file__).parent)
        path = os.pathsep.join(filter(None, (here, ours.get("PYTHONPATH", os.environ.get("PYTHONPATH", "")))))
        command = [runner.command[0], str(Path(here) / "bare_backend.py"), json.dumps(asdict(job))]
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **ours, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        found = self._read()
        self.rate, self.layout = found["rate"], found["layout"]

    def again(self) -> float:
        """Return the samples a second of one more loop."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        print(file=self._process.stdin, flush=True)
        return float(self._read())

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def _read(self) -> Any:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the bare loop ended with exit code {self._process.wait()}")
        return json.loads(line)


def plugin_rate(job: Job, runner: Program, name: str, count: int) -> tuple[float, Any]:
    """Return the samples a second of Offline through the plugin, and the layout that it chose."""
    log, layout = run(
        runner,
        benchmark=job.benchmark,
        backend=job.backend,
        backend_name=name,
        backend_options=dict(job.options),
        scenario="Offline",
        model=job.path,
        model_format=job.form,
        model_precision=job.of_file,
        precision=job.precision,
        variant=job.variant,
        prepared=job.prepared,
        dataset=job.dataset,
        sample_count=job.samples,
        test_query_count=count,
    )
    return log.number("result_samples_per_second") or 0.0, layout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backend")
    parser.add_argument("--benchmark", default="resnet50-tiny")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--variant", default="")
    parser.add_argument("--model", type=Path, help="the model file, if it is not one of the package or made from one")
    parser.add_argument("--backend-option", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="how long a loop and a run last")
    parser.add_argument("--cache", type=Path, help="default: the cache of pytest-mlperf")
    arguments = parser.parse_args()
    store = Store(arguments.cache or default_cache_dir(os.environ))
    with tempfile.TemporaryDirectory() as scratch:
        job, runner = job_of(arguments, store, Path(scratch))
        loop = BareProcess(job, runner)
        count = max(job.samples, round(arguments.seconds * loop.rate))
        print(f"{arguments.backend}, {arguments.benchmark} {arguments.precision}; samples/s; bare loop {loop.layout}")
        bare, plugin = [], []
        for _ in range(arguments.rounds):
            bare.append(loop.again())
            rate, layout = plugin_rate(job, runner, arguments.backend, count)
            plugin.append(rate)
            print(
                f"  bare {bare[-1]:10.1f}   plugin {rate:10.1f}"
                f" ({layout.streams}x{layout.threads} batch {layout.batch})   ratio {rate / bare[-1]:.3f}"
            )
        loop.close()
        print(f"ratio of the best {max(plugin) / max(bare):.3f} (aim: at least {AIM})")


if __name__ == "__main__":
    main()

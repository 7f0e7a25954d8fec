"""The first samples of a tiny edition, read without the cache: real inputs, on which a converted model must agree."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.backends.base import Inputs
    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.datasets.base import Samples

#: Samples that are compared. One random image hides what is wrong.
COUNT = 8


@contextmanager
def first_samples(benchmark: Benchmark, count: int) -> Iterator[Samples]:
    """Open the first samples for the block; those of a data set that is generated are generated for it."""
    source: Any = benchmark.dataset.source(count)
    if isinstance(source, Path):
        yield benchmark.dataset.open(source, count, benchmark.variant)
        return
    with tempfile.TemporaryDirectory() as name:
        replace(source, count=count).generate(Path(name))
        yield benchmark.dataset.open(Path(name), count, benchmark.variant)


def first_inputs(benchmark: Benchmark) -> Inputs:
    """Return the inputs of the first samples, by their names in the ONNX file; the first dimension is the sample."""
    graph = benchmark.rows("onnx")[0].graph
    with first_samples(benchmark, COUNT) as samples:
        inputs = benchmark.collate([samples[index] for index in range(COUNT)])
    return {tensor.in_file: inputs[tensor.name] for tensor in graph.inputs}

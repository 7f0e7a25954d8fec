"""A loop around a backend, in the interpreter that has its packages: says its best layout, and its rate whenever asked.

    python bare_backend.py JOB

JOB is JSON with the fields of `Job`. The first line of the answer is JSON with the rate in samples a second and the
layout; each line that is read then is answered with the rate of one more loop.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from bare_loop import batches_per_second

from pytest_mlperf.machine.cores import available_cores
from pytest_mlperf.scenarios.base import splits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_mlperf.backends.base import Inputs, Model

BATCHES = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Job:
    """What is measured: a backend with a model file, and the first samples of a data set.

    ``benchmark`` and ``backend`` are references ``module:attribute``; ``form``, ``of_file`` and ``variant`` name the
    row of the file among the benchmark's; ``seconds`` is how long a loop lasts.
    """

    benchmark: str
    backend: str
    form: str
    of_file: str
    variant: str
    precision: str
    path: str
    prepared: str
    dataset: str
    samples: int
    seconds: float
    options: Mapping[str, str] = field(default_factory=dict)

    def inputs(self, batch: int) -> list[Inputs]:
        """Return all samples in batches."""
        benchmark = replace(resolve_name(self.benchmark), variant=self.variant)
        samples = benchmark.dataset.open(Path(self.dataset), self.samples, self.variant)
        loaded = [samples[index] for index in range(self.samples)]
        whole = range(0, self.samples - batch + 1, batch)
        return [benchmark.collate(loaded[start : start + batch]) for start in whole]

    def models(self, streams: int, threads: int) -> Sequence[Model]:
        """Return a loaded model for each stream, as the plugin has them."""
        backend: Any = resolve_name(self.backend)()
        if self.prepared:
            backend.prepared = Path(self.prepared)
        row = resolve_name(self.benchmark).model_file(self.form, self.of_file, self.variant)
        file = replace(row, precision=self.precision)

        def load() -> Model:
            model: Model = backend.load(Path(self.path), file, "cpu", threads, self.options)
            return model

        first = load()
        return [first] * streams if first.concurrent else [first, *(load() for _ in range(streams - 1))]


class BareLoop:
    """The layout in which a loop around the backend is fastest."""

    def __init__(self, job: Job) -> None:
        self.rate = 0.0
        for streams, threads in splits(available_cores()):
            models = job.models(streams, threads)
            for batch in BATCHES:
                if batch > (models[0].max_batch or batch) or batch > job.samples:
                    break
                inputs = job.inputs(batch)
                rate = batch * batches_per_second(models, inputs, 4 * streams)
                count = max(4 * streams, round(job.seconds * rate / batch))
                rate = batch * batches_per_second(models, inputs, count)
                if rate > self.rate:
                    self.rate, self.layout = rate, f"{streams}x{threads} batch {batch}"
                    self._best = (models, inputs, count, batch)

    def again(self) -> float:
        """Return the samples a second of one more loop in that layout."""
        models, inputs, count, batch = self._best
        return batch * batches_per_second(models, inputs, count)


def main() -> None:
    # What a runtime prints is no answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    loop = BareLoop(Job(**json.loads(sys.argv[1])))
    print(json.dumps({"rate": loop.rate, "layout": loop.layout}), file=answers, flush=True)
    for _ in sys.stdin:
        print(json.dumps(loop.again()), file=answers, flush=True)


if __name__ == "__main__":
    main()

"""Asks a run's model again, on a few samples and with variations, in a process of its own.

``python -m pytest_mlperf.explain.again RUN.JSON SAMPLES REPLY`` is that process: what a faulty model does to
its runtime, it does not do to the session.
"""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from pytest_mlperf.explain.variations import AS_IT_IS, Variation, variations_of
from pytest_mlperf.implementations.protocol import read_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.backends.base import Inputs, Model, Outputs
    from pytest_mlperf.benchmarks.base import Benchmark

#: The processor's time that all variations together should take: samples are left out for it, but for the fewest that
#: tell something. With these they may take the longer time. Unlike time on the wall it is the same on a busy machine.
_SECONDS, _MOST_SECONDS = 1.0, 30.0
_FEWEST: Final = 12
#: A variation that takes so many times as long as the model as it is does not undo a fault, and is given up.
_SLOWER, _SPARE = 4.0, 0.1


class Tried(msgspec.Struct, frozen=True):
    """A variation, and the answers: sample index and bytes of each."""

    name: str
    done: str
    records: list[tuple[int, bytes]]


class Reply(msgspec.Struct, frozen=True):
    """What came of asking again.

    Attributes
    ----------
    tried
        The answers of each variation; the first is the model as it is. None if it would have taken too long.
    seconds
        What a sample takes, of the processor's time.
    not_finite
        How many samples got outputs of the model that are not numbers.
    """

    tried: list[Tried]
    seconds: float
    not_finite: int


class _Varied:
    """A model with a variation; it counts calls with outputs that are not finite."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.device, self.concurrent, self.weight_types = model.device, False, model.weight_types
        self.max_batch = model.max_batch
        self.variation = AS_IT_IS
        self.seen: Inputs = {}
        self.finite = True

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        if not self.seen:
            self.seen = {name: np.array(value) for name, value in inputs.items()}
        outputs = self._model.run(self.variation.inputs(graph, inputs), graph)
        self.finite &= all(np.isfinite(value).all() for value in outputs if value.dtype.kind == "f")
        return self.variation.outputs(graph, outputs)

    def close(self) -> None:
        self._model.close()


def ask(run_json: Path, indices: Sequence[int]) -> Reply:
    """Answer samples with the model of a run, as it is and with each variation."""
    from pytest_mlperf.backends.onnxruntime import OnnxRuntime

    spec = read_spec(run_json)
    sys.path.extend(path for path in spec.import_paths if path not in sys.path)
    benchmark: Benchmark = replace(resolve_name(spec.benchmark), variant=spec.variant)
    opened = benchmark.dataset.open(Path(spec.dataset), max(indices) + 1, spec.variant)
    row = benchmark.model_file(spec.model_format, spec.model_precision, spec.variant)
    # One thread: several would wait for each other actively, beside the session that draws pictures meanwhile.
    model = _Varied(OnnxRuntime().load(Path(spec.model), row, "cpu", 1, {}))
    samples: dict[int, Any] = {index: opened[index] for index in indices[:1]}
    _answer(benchmark, model, samples, indices[:1])  # the first call is slower
    start = time.process_time()
    _answer(benchmark, model, samples, indices[:1])
    seconds = time.process_time() - start
    variations = [AS_IT_IS, *variations_of(benchmark, model.seen)]
    every = seconds * len(variations)  # of a sample
    count = min(len(indices), max(_FEWEST, int(_SECONDS / max(every, 1e-6))))
    if count * every > _MOST_SECONDS:
        return Reply([], seconds, 0)
    kept = [indices[place] for place in np.linspace(0, len(indices) - 1, count).astype(int).tolist()]
    samples = {index: opened[index] for index in kept}
    limit = math.inf
    tried, not_finite = [], 0
    for variation in variations:
        start = time.process_time()
        answers = _Answers(benchmark, model, samples, variation)
        records = answers.records(limit)
        if variation is AS_IT_IS:
            not_finite, limit = answers.not_finite, _SLOWER * (time.process_time() - start) + _SPARE
        if records is not None:
            tried.append(Tried(variation.name, variation.done, records))
    model.close()
    return Reply(tried, seconds, not_finite)


@dataclass
class _Answers:
    """The answers with a variation; `not_finite` counts the samples for which the model gave no numbers."""

    benchmark: Benchmark
    model: _Varied
    samples: dict[int, Any]
    variation: Variation
    not_finite: int = 0

    def records(self, limit: float) -> list[tuple[int, bytes]] | None:
        """Return the answers; None if they take longer than `limit` seconds, or are none."""
        self.model.variation = self.variation
        start, records = time.process_time(), []
        for index in self.samples:
            self.model.finite = True
            try:
                records.append((index, _answer(self.benchmark, self.model, self.samples, [index])))
            except Exception:
                if self.variation is AS_IT_IS:
                    raise
                return None  # it makes no sense for this model, such as boxes with negative sides
            self.not_finite += not self.model.finite
            if time.process_time() - start > limit:
                return None
        return records


def _answer(benchmark: Benchmark, model: _Varied, samples: dict[int, Any], indices: Sequence[int]) -> bytes:
    found = benchmark.answer(model, [samples[index] for index in indices], indices, lambda *_: None)
    return np.asarray(found.data).tobytes()


def main() -> None:
    """Write the reply."""
    run_json, indices, reply = sys.argv[1:]
    found = ask(Path(run_json), [int(index) for index in indices.split(",")])
    Path(reply).write_bytes(msgspec.msgpack.encode(found))


if __name__ == "__main__":
    main()

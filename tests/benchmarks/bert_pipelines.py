"""Ways from the tiny edition's questions to F1: the right one, and broken ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.benchmarks.bert import LENGTHS, TINY_99
from pytest_mlperf.metrics.accuracy_log import Record
from pytest_mlperf.metrics.span_f1 import SpanF1

BATCH = 32
Inputs = dict[str, NDArray[Any]]
Logits = Sequence[NDArray[Any]]


@dataclass(frozen=True)
class Pipeline:
    """What is done to a batch's inputs and outputs, and whether a sample is answered at all."""

    inputs: Callable[[Inputs], Inputs] = lambda inputs: inputs
    outputs: Callable[[Logits], Logits] = lambda outputs: outputs
    answered: Callable[[Any], bool] = lambda feature: True
    variant: str = LENGTHS


def _changed(name: str, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Inputs], Inputs]:
    return lambda inputs: {**inputs, name: change(inputs[name])}


def _without_question(inputs: Inputs) -> Inputs:
    """Put [UNK] in the place of each piece of the question but [CLS] and [SEP]."""
    ids = inputs["input_ids"]
    first = np.argmax(inputs["segment_ids"], axis=1)[:, None]
    place = np.arange(ids.shape[1])[None]
    return {**inputs, "input_ids": np.where((place > 0) & (place < first - 1), 1, ids)}


RIGHT = Pipeline()
WHOLE = Pipeline(variant="")
BROKEN = {
    "start and end in each other's place": Pipeline(outputs=lambda outputs: outputs[::-1]),
    "numbers of the pieces off by one": Pipeline(_changed("input_ids", lambda ids: np.minimum(ids + 1, 1299))),
    "one segment": Pipeline(_changed("segment_ids", np.zeros_like)),
    "the question is not read": Pipeline(_without_question),
    "only the first window is answered": Pipeline(answered=lambda feature: feature.window == 0),
    "the end is one piece late": Pipeline(outputs=lambda outputs: [outputs[0], np.roll(outputs[1], 1, axis=1)]),
}

#: Broken, too, but the model hardly looks at padding.
UNNOTICED = {
    "padding is not masked": Pipeline(_changed("input_mask", np.ones_like), variant=""),
}


def f1(pipeline: Pipeline, count: int) -> float:
    """Return the F1 in percent on the first `count` samples, through the benchmark's own records and metric."""
    bench = replace(TINY_99, variant=pipeline.variant)
    row = bench.model_file("onnx", "fp32", pipeline.variant)
    data = bench.dataset.source(count)
    assert isinstance(row.source, Path)
    assert isinstance(data, Path)
    assert isinstance(bench.metric, SpanF1)
    model = OnnxRuntime().load(row.source, row, "cpu", 1, {})
    samples = bench.dataset.open(data, count, pipeline.variant)
    order = sorted(range(count), key=lambda index: len(samples[index]))
    found = []
    for start in range(0, count, BATCH):
        indices = order[start : start + BATCH]
        batch = [samples[index] for index in indices]
        outputs = pipeline.outputs(model.run(pipeline.inputs(dict(bench.collate(batch)))))
        content, offsets = bench.encode(outputs, batch, indices)
        found += [
            Record(index, content[offsets[place] : offsets[place + 1]].tobytes())
            for place, index in enumerate(indices)
            if pipeline.answered(samples[index])
        ]
    return bench.metric.over(count).score(found, data)["F1"]

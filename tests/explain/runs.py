"""Makes what an accuracy run leaves, run.json and LoadGen's log, with a real model on a real tiny data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import onnx
from onnx import helper, numpy_helper

from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.benchmarks import bert, resnet50, retinanet, rnnt, unet3d, yolo
from pytest_mlperf.explain.failure import Failure
from pytest_mlperf.implementations.protocol import RUN_FILE, RunSpec
from pytest_mlperf.metrics.accuracy_log import Answers
from pytest_mlperf.metrics.span_f1 import SpanF1
from pytest_mlperf.rules.log_files import ACCURACY_LOG

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.metrics.outcomes import Outcomes

#: By task: where a child process finds the benchmark, and how many samples are run.
TASKS: dict[str, tuple[str, Benchmark, int]] = {
    "resnet50": ("pytest_mlperf.benchmarks.resnet50:TINY", resnet50.TINY, 200),
    "retinanet": ("pytest_mlperf.benchmarks.retinanet:TINY", retinanet.TINY, 30),
    "yolo": ("pytest_mlperf.benchmarks.yolo:TINY_95", yolo.TINY_95, 30),
    "bert": ("pytest_mlperf.benchmarks.bert:TINY_99", bert.TINY_99, 100),
    "rnnt": ("pytest_mlperf.benchmarks.rnnt:TINY", rnnt.TINY, 24),
    "3d-unet": ("pytest_mlperf.benchmarks.unet3d:TINY_99", unet3d.TINY_99, 8),
}


def shipped_model(task: str, precision: str = "fp32") -> Path:
    source = TASKS[task][1].model_file("onnx", precision, "").source
    assert isinstance(source, Path)
    return source


def run(task: str, directory: Path, dataset: Path, model: Path | None = None, precision: str = "fp32") -> Path:
    """Answer the first samples, and return the log."""
    reference, benchmark, count = TASKS[task]
    model = model or shipped_model(task, precision)
    directory.mkdir(exist_ok=True)
    spec = RunSpec(
        run_length="short",
        benchmark=reference,
        backend="pytest_mlperf.backends.onnxruntime:OnnxRuntime",
        device="cpu",
        scenario="Offline",
        mode="accuracy",
        model=str(model),
        model_format="onnx",
        model_precision=precision,
        precision=precision,
        variant="",
        dataset=str(dataset),
        output=str(directory),
        sample_count=count,
    )
    (directory / RUN_FILE).write_bytes(msgspec.json.encode(spec))
    benchmark = replace(benchmark, variant="")
    loaded = OnnxRuntime().load(model, benchmark.model_file("onnx", precision, ""), "cpu", 2, {})
    samples = benchmark.dataset.open(dataset, count, "")
    answers = []
    for index in range(count):
        found = benchmark.answer(loaded, [samples[index]], [index], lambda *_: None)
        answers.append((index, np.asarray(found.data).tobytes()))
    return write_log(directory / ACCURACY_LOG, answers)


def write_log(path: Path, answers: Sequence[tuple[int, bytes]]) -> Path:
    rows = (
        f'{{ "seq_id" : {n}, "qsl_idx" : {index}, "data" : "{data.hex()}" }}' for n, (index, data) in enumerate(answers)
    )
    path.write_text("[\n" + ",\n".join(rows) + "\n]\n")
    return path


def changed_log(log: Path, dtype: str, change: Any) -> None:
    """Change each answer of a log, which is an array of a type."""
    answers = [(index, change(np.frombuffer(data, dtype)).astype(dtype).tobytes()) for index, data in Answers(log)]
    write_log(log, answers)


def metric_of(task: str) -> Any:
    """Return the metric of a task over the samples that are run."""
    _, benchmark, count = TASKS[task]
    metric = benchmark.metric
    return metric.over(count) if isinstance(metric, SpanF1) else metric


def failure(task: str, log: Path, dataset: Path, before: Outcomes | None) -> Failure:
    """Return a run that is held against a baseline, or against its reference."""
    benchmark = replace(TASKS[task][1], variant="", metric=metric_of(task))
    reference = benchmark.limits(TASKS[task][2])[0].reference
    return Failure(benchmark, log, dataset, before=before, reference=None if before is not None else reference)


def with_input(source: Path, target: Path, nodes: Callable[[str, str], list[Any]], initial: dict[str, Any]) -> Path:
    """Write a model whose input goes through other nodes first: `nodes` gets the input's name and that to produce."""
    model = onnx.load(source)
    name = model.graph.input[0].name
    for node in model.graph.node:
        for place, used in enumerate(node.input):
            if used == name:
                node.input[place] = f"{name}_changed"
    for number, node in enumerate(nodes(name, f"{name}_changed")):
        model.graph.node.insert(number, node)
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(value), key) for key, value in initial.items())
    onnx.save(model, target)
    return target


def with_output(source: Path, target: Path, name: str, nodes: Callable[[str, str], list[Any]], initial: Any) -> Path:
    """Write a model whose output `name` comes from more nodes: `nodes` gets the name of what it was, and its own."""
    model = onnx.load(source)
    for node in model.graph.node:
        for place, made in enumerate(node.output):
            if made == name:
                node.output[place] = f"{name}_before"
        for place, used in enumerate(node.input):
            if used == name:
                node.input[place] = f"{name}_before"
    model.graph.node.extend(nodes(f"{name}_before", name))
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(value), key) for key, value in initial.items())
    onnx.save(model, target)
    return target


def swapped_channels(source: Path, target: Path) -> Path:
    """The model as it is when it was trained on BGR."""
    return with_input(
        source,
        target,
        lambda name, to: [helper.make_node("Gather", [name, "bgr"], [to], axis=1)],
        {"bgr": np.array([2, 1, 0], np.int64)},
    )


def scaled_input(source: Path, target: Path, factor: float, offset: float) -> Path:
    """The model as it is when it was trained on inputs ``(x - offset) / factor``."""
    return with_input(
        source,
        target,
        lambda name, to: [
            helper.make_node("Mul", [name, "a_factor"], ["a_product"]),
            helper.make_node("Add", ["a_product", "an_offset"], [to]),
        ],
        {"a_factor": np.float32(factor), "an_offset": np.float32(offset)},
    )

"""Loads and runs an engine where the stand-ins are installed, and prints what happened as JSON: DIRECTORY DEVICE."""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from cuda.bindings import runtime as cuda

from pytest_mlperf.backends.model_content import model_content
from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.backends.tensorrt import TensorRT
from pytest_mlperf.backends.tensorrt_builder import ENGINE
from pytest_mlperf.benchmarks.resnet50 import TINY
from pytest_mlperf.errors import ModelError
from pytest_mlperf.shipped import shipped

MODEL, ROW = shipped("resnet50-tiny.onnx"), TINY.model_file("onnx", "fp32", "")
directory, device = Path(sys.argv[1]), sys.argv[2]
reference = OnnxRuntime().load(MODEL, ROW, "cpu", 1, {})
backend = TensorRT()
preparation = backend.preparation(
    MODEL, model_content(MODEL, "onnx").sha256, ROW, {"batch": "8"}, sys.executable, device
)
told: dict[str, object] = {"notice": preparation.notice, "name": preparation.recipe.name}
preparation.recipe.build(directory)
backend.prepared = directory
model = backend.load(MODEL, ROW, device, 1, {"batch": "8"})
barrier = threading.Barrier(3)


def right(batch: int) -> bool:
    """Return whether a batch has the answers of ONNX Runtime, several at the same time."""
    images = {"image": np.random.default_rng(batch).normal(size=(batch, 3, 48, 48)).astype(np.float32)}
    barrier.wait(30)
    pairs = zip(model.run(images), reference.run(images), strict=True)
    return all(np.array_equal(ours, theirs) for ours, theirs in pairs)


with ThreadPoolExecutor(3) as threads:
    told["right"] = list(threads.map(right, [1, 8, 5, 3, 1, 8]))
told |= {"device": model.device, "max_batch": model.max_batch, "precision": model.precision}
told["owners"] = sorted({owner for _, owner in cuda.allocated.values()})
told["streams"] = len(cuda.streams)
try:
    model.run({"image": np.zeros((9, 3, 48, 48), np.float32)})
except RuntimeError as error:
    told["too many"] = str(error)
model.close()
told |= {"left": len(cuda.allocated), "streams left": len(cuda.streams)}
other = directory / "other" / ENGINE
other.parent.mkdir()
other.write_bytes((directory / ENGINE).read_bytes().replace(b'"10.16.1"', b'"10.15.0"'))
backend.prepared = other.parent
try:
    backend.load(MODEL, ROW, device, 1, {})
except ModelError as error:
    told["other version"] = error.what + error.found
sys.stdout.write(json.dumps(told))

"""What RetinaNet's two forms take for an image on one thread, in turn in one process.

    python tools/bench/retinanet_heads.py                       # the tiny edition
    python tools/bench/retinanet_heads.py --model full.onnx     # of tools/bench/export_full_size.py

The ratios are of the shortest times: a shared machine only adds to them. Images are noise of coarse structure.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from pytest_mlperf.benchmarks.retinanet import TINY
from pytest_mlperf.benchmarks.retinanet_decoder import OFFICIAL
from pytest_mlperf.benchmarks.retinanet_decoder import TINY as TINY_DECODER
from pytest_mlperf.benchmarks.retinanet_heads import cut_at_heads

#: The exported stand-in has the tiny edition's post-processing at the official size.
STAND_IN = replace(OFFICIAL, ranked_by="logit", class_gap=801.0)


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--images", type=int)
    options = parser.parse_args()
    decoder = TINY_DECODER if options.model is None else STAND_IN
    model: object = options.model or TINY.model_file("onnx", "fp32", "").source
    if not isinstance(model, Path):
        raise TypeError("the tiny model ships with the package")
    count, size = options.images or (300 if options.model is None else 8), decoder.input_size
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        cut_at_heads(model, Path(name) / "heads.onnx", decoder)
        whole, heads = session(model), session(Path(name) / "heads.onnx")
    seconds: dict[str, list[float]] = {"whole": [], "heads": [], "decoder": []}
    for _ in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (24, 32, 3), np.uint8))
        image = np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC), np.float32) / 255
        batch = {"images": np.ascontiguousarray(image.transpose(2, 0, 1)[None])}
        start = time.perf_counter()
        whole.run(["boxes", "labels", "scores"], batch)
        ran = time.perf_counter()
        logits, deltas = heads.run(["logits", "deltas"], batch)
        cut = time.perf_counter()
        decoder.decode(logits, deltas)
        end = time.perf_counter()
        for part, value in zip(seconds, (ran - start, cut - ran, end - cut), strict=True):
            seconds[part].append(value)
    for part, values in seconds.items():
        print(f"{part:8} {1e3 * min(values):9.3f} ms at best, median {1e3 * statistics.median(values):9.3f} ms")
    together = [heads + decoder for heads, decoder in zip(seconds["heads"], seconds["decoder"], strict=True)]
    print(f"whole over heads and decoder: {min(seconds['whole']) / min(together):.3f} at best, ", end="")
    print(f"{statistics.median(seconds['whole']) / statistics.median(together):.3f} by medians")


if __name__ == "__main__":
    main()

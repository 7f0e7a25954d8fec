"""Changes the weights of retinanet-tiny: fewer bits, or another rounding."""

from __future__ import annotations

import argparse
from importlib.resources import files
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

#: About what a float32 convolution differs by between two processors.
NOISE = 1e-5


def quantised(weight: np.ndarray, bits: int) -> np.ndarray:
    """Return weights rounded to so many bits, each output channel with a scale of its own."""
    most = 2 ** (bits - 1) - 1
    scale = np.abs(weight).max(axis=tuple(range(1, weight.ndim)), keepdims=True) / most
    return np.round(weight / np.where(scale > 0, scale, 1)) * scale


def noisy(weight: np.ndarray, seed: int) -> np.ndarray:
    """Return weights with noise of the size of a rounding."""
    return weight * (1 + NOISE * np.random.default_rng(seed).standard_normal(weight.shape))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    change = parser.add_mutually_exclusive_group(required=True)
    change.add_argument("--bits", type=int, metavar="N")
    change.add_argument("--noise", type=int, metavar="SEED")
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    model = onnx.load_from_string(files("pytest_mlperf").joinpath("data", "retinanet-tiny.onnx").read_bytes())
    for weight in model.graph.initializer:
        value = numpy_helper.to_array(weight)
        if value.dtype == np.float32 and value.ndim == 4:
            changed = quantised(value, options.bits) if options.bits else noisy(value, options.noise)
            weight.CopyFrom(numpy_helper.from_array(changed.astype(np.float32), weight.name))
    onnx.save(model, options.target)


if __name__ == "__main__":
    main()

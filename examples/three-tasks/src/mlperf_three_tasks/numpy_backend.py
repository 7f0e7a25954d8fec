"""A backend: models whose weights are in .npz files, and whose arithmetic is numpy's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mlperf.backends.base import Inputs, Outputs
from pytest_mlperf.benchmarks.base import ModelFile
from pytest_mlperf.errors import ModelError

Arrays = Mapping[str, NDArray[Any]]


class Numpy:
    """Loads the format ``npz``: weights, and under ``graph`` the name of a function below."""

    devices = ("cpu",)
    formats = ("npz",)
    requirements = ("numpy>=1.26",)

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> NumpyModel:
        """Load a file, or a directory with one for each graph."""
        del device, threads, options
        place = Path(file)
        return NumpyModel({g.name: _weights(place / g.file if model.directory else place) for g in model.graphs})

    def versions(self) -> Mapping[str, str]:
        """Return numpy's version."""
        return {"numpy": np.__version__}


class NumpyModel:
    """Weights and what to do with them; it has no state, so any thread may use it."""

    device = "cpu"
    max_batch = None
    concurrent = True
    weight_types = ("fp32",)

    def __init__(self, graphs: dict[str, Arrays]) -> None:
        self._graphs = graphs

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        """Run one batch."""
        weights = self._graphs[graph]
        return GRAPHS[str(weights["graph"])](inputs, weights)

    def close(self) -> None:
        """Let the weights go."""
        self._graphs.clear()


def _weights(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"numpy cannot load {path}",
            expected="an .npz file of this package",
            found=str(error),
            fix="give it with --model-path, or leave that out to use the file that ships",
        ) from error


def pairs(inputs: Inputs, weights: Arrays) -> Outputs:
    """Add up the tokens' values, those of the first text with a minus."""
    signs = 2 * inputs["segments"].astype(np.float32) - 1
    return ((weights["values"][inputs["tokens"]] * signs).sum(1, keepdims=True, dtype=np.float32),)


def blobs(inputs: Inputs, weights: Arrays) -> Outputs:
    """Convolve windows ``[n, 1, d, h, w]`` with a kernel of 3 × 3 × 3, zeros around them."""
    windows, kernel = inputs["windows"], weights["kernel"]
    padded = np.pad(windows, ((0, 0), (0, 0), (1, 1), (1, 1), (1, 1)))
    depth, height, width = windows.shape[2:]
    total = np.full(windows.shape, weights["bias"][0], np.float32)
    for z, y, x in np.ndindex(3, 3, 3):
        total += kernel[0, 0, z, y, x] * padded[:, :, z : z + depth, y : y + height, x : x + width]
    return (total,)


def encoder(inputs: Inputs, weights: Arrays) -> Outputs:
    """Turn a number's features into a state."""
    return (inputs["features"] @ weights["matrix"],)


def decoder(inputs: Inputs, weights: Arrays) -> Outputs:
    """Return the next token's logits and the next state."""
    return inputs["state"] @ weights["out"], inputs["state"] @ weights["next"]


GRAPHS = {function.__name__: function for function in (pairs, blobs, encoder, decoder)}

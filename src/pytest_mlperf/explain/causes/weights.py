"""Causes that show in the model's file: weights that were rounded too much."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlperf.backends.onnx_weights import float32_weights
from pytest_mlperf.explain.explanation import Cause

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pytest_mlperf.implementations.protocol import RunSpec

#: A channel of trained weights has hundreds of different values; of 5 bits there are 32.
_FEW: Final = 32
#: Channels with fewer weights cannot tell, and this many of a tensor are looked at.
_LEAST_WEIGHTS, _CHANNELS = 64, 16


def few_values(spec: RunSpec) -> Cause | None:
    """Weights in float32 of which each channel has only a few different values."""
    place = Path(spec.model)
    if spec.model_format != "onnx":
        return None
    files = sorted(place.glob("*.onnx")) if place.is_dir() else [place]
    counts = [count for file in files for weight in float32_weights(file) if (count := _values(weight)) is not None]
    few = [count for count in counts if count <= _FEW]
    if not few or len(few) < len(counts) / 2:
        return None
    bits = math.ceil(math.log2(max(few) + 1))
    evidence = (
        f"{len(few)} of {len(counts)} weight tensors have at most {max(few)} different values in a channel, "
        f"as after a quantisation to {bits} bits"
    )
    return Cause(name="weights of few bits", evidence=evidence)


def _values(weight: NDArray[np.float32]) -> int | None:
    """Return how many different values a typical channel has; None where channels are too small to tell.

    The channels are along the first dimension of a convolution, and along either one of a matrix.
    """
    sides = [weight.reshape(len(weight), -1)]
    if weight.ndim == 2:
        sides.append(weight.T)
    found = [
        int(np.median([len(np.unique(channel)) for channel in side[:: max(1, len(side) // _CHANNELS)][:_CHANNELS]]))
        for side in sides
        if side.shape[1] >= _LEAST_WEIGHTS
    ]
    return min(found, default=None)


#: What is looked for in the file of a model that is another one than the baseline's.
MODEL_SYMPTOMS: Final[tuple[Callable[[RunSpec], Cause | None], ...]] = (few_values,)

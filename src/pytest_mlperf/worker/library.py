"""LoadGen's query sample library: samples in memory from the moment LoadGen loads them until it unloads them."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_mlperf.benchmarks.base import Samples

Tensors = dict[str, "NDArray[Any]"]


class _Place(NamedTuple):
    buffers: Tensors
    row: int


class SampleLibrary:
    """Holds the loaded samples, each set of them in one contiguous buffer an input.

    LoadGen may name a sample twice in one load and again in one unload (MultiStream pads a set with its
    first samples), so loads are counted. Memory is what is loaded, whatever the data set's size.

    Parameters
    ----------
    samples
        The data set's samples by index.
    threads
        How many samples are decoded at once.
    """

    def __init__(self, samples: Samples, threads: int) -> None:
        self._samples = samples
        self._threads = threads
        self._places: dict[int, _Place] = {}
        self._loads: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def loaded(self) -> list[int]:
        """The indices in memory now."""
        return list(self._places)

    def load(self, indices: Sequence[int]) -> None:
        """Decode the samples that are not in memory yet, in parallel."""
        new = [index for index in dict.fromkeys(indices) if index not in self._places]
        self._loads.update(indices)
        if not new:
            return
        first = self._samples.load(new[0])
        buffers = {name: np.empty((len(new), *value.shape), value.dtype) for name, value in first.items()}

        def fill(row: int) -> None:
            _copy(buffers, row, first if row == 0 else self._samples.load(new[row]), new[row])

        with ThreadPoolExecutor(self._threads) as pool:
            for _ in pool.map(fill, range(len(new))):
                pass
        for row, index in enumerate(new):
            self._places[index] = _Place(buffers, row)

    def unload(self, indices: Sequence[int]) -> None:
        """Forget samples; a set's buffer is freed with its last sample."""
        self._loads.subtract(indices)
        for index in set(indices):
            if self._loads[index] <= 0:
                del self._loads[index]
                self._places.pop(index, None)

    def batch(self, indices: Sequence[int]) -> Tensors:
        """Return the inputs of some loaded samples, shape ``[len(indices), ...]``, without a copy where they adjoin."""
        places = self._places
        first = places[indices[0]]
        if len(indices) == 1:
            return {name: value[first.row : first.row + 1] for name, value in first.buffers.items()}
        found = [places[index] for index in indices]
        if all(place.buffers is first.buffers for place in found):
            rows = [place.row for place in found]
            if rows == list(range(first.row, first.row + len(rows))):
                return {name: value[first.row : first.row + len(rows)] for name, value in first.buffers.items()}
            return {name: value[rows] for name, value in first.buffers.items()}
        return {name: np.stack([place.buffers[name][place.row] for place in found]) for name in first.buffers}


def _copy(buffers: Tensors, row: int, sample: Mapping[str, NDArray[Any]], index: int) -> None:
    for name, value in sample.items():
        if value.shape != buffers[name].shape[1:]:
            expected = buffers[name].shape[1:]
            raise ValueError(f"sample {index}: input {name} has shape {value.shape}, the set's is {expected}")
        buffers[name][row] = value

"""LoadGen's query sample library: keeps samples in memory while LoadGen has them loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlperf.datasets.base import Samples

Tensors = dict[str, "NDArray[Any]"]


class _Place(NamedTuple):
    buffers: Tensors
    row: int

    def sample(self) -> Tensors:
        return {name: value[self.row] for name, value in self.buffers.items()}


class SampleLibrary:
    """Holds the loaded samples, of any type.

    Samples that are mappings of arrays of one shape, such as images, are stored in one buffer for each input, so that
    a batch of adjacent samples needs no copy. LoadGen may name a sample twice in one load and
    again in one unload (MultiStream pads a set with its first samples), so loads are counted. Only loaded samples
    take memory.

    Parameters
    ----------
    samples
        The data set's samples by index.
    threads
        How many samples are loaded in parallel.
    """

    def __init__(self, samples: Samples, threads: int) -> None:
        self._samples = samples
        self._threads = threads
        self._loaded: dict[int, Any] = {}
        self._loads: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def loaded(self) -> list[int]:
        """The indices in memory now."""
        return list(self._loaded)

    def load(self, indices: Sequence[int]) -> None:
        """Load the samples that are not in memory yet, in parallel."""
        new = [index for index in dict.fromkeys(indices) if index not in self._loaded]
        self._loads.update(indices)
        if not new:
            return
        first = self._samples[new[0]]
        buffers = _buffers(first, len(new))

        def place(row: int) -> Any:
            sample = first if row == 0 else self._samples[new[row]]
            if buffers is None or not _fits(sample, buffers):
                return sample
            for name, value in sample.items():
                buffers[name][row] = value
            return _Place(buffers, row)

        with ThreadPoolExecutor(self._threads) as pool:
            self._loaded.update(zip(new, pool.map(place, range(len(new))), strict=True))

    def unload(self, indices: Sequence[int]) -> None:
        """Release samples; a buffer is freed with its last sample."""
        self._loads.subtract(indices)
        for index in set(indices):
            if self._loads[index] <= 0:
                del self._loads[index]
                self._loaded.pop(index, None)

    def batch(self, indices: Sequence[int]) -> Batch:
        """Return some loaded samples."""
        loaded = self._loaded
        return Batch([loaded[index] for index in indices])


class Batch(Sequence[Any]):
    """The samples of a batch, in order; `stack` returns the stacked inputs, if possible without a copy."""

    def __init__(self, places: list[Any]) -> None:
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Batch(self._places[index])
        place = self._places[index]
        return place.sample() if isinstance(place, _Place) else place

    def stack(self) -> Tensors:
        """Return the inputs of the batch, shape ``[len(self), ...]``, without a copy if the samples are adjacent."""
        places = self._places
        first = places[0]
        if isinstance(first, _Place):
            if len(places) == 1:
                return {name: value[first.row : first.row + 1] for name, value in first.buffers.items()}
            if all(isinstance(place, _Place) and place.buffers is first.buffers for place in places):
                rows = [place.row for place in places]
                if rows == list(range(first.row, first.row + len(rows))):
                    return {name: value[first.row : first.row + len(rows)] for name, value in first.buffers.items()}
                return {name: value[rows] for name, value in first.buffers.items()}
        samples = list(self)
        return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}


def _buffers(sample: Any, count: int) -> Tensors | None:
    """Return buffers for `count` samples like this one; None if it is not a mapping of arrays."""
    if not isinstance(sample, Mapping) or not all(isinstance(value, np.ndarray) for value in sample.values()):
        return None
    return {name: np.empty((count, *value.shape), value.dtype) for name, value in sample.items()}


def _fits(sample: Any, buffers: Tensors) -> bool:
    return (
        isinstance(sample, Mapping)
        and sample.keys() == buffers.keys()
        and all(
            isinstance(value, np.ndarray)
            and value.shape == buffers[name].shape[1:]
            and value.dtype == buffers[name].dtype
            for name, value in sample.items()
        )
    )

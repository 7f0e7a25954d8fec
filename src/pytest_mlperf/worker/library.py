"""LoadGen's query sample library: keeps samples in memory while LoadGen has them loaded."""

from __future__ import annotations

import time
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
        #: If all loaded samples are in the same buffers: these, and the row of each sample.
        self._buffers: Tensors = {}
        self._rows: dict[int, int] = {}
        #: What a sample took when samples were loaded last, in seconds, without the first one, which is often slower.
        self.load_seconds = 0.0

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
        start = time.perf_counter()
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
        self._note_rows()
        self.load_seconds = (time.perf_counter() - start) / max(1, len(new) - 1)

    def unload(self, indices: Sequence[int]) -> None:
        """Release samples; a buffer is freed with its last sample."""
        self._loads.subtract(indices)
        for index in set(indices):
            if self._loads[index] <= 0:
                del self._loads[index]
                self._loaded.pop(index, None)
        self._note_rows()

    def batch(self, indices: Sequence[int]) -> Rows | Batch:
        """Return some loaded samples."""
        if self._rows:
            return Rows(self._buffers, list(map(self._rows.__getitem__, indices)))
        loaded = self._loaded
        return Batch([loaded[index] for index in indices])

    def _note_rows(self) -> None:
        places = list(self._loaded.values())
        first = places[0] if places else None
        alike = isinstance(first, _Place) and all(
            isinstance(place, _Place) and place.buffers is first.buffers for place in places
        )
        self._buffers = first.buffers if alike and isinstance(first, _Place) else {}
        self._rows = {index: place.row for index, place in self._loaded.items()} if alike else {}


class Rows(Sequence[Any]):
    """The samples of a batch that are rows of the same buffers, in order."""

    def __init__(self, buffers: Tensors, rows: list[int]) -> None:
        self._buffers = buffers
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Rows(self._buffers, self._rows[index])
        row = self._rows[index]
        return {name: value[row] for name, value in self._buffers.items()}

    def stack(self) -> Tensors:
        """Return the inputs of the batch, shape ``[len(self), ...]``, without a copy if the samples are adjacent."""
        rows = self._rows
        first, count = rows[0], len(rows)
        if rows[-1] - first == count - 1 and (count < 3 or rows == list(range(first, first + count))):
            return {name: value[first : first + count] for name, value in self._buffers.items()}
        return {name: value[rows] for name, value in self._buffers.items()}


class Batch(Sequence[Any]):
    """The samples of a batch, of any types, in order."""

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
        """Return the inputs of the batch, shape ``[len(self), ...]``, without a copy if they are rows of one buffer."""
        places = self._places
        first = places[0]
        if isinstance(first, _Place) and all(
            isinstance(place, _Place) and place.buffers is first.buffers for place in places
        ):
            return Rows(first.buffers, [place.row for place in places]).stack()
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

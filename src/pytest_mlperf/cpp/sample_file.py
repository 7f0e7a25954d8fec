"""The file in memory through which the C++ program gets its samples, and tells how many it has answered."""

from __future__ import annotations

import mmap
import os
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_mlperf.backends.model_file import Tensor
    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.datasets.base import Samples

    Rows = list[NDArray[Any]]

#: The first page is the program's, for its progress (``source/samples.cc``).
PAGE = 4096
#: Each input's rows begin at a multiple of this, as memory for a runtime should.
_ALIGNMENT = 64
_COUNT = struct.Struct("=Q")


class SampleFile:
    """Writes samples as the C++ program reads them: for each input the rows of all new samples, one after the other.

    Only loaded samples take memory: LoadGen loads a set, issues it, and unloads it before the next.

    Parameters
    ----------
    benchmark
        Makes the inputs of a sample.
    inputs
        The inputs of the graph.
    samples
        The data set's samples by index.
    threads
        How many samples are loaded in parallel.
    """

    def __init__(self, benchmark: Benchmark, inputs: Sequence[Tensor], samples: Samples, threads: int) -> None:
        self._benchmark = benchmark
        self._inputs = inputs
        self._samples = samples
        self._threads = threads
        self.descriptor = os.memfd_create("pytest-mlperf-samples")
        os.ftruncate(self.descriptor, PAGE)
        self._progress = mmap.mmap(self.descriptor, PAGE)
        self._end = PAGE

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def done(self) -> int:
        """The samples that the program has answered in its tests."""
        (count,) = _COUNT.unpack_from(self._progress)
        return int(count)

    def load(self, indices: Sequence[int]) -> list[str | int | float]:
        """Write samples behind those that are there; return the program's message about them.

        The message is the start and the size of the new part; then for each sample its index, its cost, and for each
        input its place in the part, its bytes, and its lengths.
        """
        with ThreadPoolExecutor(self._threads) as pool:
            first = self._rows(indices[0])
            if self._fixed(first[1]):
                return self._load_fixed(indices, first, pool)
            made = [first, *pool.map(self._rows, indices[1:])]
        return self._load_ragged(indices, made)

    def write(self, arrays: Sequence[NDArray[Any]]) -> tuple[int, int, list[int]]:
        """Write arrays behind what is there; return the start and the size of the new part, and the place of each."""
        part = _Part([[each.nbytes] for each in arrays])
        places = [of_input[0] for of_input in part.places]
        with self._mapped(part) as (start, memory):
            for place, each in zip(places, arrays, strict=True):
                memory.write(place, each)
        return start, part.size, places

    def read(self, start: int, size: int) -> bytes:
        """Return bytes that the program wrote."""
        return os.pread(self.descriptor, size, start)

    def forget(self) -> None:
        """Free what is loaded; the program has done so, too."""
        self._end = PAGE
        os.ftruncate(self.descriptor, PAGE)

    def _rows(self, index: int) -> tuple[float, Rows]:
        """Return a sample's cost, and its row of each input."""
        sample = self._samples[index]
        made = self._benchmark.collate([sample])
        rows = [np.ascontiguousarray(made[tensor.name][0]) for tensor in self._inputs]
        for tensor, row in zip(self._inputs, rows, strict=True):
            if row.dtype != tensor.dtype:
                raise DatasetError(
                    f"sample {index} cannot be given to the model",
                    expected=f"{tensor.name} of {tensor.dtype}",
                    found=str(row.dtype),
                )
        return float(self._benchmark.cost(sample)), rows

    def _fixed(self, rows: Rows) -> bool:
        """Say whether every sample has rows of these shapes."""
        shapes = zip((tensor.shape[1:] for tensor in self._inputs), rows, strict=True)
        return all(tuple(shape) == row.shape for shape, row in shapes)

    def _load_fixed(
        self, indices: Sequence[int], first: tuple[float, Rows], pool: ThreadPoolExecutor
    ) -> list[str | int | float]:
        """Load into one buffer for each input, sample by sample, so that no sample is in memory twice."""
        shapes = [row.shape for row in first[1]]
        part = _Part([[row.nbytes] * len(indices) for row in first[1]])
        with self._mapped(part) as (start, memory):

            def fill(place: int) -> float:
                cost, rows = first if place == 0 else self._rows(indices[place])
                for each, row, shape in zip(range(len(rows)), rows, shapes, strict=True):
                    if row.shape != shape:
                        raise _another_shape(indices[place], shape, row.shape)
                    memory.write(part.places[each][place], row)
                return cost

            costs = list(pool.map(fill, range(len(indices))))
        return [start, part.size, *self._words(indices, costs, part, [shapes] * len(indices))]

    def _load_ragged(self, indices: Sequence[int], made: list[tuple[float, Rows]]) -> list[str | int | float]:
        part = _Part([[rows[each].nbytes for _, rows in made] for each in range(len(self._inputs))])
        with self._mapped(part) as (start, memory):
            for place, (_, rows) in enumerate(made):
                for each, row in enumerate(rows):
                    memory.write(part.places[each][place], row)
        shapes = [[row.shape for row in rows] for _, rows in made]
        return [start, part.size, *self._words(indices, [cost for cost, _ in made], part, shapes)]

    def _words(
        self,
        indices: Sequence[int],
        costs: Sequence[float],
        part: _Part,
        shapes: Sequence[Sequence[tuple[int, ...]]],
    ) -> Iterator[str | int | float]:
        for place, index in enumerate(indices):
            yield from (index, costs[place])
            for each, shape in enumerate(shapes[place]):
                yield from (part.places[each][place], part.sizes[each][place], *shape)

    def _mapped(self, part: _Part) -> _Mapped:
        start = self._end
        self._end = start + -(-part.size // PAGE) * PAGE
        os.ftruncate(self.descriptor, self._end)
        return _Mapped(self.descriptor, start, part.size)


class _Part:
    """The places of rows of given sizes in a part of the file: by input, then by sample."""

    def __init__(self, sizes: list[list[int]]) -> None:
        self.sizes = sizes
        self.places: list[list[int]] = []
        self.size = 0
        for of_input in sizes:
            self.size += -self.size % _ALIGNMENT
            places = []
            for size in of_input:
                places.append(self.size)
                self.size += size
            self.places.append(places)


class _Mapped:
    """A part of the file in this process's memory, while it is written."""

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        self._start = start
        self._map = mmap.mmap(descriptor, max(size, 1), offset=start)

    def __enter__(self) -> tuple[int, _Mapped]:
        return self._start, self

    def __exit__(self, *_: object) -> None:
        self._map.close()

    def write(self, place: int, row: NDArray[Any]) -> None:
        """Copy a row to its place."""
        self._map[place : place + row.nbytes] = row.reshape(-1).view(np.uint8).tobytes()


def _another_shape(index: int, expected: tuple[int, ...], found: tuple[int, ...]) -> DatasetError:
    return DatasetError(
        f"sample {index} cannot be given to the model", expected=f"the shape {expected}", found=f"{found}"
    )

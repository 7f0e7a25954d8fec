from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.worker.library import SampleLibrary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class Numbers:
    """Samples that hold their index, and count how often each was decoded."""

    def __init__(self, count: int = 100) -> None:
        self.count = count
        self.decoded: Counter[int] = Counter()

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Mapping[str, NDArray[Any]]:
        self.decoded[index] += 1
        return {"x": np.full((2, 3), index, np.float32)}


def library(samples: Numbers | None = None) -> SampleLibrary:
    return SampleLibrary(samples or Numbers(), threads=2)


def values(tensors: Mapping[str, NDArray[Any]]) -> list[float]:
    array = tensors["x"]
    assert array.shape[1:] == (2, 3)
    return [float(row[0, 0]) for row in array]


def test_a_padded_set_is_decoded_once_and_unloaded_whole() -> None:
    samples = Numbers()
    lib = library(samples)
    padded = [5, 6, 7, 5, 6]  # as MultiStream loads it
    lib.load(padded)
    assert samples.decoded == {5: 1, 6: 1, 7: 1}
    lib.unload(padded)
    assert lib.loaded == []


def test_a_sample_loaded_twice_stays_until_it_is_unloaded_twice() -> None:
    lib = library()
    lib.load([1, 2])
    lib.load([2, 3])
    lib.unload([1, 2])
    assert sorted(lib.loaded) == [2, 3]
    assert values(lib.batch([3, 2]).stack()) == [3, 2]
    lib.unload([2, 3])
    assert lib.loaded == []


def test_adjoining_samples_are_a_view_of_their_buffer() -> None:
    lib = library()
    lib.load([10, 11, 12, 13])
    one, some = lib.batch([12]).stack()["x"], lib.batch([11, 12, 13]).stack()["x"]
    assert np.shares_memory(one, some)
    assert some.flags.c_contiguous
    assert values({"x": some}) == [11, 12, 13]


def test_samples_of_several_sets_make_one_batch() -> None:
    lib = library()
    lib.load([1, 2])
    lib.load([8, 9])
    assert values(lib.batch([2, 8, 1]).stack()) == [2, 8, 1]


def test_memory_is_bounded_by_what_is_loaded() -> None:
    lib = library(Numbers(1000))
    for first in range(0, 1000, 50):
        lib.load(range(first, first + 50))
        assert len(lib.loaded) == 50
        lib.unload(range(first, first + 50))
    assert lib.loaded == []


def test_samples_of_different_shapes_are_kept_each_as_it_is() -> None:
    class Ragged(Numbers):
        def __getitem__(self, index: int) -> Mapping[str, NDArray[Any]]:
            return {"x": np.full(index, index, np.float32)}

    lib = library(Ragged())
    lib.load([3, 4, 3])
    assert [sample["x"].tolist() for sample in lib.batch([4, 3])] == [[4.0] * 4, [3.0] * 3]
    with pytest.raises(ValueError, match="same shape"):
        lib.batch([4, 3]).stack()
    lib.unload([3, 4, 3])
    assert lib.loaded == []


def test_samples_may_be_anything_and_a_batch_is_a_sequence() -> None:
    lib = SampleLibrary(["no", "array", "at", "all"], threads=2)
    lib.load([0, 1, 3])
    batch = lib.batch([3, 0, 1])
    assert list(batch) == ["all", "no", "array"]
    assert (len(batch), batch[-1], list(batch[1:])) == (3, "array", ["no", "array"])


def test_a_batchs_samples_are_those_that_it_stacks() -> None:
    lib = library()
    lib.load([4, 5, 6])
    batch = lib.batch([6, 4])
    stacked = batch.stack()["x"]
    assert all(np.array_equal(sample["x"], row) for sample, row in zip(batch, stacked, strict=True))
    assert values(batch[1:].stack()) == [4]


@given(st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=8), max_size=8), st.data())
def test_what_is_loaded_and_not_unloaded_is_there(sets: list[list[int]], data: st.DataObject) -> None:
    lib = library()
    expected: Counter[int] = Counter()
    for indices in sets:
        lib.load(indices)
        expected.update(indices)
    for indices in data.draw(st.permutations(sets)):
        assert sorted(lib.loaded) == sorted(+expected)
        wanted = data.draw(st.lists(st.sampled_from(sorted(+expected)), min_size=1, max_size=6))
        assert values(lib.batch(wanted).stack()) == wanted
        lib.unload(indices)
        expected.subtract(indices)
    assert lib.loaded == []


class Slow(Numbers):
    """Samples of which the first takes long, as what reads them is imported then."""

    def __getitem__(self, index: int) -> Mapping[str, NDArray[Any]]:
        time.sleep(0.2 if not self.decoded else 0.02)
        return super().__getitem__(index)


def test_what_a_sample_takes_to_load_is_known_without_the_first() -> None:
    library = SampleLibrary(Slow(), threads=1)
    assert library.load_seconds == 0
    library.load(range(6))
    assert library.load_seconds == pytest.approx(0.02, rel=0.5)
    library.load([0, 1])  # they are there
    assert library.load_seconds == pytest.approx(0.02, rel=0.5)

"""The file has the inputs that the worker would give to the model, and no more than what is loaded."""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pytest_mlperf.benchmarks import bert, resnet50
from pytest_mlperf.cpp.sample_file import PAGE, SampleFile
from pytest_mlperf.datasets.classification import IMAGE
from pytest_mlperf.datasets.squad_features import Feature
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pytest_mlperf.benchmarks.base import Benchmark

RANDOM = np.random.default_rng(7)


def images(count: int) -> list[dict[str, NDArray[np.float32]]]:
    return [{IMAGE: RANDOM.random((3, 48, 48), np.float32)} for _ in range(count)]


def questions(*lengths: int) -> list[Feature]:
    fields = dict.fromkeys(Feature.__annotations__)
    made = []
    for length in lengths:
        ids = RANDOM.integers(1, 100, length)
        made.append(Feature(**{**fields, "ids": ids, "first": length // 2}))  # type: ignore[arg-type]
    return made


def opened(benchmark: Benchmark, samples: list[Any], variant: str) -> SampleFile:
    file = benchmark.model_file("onnx", "fp32", variant)
    return SampleFile(replace(benchmark, variant=variant), file.graph.inputs, samples, 2)


def rows(file: SampleFile, words: list[Any], inputs: int, rank: int, dtype: str) -> Iterator[tuple[int, list[Any]]]:
    """Yield each sample's index and rows, read as the program reads them."""
    start, size, *rest = words
    content = mmap.mmap(file.descriptor, start + size)[start:] if size else b""
    numbers = iter(rest)
    for index in numbers:
        next(numbers)
        made = []
        for _ in range(inputs):
            place, length, *shape = (next(numbers) for _ in range(2 + rank))
            assert place % np.dtype(dtype).itemsize == 0
            made.append(np.frombuffer(content[place : place + length], dtype).reshape(shape))
        yield index, made


def test_images_lie_one_after_the_other() -> None:
    samples = images(5)
    file = opened(resnet50.TINY, samples, "")
    words = file.load([3, 0, 4])
    assert words[0] == PAGE
    found = dict(rows(file, words, 1, 3, "float32"))
    assert list(found) == [3, 0, 4]
    for index, (row,) in found.items():
        assert_array_equal(row, samples[index][IMAGE])
    assert words[4] == 0
    assert [words[n] for n in (4, 11, 18)] == [0, 3 * 48 * 48 * 4, 2 * 3 * 48 * 48 * 4]


@pytest.mark.parametrize("variant", ["lengths", ""])
def test_questions_have_the_length_that_the_graph_reads(variant: str) -> None:
    samples = questions(7, 30, 12)
    file = opened(bert.TINY_99, samples, variant)
    words = file.load([2, 1])
    expected = replace(bert.TINY_99, variant=variant)
    for index, found in rows(file, words, 3, 1, "int64"):
        made = expected.collate([samples[index]])
        for row, name in zip(found, bert.INPUTS, strict=True):
            assert_array_equal(row, made[name][0])
    assert [words[3], words[3 + 11]] == ([12.0, 30.0] if variant else [1.0, 1.0])


def test_what_is_unloaded_takes_no_memory() -> None:
    file = opened(resnet50.TINY, images(4), "")
    first, second = file.load([0, 1]), file.load([2])
    assert second[0] == PAGE + -(-int(first[1]) // PAGE) * PAGE
    file.forget()
    assert os.fstat(file.descriptor).st_size == PAGE
    assert file.load([3])[0] == PAGE


def test_the_program_counts_in_the_first_page() -> None:
    file = opened(resnet50.TINY, images(1), "")
    os.pwrite(file.descriptor, struct.pack("=Q", 12345), 0)
    assert file.done == 12345


def test_a_sample_of_another_type_or_shape_is_named() -> None:
    samples: list[dict[str, NDArray[Any]]] = [
        *images(1),
        {IMAGE: np.zeros((3, 48, 48))},
        {IMAGE: np.zeros((3, 47, 48), np.float32)},
    ]
    file = opened(resnet50.TINY, samples, "")
    with pytest.raises(DatasetError, match="sample 1 cannot be given to the model"):
        file.load([0, 1])
    with pytest.raises(DatasetError, match="sample 2 cannot be given to the model"):
        file.load([0, 2])

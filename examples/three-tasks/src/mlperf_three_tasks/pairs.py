"""Pairs of texts of any length: which of the two has more of a word? Two inputs, padded to the longest of a batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pytest_mlperf.backends.base import Inputs
from pytest_mlperf.benchmarks.base import Benchmark, Graph, Limit, ModelFile, Short, Tensor
from pytest_mlperf.metrics.accuracy_log import Record

from mlperf_three_tasks.files import MODELS, NO_FILES

WORDS = 50
WORD = 7
LONGEST = 120


@dataclass(frozen=True)
class Pair:
    """Two texts as one: the tokens, and whether each is of the second; token 0 is padding."""

    tokens: np.ndarray[Any, np.dtype[np.int64]]
    segments: np.ndarray[Any, np.dtype[np.int64]]


class PairSamples:
    """Pairs by index, each made from its index."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Pair:
        random = np.random.default_rng(index)
        first, second = random.integers(1, LONGEST // 2, 2)
        tokens = random.integers(1, WORDS, first + second)
        tokens[random.random(len(tokens)) < 0.3] = WORD
        return Pair(tokens, np.repeat([0, 1], [first, second]))


@dataclass(frozen=True)
class PairTexts:
    """The data set."""

    name: str = "pairs"
    size: int = 2000
    requirements: tuple[str, ...] = ()

    def source(self, count: int) -> Path:
        """Return a directory; nothing is read from it."""
        del count
        return NO_FILES

    def open(self, directory: Path, count: int, variant: str) -> PairSamples:
        """Return the first `count` pairs."""
        del directory, variant
        return PairSamples(count)


@dataclass(frozen=True)
class RightSide:
    """The part of the pairs whose answer is right."""

    name: str = "acc"
    unit: str = "%"
    requirements: tuple[str, ...] = ()

    def score(self, answers: Iterable[Record], dataset: Path) -> Mapping[str, float]:
        """Compare the sign of each answer, one float32, with the texts."""
        del dataset
        samples = PairSamples(0)
        right = []
        for index, data in answers:
            pair = samples[index]
            counts = [np.count_nonzero((pair.tokens == WORD) & (pair.segments == side)) for side in (0, 1)]
            right.append((np.frombuffer(data, np.float32)[0] > 0) == (counts[1] > counts[0]))
        return {self.name: 100.0 * float(np.mean(right))}

    def text(self, values: Mapping[str, float]) -> str:
        """Return accuracy.txt."""
        return f"accuracy={values[self.name]:.3f}%\n"


@dataclass(frozen=True, kw_only=True)
class Pairs(Benchmark):
    """A task whose samples are of any length."""

    def limits(self, samples: int) -> Sequence[Limit]:
        """Ask for 99 %."""
        return (Limit("acc", minimum=99.0, samples=samples),)

    def cost(self, sample: Pair) -> float:
        """Return the length."""
        return len(sample.tokens)

    def collate(self, samples: Sequence[Pair]) -> Inputs:
        """Pad to the longest."""
        longest = max(len(sample.tokens) for sample in samples)
        inputs = {name: np.zeros((len(samples), longest), np.int64) for name in ("tokens", "segments")}
        for row, sample in enumerate(samples):
            inputs["tokens"][row, : len(sample.tokens)] = sample.tokens
            inputs["segments"][row, : len(sample.segments)] = sample.segments
        return inputs


def _graph(tokens: str, segments: str) -> Graph:
    return Graph(
        (Tensor("tokens", "int64", (None, None), tokens), Tensor("segments", "int64", (None, None), segments)),
        (Tensor("difference", "float32", (None, 1)),),
    )


PAIRS = Pairs(
    edition="tiny",
    loadgen_model="pairs",
    dataset=PairTexts(),
    metric=RightSide(),
    models=(
        # This file calls its inputs something else: they are mapped by name.
        ModelFile("onnx", "fp32", MODELS / "pairs.onnx", (_graph("input_ids", "token_type_ids"),)),
        ModelFile("npz", "fp32", MODELS / "pairs.npz", (_graph("", ""),)),
    ),
    short=Short(samples=200, seconds=0.5),
)

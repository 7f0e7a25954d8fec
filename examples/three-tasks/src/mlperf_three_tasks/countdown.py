"""Counting down from a number: an encoder and a decoder that is called until it says stop; answers are int64."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pytest_mlperf.backends.base import Inputs, Model
from pytest_mlperf.benchmarks.base import Benchmark, FirstToken, Graph, Limit, ModelFile, Records, Short, Tensor
from pytest_mlperf.metrics.accuracy_log import Record

from mlperf_three_tasks.files import MODELS, NO_FILES

NUMBERS = 20
STOP = NUMBERS
MOST_TOKENS = NUMBERS + 1


class Numbers:
    """Numbers by index, as features."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Inputs:
        return {"features": np.eye(NUMBERS, dtype=np.float32)[index * 7 % NUMBERS]}


@dataclass(frozen=True)
class SomeNumbers:
    """The data set."""

    name: str = "numbers"
    size: int = 400
    requirements: tuple[str, ...] = ()

    def source(self, count: int) -> Path:
        """Return a directory; nothing is read from it."""
        del count
        return NO_FILES

    def open(self, directory: Path, count: int, variant: str) -> Numbers:
        """Return the first `count` numbers."""
        del directory, variant
        return Numbers(count)


@dataclass(frozen=True)
class ExactMatch:
    """The part of the answers that are right to the last token."""

    name: str = "exact_match"
    unit: str = "%"
    requirements: tuple[str, ...] = ()

    def score(self, answers: Iterable[Record], dataset: Path) -> Mapping[str, float]:
        """Compare each answer, int64 of any length, with the numbers down to 0."""
        del dataset
        right = [
            np.array_equal(np.frombuffer(data, np.int64), np.arange(index * 7 % NUMBERS, -1, -1))
            for index, data in answers
        ]
        return {self.name: 100.0 * float(np.mean(right))}

    def text(self, values: Mapping[str, float]) -> str:
        """Return accuracy.txt."""
        return f"exact_match={values[self.name]:.3f}%\n"


@dataclass(frozen=True, kw_only=True)
class Countdown(Benchmark):
    """A task whose answers come token by token from two graphs."""

    def limits(self, samples: int) -> Sequence[Limit]:
        """Ask for 99 %."""
        return (Limit("exact_match", minimum=99.0, samples=samples),)

    def answer(self, model: Model, samples: Sequence[Inputs], indices: Sequence[int], first: FirstToken) -> Records:
        """Decode greedily, all samples of the batch side by side."""
        del indices
        [state] = model.run(self.collate(samples), "encoder")
        tokens: list[list[int]] = [[] for _ in samples]
        going = np.arange(len(samples))
        while len(going):
            logits, state = model.run({"state": state}, "decoder")
            chosen: NDArray[np.int64] = logits.argmax(1)
            for place, token in zip(going, chosen.tolist(), strict=True):
                if token != STOP and not tokens[place]:
                    first(int(place), np.array([token], np.int64))
                if token != STOP:
                    tokens[place].append(token)
            more = (chosen != STOP) & np.array([len(tokens[place]) < MOST_TOKENS for place in going])
            going, state = going[more], np.ascontiguousarray(state[more])
        return Records.ragged([np.array(answer, np.int64) for answer in tokens])


STATE = (None, NUMBERS + 1)
GRAPHS = (
    Graph(
        (Tensor("features", "float32", (None, NUMBERS)),),
        (Tensor("state", "float32", STATE),),
        name="encoder",
        file="encoder.onnx",
    ),
    Graph(
        (Tensor("state", "float32", STATE),),
        (Tensor("logits", "float32", STATE), Tensor("next_state", "float32", STATE)),
        name="decoder",
        file="decoder.onnx",
    ),
)
NPZ_GRAPHS = tuple(Graph(graph.inputs, graph.outputs, graph.name, f"{graph.name}.npz") for graph in GRAPHS)

COUNTDOWN = Countdown(
    edition="tiny",
    loadgen_model="countdown",
    dataset=SomeNumbers(),
    metric=ExactMatch(),
    models=(
        ModelFile("onnx", "fp32", MODELS / "countdown", GRAPHS, directory=True),
        ModelFile("npz", "fp32", MODELS / "countdown", NPZ_GRAPHS, directory=True),
    ),
    short=Short(samples=100, seconds=0.5),
)

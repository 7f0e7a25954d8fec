"""A task on texts of any length, as another package would add it: its samples are no mappings, and differ in work."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlperf.benchmarks.base import Benchmark, Graph, Limit, ModelFile, Records, Tensor
from pytest_mlperf.errors import ModelError, OptionError
from pytest_mlperf.metrics.accuracy_log import float32_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.metrics.accuracy_log import Record

#: What is wrong with the model of the backend wordy.
COMPLAINT = "three layers:\n  conv1: float16\n\n  conv2: int4; expected: nothing of the kind"


def text(index: int) -> str:
    """Return a sample: neighbours differ in length."""
    return "x" * (1 + 7 * index % 13)


@dataclass(frozen=True)
class TextSet:
    """Texts by index."""

    size: int | None = 200
    name: str = "texts"
    requirements: tuple[str, ...] = ()

    def source(self, count: int) -> Path:
        return Path(__file__).parent

    def open(self, directory: Path, count: int, variant: str) -> list[str]:
        return [text(index) for index in range(count)]


@dataclass(frozen=True)
class RightLengths:
    """The part of the texts whose length was found."""

    name: str = "right"
    unit: str = "%"
    requirements: tuple[str, ...] = ()

    def score(self, answers: Iterable[Record], dataset: Path) -> Mapping[str, float]:
        rows = float32_rows(answers, columns=1)
        pairs = zip(rows.qsl_idx.tolist(), rows.values[:, 0].tolist(), strict=True)
        return {self.name: 100.0 * np.mean([len(text(index)) == value for index, value in pairs])}

    def text(self, values: Mapping[str, float]) -> str:
        return f"right={values[self.name]:.3f}%\n"


class Texts(Benchmark):
    """Answers each text with its length."""

    def limits(self, samples: int) -> Sequence[Limit]:
        return (Limit("right", minimum=100.0),)

    def cost(self, sample: Any) -> float:
        return len(sample)

    def collate(self, samples: Sequence[Any]) -> Inputs:
        lengths = np.array([len(sample) for sample in samples], np.int32)
        tokens = np.zeros((len(samples), lengths.max()), np.int32)
        for row, length in zip(tokens, lengths, strict=True):
            row[:length] = 1
        return {"tokens": tokens}

    def encode(self, outputs: Outputs, samples: Sequence[Any], indices: Sequence[int]) -> Records:
        return Records.ragged(list(outputs[0].astype(np.float32)))


GRAPH = Graph((Tensor("tokens", "int32", (None, None)),), (Tensor("length", "int32", (None,)),))
TEXTS = Texts(
    edition="tiny",
    loadgen_model="texts",
    dataset=TextSet(),
    metric=RightLengths(),
    models=(ModelFile("tokens", "fp32", Path(__file__), (GRAPH,)),),
)


class Counting:
    """A model that one thread may use; it notes in $MLPERF_TEST_TALLY when it is opened, used and closed."""

    device = "cpu"
    max_batch: int | None = None
    concurrent = False
    weight_types: Sequence[str] = ()

    def __init__(self, scale: int) -> None:
        self._scale = scale
        note("open")

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        lengths = inputs["tokens"].sum(axis=1)
        note("run", *map(str, lengths))
        return (self._scale * lengths,)

    def close(self) -> None:
        note("close")


class Lengths:
    """Counts tokens. Its only option, ``scale``, makes what it finds so many times as long."""

    devices: tuple[str, ...] = ("cpu",)
    formats: tuple[str, ...] = ("tokens",)
    requirements: tuple[str, ...] = ("numpy>=1.26",)

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> Counting:
        if unknown := sorted(set(options) - {"scale"}):
            raise OptionError(
                f"--backend-option: lengths has no option {unknown[0]}",
                expected="scale",
                found=unknown[0],
                fix="leave it out",
            )
        return Counting(int(options.get("scale", "1")))

    def versions(self) -> Mapping[str, str]:
        return {"numpy": np.__version__}


class Wordy(Lengths):
    """Says in several lines why it cannot load a model."""

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> Counting:
        raise ModelError("the model is odd", expected="one layer", found=COMPLAINT, fix="take another\nor none")


def note(*words: str) -> None:
    if "MLPERF_TEST_TALLY" in os.environ:
        with Path(os.environ["MLPERF_TEST_TALLY"]).open("a") as tally:
            tally.write(" ".join(words) + "\n")

"""Benchmarks for endpoints: numbers that come back as they are, and chats that say how many words they shall have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from mlperf_test_runtimes import GRAPH, Answered, NullBenchmark, NullDataset, NullSamples

from pytest_mlperf.benchmarks.base import (
    Benchmark,
    FirstToken,
    Graph,
    Limit,
    ModelFile,
    Records,
    Short,
    Tensor,
    TokenRecords,
    Url,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pytest_mlperf.backends.base import Inputs, Model, Outputs
    from pytest_mlperf.metrics.accuracy_log import Record

SHORT = Short(samples=200, seconds=0.5, most_queries=20_000, rehearsal=8)
ECHO = NullBenchmark(
    edition="tiny",
    loadgen_model="null",
    dataset=NullDataset(200),
    metric=Answered(),
    models=(ModelFile("endpoint", "fp32", Url(""), (GRAPH,)),),
    short=SHORT,
)


class TwiceBenchmark(NullBenchmark):
    """Asks twice for each answer, the second time for what came back the first time."""

    def answer(self, model: Model, samples: Sequence[Any], indices: Sequence[int], first: FirstToken) -> Records:
        del indices, first
        [once] = model.run(self.collate(samples))
        return Records.rows(model.run({"x": once})[0])


TWICE = TwiceBenchmark(
    edition="tiny",
    loadgen_model="null",
    dataset=NullDataset(200),
    metric=Answered(),
    models=ECHO.models,
    short=SHORT,
)


class Prompts(NullSamples):
    """Prompts that ask for 2 to 6 words."""

    def __getitem__(self, index: int) -> Inputs:
        return {"prompt": np.array(f"say {index % 5 + 2}", object), "max_tokens": np.array(16)}


@dataclass(frozen=True)
class PromptDataset(NullDataset):
    def open(self, directory: Path, count: int, variant: str) -> NullSamples:
        return Prompts(count)


@dataclass(frozen=True)
class WordsRight:
    """The part of the answers that are the words that the prompt asked for."""

    name: str = "right"
    unit: str = "%"
    requirements: tuple[str, ...] = ()

    def score(self, answers: Iterable[Record], dataset: Path) -> Mapping[str, float]:
        right = [data.decode() == "".join(f"w{n} " for n in range(index % 5 + 2)) for index, data in answers]
        return {self.name: 100.0 * sum(right) / len(right)}

    def text(self, values: Mapping[str, float]) -> str:
        return f"right={values[self.name]:.3f}%\n"


class ChatBenchmark(Benchmark):
    """Says so many words; LoadGen counts the tokens."""

    def limits(self, samples: int) -> Sequence[Limit]:
        return (Limit("right", minimum=99.0, reference=100.0, samples=samples),)

    def encode(self, outputs: Outputs, samples: Sequence[Any], indices: Sequence[int]) -> Records:
        texts, tokens = outputs
        words = [np.frombuffer(text.encode(), np.uint8) for text in texts]
        return TokenRecords.counted(Records.ragged(words), tokens.tolist())


CHAT_GRAPH = Graph(
    (Tensor("prompt", "str", (None,)), Tensor("max_tokens", "int64", (None,))),
    (Tensor("text", "str", (None,)), Tensor("tokens", "int64", (None,))),
)
#: LoadGen's own configuration has token latencies for this name.
CHAT = ChatBenchmark(
    edition="tiny",
    loadgen_model="llama2-70b",
    dataset=PromptDataset(100),
    metric=WordsRight(),
    models=(ModelFile("chat", "fp32", Url(""), (CHAT_GRAPH,)),),
    scenarios=("Offline", "Server", "SingleStream"),
    short=Short(samples=100, seconds=0.5, most_queries=2_000, rehearsal=8),
)
